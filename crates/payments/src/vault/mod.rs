//! The card vault: sealed card numbers and, for minutes, security codes.
//!
//! Each account has data keys of its own, wrapped under the platform key ([`kernel::KeyWrap`]); a record is sealed under one version of
//! them and bound to account, record and version. Sealing happens outside of decisions, so a decision that stores a sealed value looks
//! whether it was sealed with the present version ([`store`]); that makes changing keys safe while the product runs.
//!
//! # Invariants
//! - A number or code is in the store only sealed, and in memory only in types that mask and wipe themselves.
//! - After an account's version has been raised, no record appears under an older one.
//! - A version of a key is destroyed only when no record is left under it.

mod commands;
mod queries;
mod rows;
mod service;
mod verify;

pub(crate) use commands::{Stale, destroy, destroy_keys, store, store_keys};
pub use queries::versions;
pub use rows::{VaultAccountRow, VaultKeyRow, VaultRecordRow};
pub(crate) use service::SEALED;
pub use service::{Opened, Rotated, Sealed, Vault};
pub use verify::verify;

/// The tables of the vault, tokens and stored methods.
pub const MIGRATION: db::Migration = db::Migration {
    number: 7,
    topic: "vault",
    sqlite: include_str!("../../../../migrations/0007_vault/sqlite.sql"),
    postgres: include_str!("../../../../migrations/0007_vault/postgres.sql"),
};
