//! One key, one effect: claims on idempotency keys, and the replies that repeats are answered with.
//!
//! A request brings a key; the first one with that key in its [`Scope`] *claims* it in the same commit that writes down what is about
//! to happen. When the work succeeds, its reply is recorded in the same commit that makes it true, and every later request with the
//! key gets the same bytes again. When it is refused, claim and work vanish together. While it is under way, or nobody knows what
//! became of it, repeats are refused as in process.
//!
//! # Invariants
//! - A claim and the work it stands for are there together or not at all; so are the recorded reply and the effect it tells of.
//! - Only replies of status 2xx are recorded. They never change afterwards, which is why memory may hold them.
//! - A key counts for 24 hours of the platform clock from its first request, no longer for being repeated; but an open claim never
//!   expires, and one that finishes late is kept 24 hours from its finish.
//! - Only the process that owns a claim finishes or drops it. A process that was taken over can write nothing at all: the store sees
//!   to that.
//! - The request body plays no part: whoever repeats a key gets the first reply. Another body is counted and logged.
//!
//! # Example
//! ```
//! use idempotency::{IdempotencyKey, KeyError, Scope};
//! use kernel::AccountId;
//!
//! let key = IdempotencyKey::parse(b"order-4711")?;
//! let merchant = AccountId::from_bytes([1; 16]);
//! let payment = Scope::of(merchant, "POST", "/v1/payments", &key);
//! let session = Scope::of(merchant, "POST", "/v1/checkout/sessions", &key);
//! assert_ne!(payment, session); // the same key means something else elsewhere
//! assert_eq!(IdempotencyKey::parse(b"two words"), Err(KeyError::Character));
//! # Ok::<(), KeyError>(())
//! ```

mod cache;
pub mod codec;
mod commands;
mod error;
mod in_flight;
pub mod meter;
pub mod queries;
mod rows;
mod rules;
mod sealed;
mod service;
mod types;
pub mod verify;

pub use cache::REPLAY_CACHE_BYTES_MAX;
pub use commands::{
    Claimed, amend, claim, claim_keys, finish, finish_sealed, forget, held_keys, mark_unknown, still_held, take_over,
};
pub use error::{CodecError, HoldRefusal, KeyError};
pub use in_flight::Working;
pub use queries::{Orphan, OrphansAfter, orphans};
pub use rows::{ClaimRow, ClaimStatus};
pub use rules::{LATE_FINISH_SECONDS, RETENTION_SECONDS, expires_at};
pub use sealed::ReplySealer;
pub use service::{Idempotency, SWEEP_CLAIMS_MAX};
pub use types::{BodyHash, Claim, IdempotencyKey, InProcess, KEY_CHARS_MAX, Known, Recorded, Reply, Scope};

/// The table of this crate.
pub const MIGRATION: db::Migration = db::Migration {
    number: 4,
    topic: "idempotency",
    sqlite: include_str!("../../../migrations/0004_idempotency/sqlite.sql"),
    postgres: include_str!("../../../migrations/0004_idempotency/postgres.sql"),
};

/// How full PostgreSQL makes the pages of claims.
pub const PAGES_MIGRATION: db::Migration = db::Migration {
    number: 27,
    topic: "claim_pages",
    sqlite: include_str!("../../../migrations/0027_claim_pages/sqlite.sql"),
    postgres: include_str!("../../../migrations/0027_claim_pages/postgres.sql"),
};
