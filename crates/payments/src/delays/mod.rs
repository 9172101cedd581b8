//! Authorisations that are captured or cancelled by themselves a while later.
//!
//! The delay is part of the payment; the row that carries it out is written in the commit that approves the authorisation. The scheduler
//! only finds what is due and asks for an ordinary capture or cancel under the key `delay:<transaction>`; the intent of that operation and
//! the end of the row's waiting are one commit, so it is asked for once. Only an operation that certainly never reached the acquirer makes
//! it wait again. A capture that was asked to be tried again is one from then on: its times are those of [`crate::retries`].
//!
//! # Invariants
//! - At most one operation of a delay ever takes effect, however many processes look and wherever one of them dies.
//! - What the merchant did before counts: what he captured is not captured again, and a hold that is gone is left alone.
//! - A delay ends before the hold does.

mod commands;
mod origin;
pub(crate) mod queries;
mod rows;
pub mod rules;
mod scheduler;
mod types;
pub(crate) mod verify;

pub(crate) use commands::{begin, begin_keys, schedule, schedule_keys};
pub(crate) use origin::DelayOrigin;
pub use rows::DelayedRow;
pub use scheduler::Delays;
pub use types::{Delay, DelayedStep};

/// The table of delays.
pub const MIGRATION: db::Migration = db::Migration {
    number: 15,
    topic: "delays",
    sqlite: include_str!("../../../../migrations/0015_delays/sqlite.sql"),
    postgres: include_str!("../../../../migrations/0015_delays/postgres.sql"),
};
