//! The table of claims.

use std::sync::Arc;

use db::{Column, Kind, Value};
use kernel::{AccountId, BootId, Timestamp};
use uuid::Uuid;

use crate::types::{BodyHash, Scope};

db::codes! {
    /// How far the work behind a key is.
    pub enum ClaimStatus {
        /// The first request is under way.
        InProgress = 0,
        /// It succeeded; its reply is stored.
        Done = 1,
        /// The outside world has not told yet what became of it; recovery asks.
        Unknown = 2,
    }
}

db::row! {
    /// One idempotency key within its scope. A request that is refused leaves no claim behind.
    pub struct ClaimRow: "claim" {
        key { /// The tenant.
              account_id: AccountId,
              /// Hash of method, path and key.
              scope: [u8; 16] }
        once { /// When the first request was accepted, by the platform clock.
               first_seen_at: Timestamp,
               /// SHA-256 of its body.
               body_hash: BodyHash,
               /// What it makes.
               subject: Uuid,
               /// Its request id.
               request_id: Arc<str> }
        state { /// How far it is.
                status: ClaimStatus,
                /// The process that works on it; only its owner finishes it.
                owner: BootId,
                /// Status of the reply.
                http_status: Option<u16>,
                /// The reply, packed.
                reply: Option<Arc<[u8]>>,
                /// When what it was made for was over, or will be at the latest: a reply may say that it goes on.
                finished_at: Option<Timestamp> }
    }
}

impl ClaimRow {
    /// Where the key counts.
    pub fn scope(&self) -> Scope {
        Scope { account_id: self.account_id, hash: self.scope }
    }
}

impl Column for BodyHash {
    const KIND: Kind = Kind::Bytes;

    fn to_value(&self) -> Value {
        Value::Bytes(Arc::from(self.0.as_slice()))
    }

    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Bytes(stored) => stored.as_ref().try_into().ok().map(Self),
            _ => None,
        }
    }
}
