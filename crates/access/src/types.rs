//! What accounts and fresh keys are to the rest of the product.

use std::sync::Arc;

use kernel::{AccessKeyId, AccountId, CardNumber, Country, Currency, FeeRate, KeyedHash, SecretText, Timestamp};
use uuid::Uuid;

/// A tenant and its settings.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its number, for people and for the WePay-shaped interface.
    pub number: i64,
    /// Shown name.
    pub name: Arc<str>,
    /// Where its owner is written to.
    pub owner_email: Arc<str>,
    /// Home country; never changes.
    pub country: Country,
    /// Home currency; never changes.
    pub currency: Currency,
    /// What the platform keeps of each capture.
    pub fee: FeeRate,
    /// How far below zero refunds may take the account's money, in minor units; not negative.
    pub negative_limit_minor: i64,
    /// A request that repeats an idempotency key with another body than the first one's is refused.
    pub idempotency_strict: bool,
    /// When it was made, platform time.
    pub created_at: Timestamp,
    /// Makes fingerprints of card numbers; another account's differ.
    pub(crate) fingerprint: KeyedHash,
}

impl Account {
    /// The same for the same card within this account, shown as a UUID; says nothing about the number, and nothing is
    /// the same in another account.
    pub fn fingerprint(&self, card: &CardNumber) -> Uuid {
        let hash = self.fingerprint.hash(card.expose().as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    }
}

/// A key just made, or given a new secret: the one time its secret is shown.
#[derive(Debug, Clone)]
pub struct IssuedKey {
    /// Its id.
    pub id: AccessKeyId,
    /// Its public half, which names it.
    pub token: Arc<str>,
    /// Its private half.
    pub secret: SecretText,
}
