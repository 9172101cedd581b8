//! Double entry: who holds how much, and every movement that made it so.
//!
//! Three words. A **ledger account** belongs to an owner (a merchant, a connector, the platform), is of one [`AccountKind`] and counts
//! minor units of one currency; it is made on first use. A **transfer** is one row: it debits one account and credits another with the
//! same positive amount, so it balances by construction. A **recipe** names a business event and says which transfers it books; the
//! transfers with one cause and one recipe are a *posting*, numbered by leg.
//!
//! # Invariants
//! - [`post`] is the only function that makes transfers, and it takes a [`Recipe`], never a list of transfers.
//! - A posting is made once per (cause, recipe): repeating it changes nothing and says [`Posted::Already`].
//! - No account falls below its floor; the whole posting is refused before any row changes ([`PostRefusal::BelowFloor`]).
//! - Each transfer carries the sequence number and the balance of both its accounts after it, so statements and
//!   [`verify`] need nothing but the transfers.
//!
//! # Example
//! ```
//! use kernel::{AccountId, Currency, Money};
//! use ledger::recipes::{Capture, Recipe};
//! use ledger::{Owner, Split};
//!
//! let merchant = AccountId::from_bytes([1; 16]);
//! let price = Money::new(1999, Currency::EUR);
//! let capture = Capture { connector: Owner::connector("sandbox"), split: Split::charge(merchant, price, 53) };
//! // One transfer brings the merchant 19.46 EUR, another the platform 0.53 EUR; both come from what the acquirer owes us.
//! assert_eq!(capture.booking().legs.iter().map(|leg| leg.minor).collect::<Vec<_>>(), [1946, 53]);
//! ```

mod commands;
mod error;
pub mod queries;
pub mod recipes;
mod rows;
mod rules;
mod types;
pub mod verify;

pub use commands::{Posted, keys, post};
pub use error::{PostRefusal, SplitError};
pub use rows::{LedgerAccountRow, TransferRow};
pub use types::{AccountKind, Booking, Cause, Leg, Owner, Part, Party, SPLIT_PARTS_MAX, Side, Split};

/// The tables of this crate.
pub const MIGRATION: db::Migration = db::Migration {
    number: 3,
    topic: "ledger",
    sqlite: include_str!("../../../migrations/0003_ledger/sqlite.sql"),
    postgres: include_str!("../../../migrations/0003_ledger/postgres.sql"),
};
