//! The decisions about receivers and deliveries.

mod configure;
mod deliver;

pub use configure::Details;
pub(crate) use configure::{Change, Configured, Create, Done, Edit, Remove, Rotate};
pub(crate) use deliver::{Record, Resend, Take, Taken};
