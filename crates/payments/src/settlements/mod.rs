//! Settlements: files in which acquirers say what they paid us, line by line, matched with what they owe.
//!
//! A file is read twice. The first reading judges its form and gives the settlement its id, which is made of the file's bytes: what cannot
//! be read leaves no trace, and the same file is always the same settlement. The second reading takes its lines in batches: each line is
//! *matched* with one attempt, or is a *difference* that says why not. When all are taken, what matched is booked in one commit.
//!
//! # Invariants
//! - An attempt is settled once: its id is the key under which that is written down, whatever file and line say so.
//! - Nothing is booked before every line is judged, and nothing for a difference.
//! - A settlement is booked once per currency, with the sums of its matched lines.
//! - An import that broke off goes on where it was when the same file is imported again.

mod cells;
mod commands;
mod error;
mod file;
mod queries;
mod rows;
mod rules;
mod service;
mod types;
pub(crate) mod verify;

pub use error::{Column, ImportError, Misread};
pub use queries::{DIFFERENCES_LISTED_MAX, SETTLEMENTS_LISTED_MAX, differences, overview, settlement, settlements, totals};
pub use rows::{SettledRow, SettlementDifferenceRow, SettlementRow, SettlementTotalRow};
pub use service::{Import, Imported, Progress, Settlements, Step};
pub use types::{Difference, LineKind, ListedDifference, Standing};

/// The tables of settlements.
pub const MIGRATION: db::Migration = db::Migration {
    number: 25,
    topic: "settlements",
    sqlite: include_str!("../../../../migrations/0025_settlements/sqlite.sql"),
    postgres: include_str!("../../../../migrations/0025_settlements/postgres.sql"),
};
