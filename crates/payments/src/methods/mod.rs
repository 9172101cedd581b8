//! Stored payment methods: cards that a merchant may charge again.
//!
//! A card is enrolled directly, through a customer's session, or by a payment that asks for it. While an acquirer is asked about it,
//! the method is there with its sealed number and in process; the commit that settles the question enrols it or destroys the number.
//!
//! # Invariants
//! - A customer has a card at most once: `customer_card` has one row for each, and all ways of enrolling go through it.
//! - A method that is enrolled has a number in the vault; one that was unenrolled or declined has none.

mod commands;
mod origin;
mod queries;
mod rows;
mod rules;
mod service;
mod source;
mod types;
mod verify;

pub(crate) use commands::forget_all;
pub(crate) use origin::Enrolment;
pub(crate) use queries::{Seen, seen_of};
pub use rows::{CustomerCardRow, PaymentMethodRow};
pub use rules::READY_SECONDS;
pub use service::{EnrolMethod, PrepareMethod, Stored};
pub use source::{CardSource, NewMethod};
pub(crate) use source::{forget_keys, settle, settle_keys};
pub use types::MethodStatus;
pub(crate) use verify::verify;
