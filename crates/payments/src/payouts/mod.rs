//! Payouts: a merchant's own money on its way to a bank account.
//!
//! A payout is one attempt, carried out like any other: its intent is committed with the money set aside, an acquirer that can send
//! money is asked under the attempt's id, and what it said is settled. An unknown outcome is asked for by the same resolver, and the
//! money stays set aside until it is known.
//!
//! # Invariants
//! - A payout that the merchant's money does not cover is refused without a posting and without a call.
//! - `merchant_reference` names one payout of an account, so a repeat without an idempotency key pays nobody twice.
//! - A bank account's number is never stored: what is shown of it is masked before it is written down.

mod commands;
pub(crate) mod queries;
mod rows;
mod service;
mod types;
pub(crate) mod verify;

pub(crate) use commands::{doubt, key, keys, reply, settle, settle_keys};
pub use rows::{PayoutReferenceRow, PayoutRow};
pub use types::{BankAccountNumber, CreatePayout};

/// The tables of payouts.
pub const MIGRATION: db::Migration = db::Migration {
    number: 10,
    topic: "payouts",
    sqlite: include_str!("../../../../migrations/0010_payouts/sqlite.sql"),
    postgres: include_str!("../../../../migrations/0010_payouts/postgres.sql"),
};
