//! Who may ask for what: accounts, access keys, their proof by two headers, permissions, rates and address lists.
//!
//! An **account** is a tenant. An **access key** belongs to one account and is a token, which names it, a secret,
//! which proves it, and a [`Permission`]. A request proves its key through the [`Keyring`], which remembers keys in
//! memory; keys are made and changed through the [`AccessService`].
//!
//! # Invariants
//! - A secret is stored twice and never in clear: as a keyed hash, which is compared, and sealed, for the one family
//!   that signs with it.
//! - An unknown token, a wrong secret and a malformed header get one answer, after the same work.
//! - A changed key counts at once in the process that changed it and within [`STALE_AFTER_MICROS`] in the others; when the
//!   database cannot be asked for longer than that, no remembered key counts any more.
//! - Whether a permission allows a capability is decided by one exhaustive match, [`Permission::allows`].
//!
//! # Example
//! ```
//! use access::{Capability, Permission};
//!
//! assert!(Permission::ReadMoneyIn.allows(Capability::MoneyIn));
//! assert!(!Permission::ReadMoneyIn.allows(Capability::MoneyOut));
//! ```

mod address;
mod commands;
mod demo;
mod error;
mod failures;
mod keyring;
mod known;
mod platform_key;
mod queries;
mod rate;
mod rows;
mod rules;
mod secrets;
mod service;
#[cfg(test)]
mod tests;
mod token;
mod types;
mod verify;

pub use address::{ALLOWED_ADDRESSES_MAX, AllowList, AllowListError};
pub use demo::{DemoAccess, DemoAccount};
pub use error::{AccessError, AccessRefusal, Refused};
pub use failures::FAILED_PROOFS_PER_MINUTE;
pub use keyring::{Keyring, KeyringOptions, STALE_AFTER_MICROS};
pub use known::Caller;
pub use platform_key::{MasterKeyChange, Opening, PlatformKeys, platform_key_in};
pub use queries::{environment, negative_limits};
pub use rate::{Rate, WINDOW_SECONDS};
pub use rules::{Capability, Permission};
pub use secrets::AccessSecrets;
pub use service::{AccessService, NewAccount, NewKey, OVERLAP_SECONDS_DEFAULT, OVERLAP_SECONDS_MAX};
pub use token::Environment;
pub use types::{Account, IssuedKey};
pub use verify::verify;

/// Accounts, keys and their secrets.
pub const MIGRATION: db::Migration = db::Migration {
    number: 2,
    topic: "access",
    sqlite: include_str!("../../../migrations/0002_access/sqlite.sql"),
    postgres: include_str!("../../../migrations/0002_access/postgres.sql"),
};

/// The table of the wrapped platform key.
pub const PLATFORM_KEY_MIGRATION: db::Migration = db::Migration {
    number: 20,
    topic: "platform_key",
    sqlite: include_str!("../../../migrations/0020_platform_key/sqlite.sql"),
    postgres: include_str!("../../../migrations/0020_platform_key/postgres.sql"),
};

/// Accounts that want the same body with the same key.
pub const IDEMPOTENCY_STRICT_MIGRATION: db::Migration = db::Migration {
    number: 24,
    topic: "idempotency_strict",
    sqlite: include_str!("../../../migrations/0024_idempotency_strict/sqlite.sql"),
    postgres: include_str!("../../../migrations/0024_idempotency_strict/postgres.sql"),
};
