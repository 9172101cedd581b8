//! The decisions about receivers and deliveries.

mod configure;
mod deliver;
mod sweep;

pub(crate) use configure::{Change, Configured, Create, Done, Edit, Remove, Rotate, Sealed};
pub use configure::{Details, Merge};
pub(crate) use deliver::{GiveUp, Record, Resend, Take, Taken};
pub(crate) use sweep::Sweep;
