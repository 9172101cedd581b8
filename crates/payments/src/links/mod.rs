//! Payment links: an amount that anybody who knows the address may pay.
//!
//! # Invariants
//! - A link for one use is paid once: while a payment of it is under way, no other can begin, whoever asks and wherever.
//! - A link counts its payments in the commit that settles them, whoever learned the outcome.
//! - A link that is used, cancelled, expired or not open yet begins no payment.

mod commands;
mod origin;
pub(crate) mod queries;
mod rows;
mod rules;
mod service;
mod types;
pub(crate) mod verify;

pub(crate) use commands::{begin, begin_keys};
pub(crate) use origin::LinkOrigin;
pub use queries::{LinkRead, PaidThrough};
pub use rows::{LinkPaymentRow, LinkRow};
pub use rules::Openness;
pub use types::{CreateLink, LinkFacts, LinkState};

/// The tables of payment links.
pub const MIGRATION: db::Migration = db::Migration {
    number: 11,
    topic: "links",
    sqlite: include_str!("../../../../migrations/0011_links/sqlite.sql"),
    postgres: include_str!("../../../../migrations/0011_links/postgres.sql"),
};
