//! The tables of the vault.

use std::sync::Arc;

use kernel::{AccountId, Timestamp};
use uuid::Uuid;

db::row! {
    /// Which version of its data key an account seals with. Every decision that stores a sealed value names this row.
    pub struct VaultAccountRow: "vault_account" {
        key { /// The tenant.
              account_id: AccountId }
        once {}
        state { /// The version that new records are sealed with.
                current_version: i64 }
    }
}

db::row! {
    /// One version of an account's data key.
    pub struct VaultKeyRow: "vault_key" {
        key { /// The tenant.
              account_id: AccountId,
              /// From 1 upwards.
              version: i64 }
        once { /// When it was made.
               made_at: Timestamp }
        state { /// The key, wrapped under the platform key.
                wrapped: Arc<[u8]> }
    }
}

db::row! {
    /// A sealed card number or security code.
    pub struct VaultRecordRow: "vault_record" {
        key { /// The tenant.
              account_id: AccountId,
              /// Its id, by which others name it.
              id: Uuid }
        once { /// When it was made.
               made_at: Timestamp }
        state { /// The version of the data key it is sealed with.
                key_version: i64,
                /// The digits, sealed.
                sealed: Arc<[u8]> }
    }
}

/// The id of the one [`VaultRotationRow`].
pub(super) const ROTATION_ID: i64 = 1;

db::row! {
    /// The latest change of all data keys, so that one that was broken off can go on.
    pub(super) struct VaultRotationRow: "vault_rotation" {
        key { /// Always [`ROTATION_ID`].
              id: i64 }
        once {}
        state { /// Keys made before are to be replaced.
                started_at: Timestamp,
                /// When all were.
                finished_at: Option<Timestamp> }
    }
}
