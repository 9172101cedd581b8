//! Captures and refunds that are tried again where they fail for now.
//!
//! Who asks for that gets his answer after the first try: the transaction is pending, and goes on under the one id it has. Each try is sent
//! under an id of its own, because acquirers remember what they refused. A later try is a question from the moment its intent is written:
//! one commit gives it its id and opens the question what became of it, so whoever finds it after a crash asks, and nobody sends it again.
//!
//! # Invariants
//! - At most one try of an operation is under way, and the next one begins only when it is certain that the one before did nothing.
//! - What an operation reserved stays reserved until it has gone through or failed for good.
//! - Only what waits can be stopped: the cancel of a hold ends its waiting captures in the commit that writes the cancel's own intent.
//! - A try is counted once: the end of an earlier try that is told late changes nothing.
//! - Nothing is tried again once its hold is over, or while a payer's bank disputes the payment: the times that come then are passed
//!   over. What waits is over when the bank has won.

mod commands;
pub(crate) mod queries;
mod rows;
pub mod rules;
mod scheduler;
pub(crate) mod verify;

pub(crate) use commands::{
    After, after, begin, begin_keys, is_current, keep, keys, over_by, standing, standing_of, stop, stop_keys, was_tried_again,
};
pub use rows::{RetriedRow, RetriesRow};

/// The tables of operations that are tried again.
pub const MIGRATION: db::Migration = db::Migration {
    number: 21,
    topic: "retried_operations",
    sqlite: include_str!("../../../../migrations/0021_retried_operations/sqlite.sql"),
    postgres: include_str!("../../../../migrations/0021_retried_operations/postgres.sql"),
};
