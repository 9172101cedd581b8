//! Fulfilments: what a merchant tells of what became of the goods of a payment. They move no money and decide nothing.
//!
//! # Invariants
//! - What was told stays: each request appends, none changes or removes what an earlier one said; the latest counts.
//! - Requests are numbered per payment without gaps, so that they are read back in the order in which they were committed.
//! - What is kept of one payment is bounded, in fulfilments and in bytes.

mod commands;
pub(crate) mod queries;
mod rows;
mod rules;
mod service;
mod types;
pub(crate) mod verify;

pub use rows::{FulfilmentRow, FulfilmentTotalRow};
pub use rules::{BYTES_MAX, COUNT_MAX};
pub use types::{AddFulfilments, FulfilmentStatus};

/// The tables of fulfilments.
pub const MIGRATION: db::Migration = db::Migration {
    number: 23,
    topic: "fulfilments",
    sqlite: include_str!("../../../../migrations/0023_fulfilments/sqlite.sql"),
    postgres: include_str!("../../../../migrations/0023_fulfilments/postgres.sql"),
};
