//! The tables of this crate.

use std::sync::Arc;

use kernel::{AccessKeyId, AccountId, Country, Currency, FeeRate, Timestamp};
use uuid::Uuid;

use crate::rules::Permission;
use crate::token::Environment;

db::row! {
    /// A tenant.
    pub(crate) struct AccountRow: "account" {
        key {
            /// Its id.
            id: AccountId
        }
        once {
            /// Its number.
            number: i64,
            /// Home country.
            country: Country,
            /// Home currency.
            currency: Currency,
            /// The key of its card fingerprints, sealed.
            sealed_fingerprint_key: Arc<[u8]>,
            /// When it was made, platform time.
            created_at: Timestamp,
        }
        state {
            /// Shown name.
            name: Arc<str>,
            /// Where its owner is written to.
            owner_email: Arc<str>,
            /// Share the platform keeps, hundredths of a per cent.
            fee_basis_points: u32,
            /// Fixed part the platform keeps, minor units.
            fee_fixed_minor: i64,
            /// How far below zero refunds may take it, minor units.
            negative_limit_minor: i64,
            /// A repeat with another body than the first one's is refused.
            idempotency_strict: bool,
            /// The access version of its last change; 0 when it was never changed.
            changed_in: i64,
        }
        unique {
            AccountByNumber(number: i64)
        }
    }
}

impl AccountRow {
    /// What the platform keeps of each capture.
    pub(crate) fn fee(&self) -> FeeRate {
        FeeRate { basis_points: self.fee_basis_points, fixed_minor: self.fee_fixed_minor }
    }
}

db::row! {
    /// An access key without its secrets.
    pub(crate) struct AccessKeyRow: "access_key" {
        key {
            /// Its id.
            id: AccessKeyId
        }
        once {
            /// Whose it is.
            account_id: AccountId,
            /// Its public half.
            token: Arc<str>,
            /// Where it counts.
            environment: Environment,
            /// Shown name.
            name: Arc<str>,
            /// What it may do.
            permission: Permission,
            /// Its own rate, if it has one.
            requests_per_minute: Option<u32>,
            /// From where it may be used: ranges separated by spaces, empty for anywhere.
            allowed_ips: Arc<str>,
            /// From when on it is refused, platform time.
            expires_at: Option<Timestamp>,
            /// When it was made, platform time.
            created_at: Timestamp,
        }
        state {
            /// Switched off.
            disabled: bool,
            /// The access version of its last change; 0 when it was never changed.
            changed_in: i64,
        }
        unique {
            AccessKeyByToken(token: Arc<str>)
        }
    }
}

db::row! {
    /// One secret of an access key.
    pub(crate) struct AccessSecretRow: "access_secret" {
        key {
            /// The key it proves.
            key_id: AccessKeyId,
            /// Its own id.
            secret_id: Uuid
        }
        once {
            /// Keyed hash of the secret, 32 bytes.
            secret_hash: Arc<[u8]>,
            /// The secret, sealed.
            sealed_secret: Arc<[u8]>,
            /// When it was made, platform time.
            made_at: Timestamp,
        }
        state {
            /// Until when it proves the key, platform time; none for the present secret.
            valid_until: Option<Timestamp>,
        }
        unique {
            AccessSecretByHash(secret_hash: Arc<[u8]>)
        }
    }
}

/// The id of the one [`AccessVersionRow`].
pub(crate) const ACCESS_VERSION_ID: i64 = 1;

db::row! {
    /// Counts the changes of keys and accounts. Whoever remembers keys reads it and forgets the ones that changed.
    pub(crate) struct AccessVersionRow: "access_version" {
        key {
            /// Always [`ACCESS_VERSION_ID`].
            id: i64
        }
        once {}
        state {
            /// Grows by one with each change.
            version: i64,
        }
    }
}

/// The two places a wrapped platform key can stand in.
pub(crate) const PLATFORM_KEY_SLOTS: [i64; 2] = [0, 1];

db::row! {
    /// The platform key, wrapped under one master key. There is one, or two while the master key is changed.
    pub(crate) struct PlatformKeyRow: "platform_key" {
        key {
            /// One of [`PLATFORM_KEY_SLOTS`].
            slot: i64
        }
        once {}
        state {
            /// Which master key it is wrapped under: its check value, 8 bytes.
            master_check: Arc<[u8]>,
            /// The platform key, wrapped.
            wrapped: Arc<[u8]>,
            /// When it was wrapped, platform time.
            wrapped_at: Timestamp,
        }
    }
}
