//! A key as it is remembered between requests, and the proof against it. Pure: no store, no clock of its own.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kernel::{AccessKeyId, AccountId, Timestamp, equal_in_constant_time};

use crate::address::AllowList;
use crate::error::Refused;
use crate::rate::{Bucket, Quota, Rate};
use crate::rules::{Capability, Permission};
use crate::types::Account;

/// A secret that proves a key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LiveSecret {
    pub(crate) hash: [u8; 32],
    /// Until when, platform time; none for the present secret.
    pub(crate) valid_until: Option<Timestamp>,
}

/// The secrets of a key: the present one and at most one predecessor. In place, because looking elsewhere costs as much
/// as comparing.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LiveSecrets([Option<LiveSecret>; 2]);

impl LiveSecrets {
    /// The first two.
    pub(crate) fn new(secrets: impl IntoIterator<Item = LiveSecret>) -> LiveSecrets {
        let mut secrets = secrets.into_iter();
        LiveSecrets([secrets.next(), secrets.next()])
    }

    /// The secret with this keyed hash, if there is one. Looks at all of them, whichever fits.
    pub(crate) fn find(&self, presented: &[u8; 32]) -> Option<LiveSecret> {
        let fits = |secret: &LiveSecret| equal_in_constant_time(&secret.hash, presented);
        let [first, second] = self.0.map(|secret| secret.filter(fits));
        first.or(second)
    }
}

/// All that is needed to let a request in without asking the database.
pub(crate) struct Known {
    pub(crate) id: AccessKeyId,
    pub(crate) account: Arc<Account>,
    pub(crate) permission: Permission,
    pub(crate) secrets: LiveSecrets,
    pub(crate) disabled: bool,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) allowed: AllowList,
    pub(crate) quota: Quota,
    /// Shared with the key's earlier and later states, so that changing a key does not fill its bucket.
    pub(crate) bucket: Arc<Bucket>,
    /// The key has changed since; to be read again.
    pub(crate) outdated: AtomicBool,
}

impl Known {
    /// Lets a request in that proved `secret`, after all other checks in their order: state, address, rate.
    pub(crate) fn admit(&self, secret: &LiveSecret, address: IpAddr, times: Times<'_>) -> Result<Rate, Refused> {
        if self.disabled || times.is_past(self.expires_at) || times.is_past(secret.valid_until) {
            return Err(Refused::ExpiredCredentials);
        }
        if !self.allowed.allows(address) {
            return Err(Refused::UnknownIpAddress);
        }
        self.bucket.take(self.quota, times.real).map_err(Refused::TooManyRequests)
    }

    pub(crate) fn is_outdated(&self) -> bool {
        self.outdated.load(Ordering::Acquire)
    }
}

/// The two times a proof needs.
#[derive(Clone, Copy)]
pub(crate) struct Times<'a> {
    /// Real time, on which rates run.
    pub(crate) real: Timestamp,
    /// Platform time, on which keys expire; asked for only by keys that do.
    pub(crate) platform: &'a dyn Fn() -> Timestamp,
}

impl Times<'_> {
    fn is_past(self, end: Option<Timestamp>) -> bool {
        end.is_some_and(|end| (self.platform)() >= end)
    }
}

/// Who is asking: a key that proved itself. Cheap to clone.
#[derive(Clone)]
pub struct Caller {
    known: Arc<Known>,
    rate: Rate,
}

impl Caller {
    pub(crate) fn new(known: Arc<Known>, rate: Rate) -> Caller {
        Caller { known, rate }
    }

    /// The tenant the key belongs to.
    pub fn account_id(&self) -> AccountId {
        self.known.account.id
    }

    /// The tenant's settings, at most as old as the key's.
    pub fn account(&self) -> &Arc<Account> {
        &self.known.account
    }

    /// The key.
    pub fn key_id(&self) -> AccessKeyId {
        self.known.id
    }

    /// What the key may do.
    pub fn permission(&self) -> Permission {
        self.known.permission
    }

    /// Whether the key may do that.
    pub fn may(&self, capability: Capability) -> bool {
        self.known.permission.allows(capability)
    }

    /// What is left of the key's rate after this request.
    pub fn rate(&self) -> Rate {
        self.rate
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Caller({} of {})", self.known.id, self.known.account.id)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use kernel::{Country, Currency, FeeRate, KeyedHash, Source};

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    pub(crate) fn account() -> Account {
        let (source, _) = Source::seeded(5, NOW);
        Account {
            id: AccountId::new(&source),
            number: 1,
            name: "Demo".into(),
            owner_email: "merchant@example.com".into(),
            country: Country::parse("FR").expect("a country"),
            currency: Currency::EUR,
            fee: FeeRate::NONE,
            negative_limit_minor: 0,
            idempotency_strict: false,
            created_at: NOW,
            fingerprint: KeyedHash::new(&[1; 32]),
        }
    }

    pub(crate) fn known(hash: [u8; 32], per_minute: u32) -> Known {
        let (source, _) = Source::seeded(6, NOW);
        Known {
            id: AccessKeyId::new(&source),
            account: Arc::new(account()),
            permission: Permission::FullAccess,
            secrets: LiveSecrets::new([LiveSecret { hash, valid_until: None }]),
            disabled: false,
            expires_at: None,
            allowed: AllowList::anywhere(),
            quota: Quota::per_minute(per_minute),
            bucket: Arc::default(),
            outdated: AtomicBool::new(false),
        }
    }

    fn admit(known: &Known, address: &str, platform: Timestamp) -> Result<Rate, Refused> {
        let secret = known.secrets.find(&[7; 32]).expect("the right secret");
        known.admit(&secret, address.parse().expect("an address"), Times { real: NOW, platform: &|| platform })
    }

    #[test]
    fn only_its_own_secrets_prove_a_key() {
        let secret = |hash, valid_until| LiveSecret { hash, valid_until };
        let secrets = LiveSecrets::new([secret([7; 32], None), secret([8; 32], Some(NOW)), secret([9; 32], None)]);
        assert!(secrets.find(&[7; 32]).is_some_and(|secret| secret.valid_until.is_none()));
        assert!(secrets.find(&[8; 32]).is_some_and(|secret| secret.valid_until.is_some()));
        assert!(secrets.find(&[9; 32]).is_none(), "there are never three");
    }

    #[test]
    fn checks_come_in_the_order_of_the_specification() {
        let mut known = known([7; 32], 1);
        known.allowed = AllowList::parse(["192.0.2.0/24"]).expect("a range");
        known.expires_at = Some(NOW.plus_seconds(10));
        assert!(matches!(admit(&known, "198.51.100.1", NOW.plus_seconds(10)), Err(Refused::ExpiredCredentials)));
        assert!(matches!(admit(&known, "198.51.100.1", NOW), Err(Refused::UnknownIpAddress)));
        assert!(matches!(admit(&known, "192.0.2.1", NOW), Ok(Rate { remaining: 0, .. })));
        assert!(matches!(admit(&known, "192.0.2.1", NOW), Err(Refused::TooManyRequests(_))));
        assert!(matches!(admit(&known, "198.51.100.1", NOW), Err(Refused::UnknownIpAddress)));
        known.disabled = true;
        assert!(matches!(admit(&known, "198.51.100.1", NOW), Err(Refused::ExpiredCredentials)));
    }

    #[test]
    fn a_replaced_secret_ends_with_its_overlap() {
        let mut known = known([7; 32], 60);
        known.secrets = LiveSecrets::new([LiveSecret { hash: [7; 32], valid_until: Some(NOW.plus_seconds(10)) }]);
        assert!(admit(&known, "192.0.2.1", NOW.plus_seconds(9)).is_ok());
        assert!(matches!(admit(&known, "192.0.2.1", NOW.plus_seconds(10)), Err(Refused::ExpiredCredentials)));
    }

    #[test]
    fn a_fingerprint_is_one_per_card_and_account() {
        use kernel::CardNumber;
        let (one, mut other) = (account(), account());
        other.fingerprint = KeyedHash::new(&[2; 32]);
        let card = CardNumber::parse("4507990000000002").expect("a number");
        let spaced = CardNumber::parse("4507 9900 0000 0002").expect("a number");
        let next = CardNumber::parse("4507990000000010").expect("a number");
        assert_eq!(one.fingerprint(&card), one.fingerprint(&spaced));
        assert_ne!(one.fingerprint(&card), one.fingerprint(&next));
        assert_ne!(one.fingerprint(&card), other.fingerprint(&card));
    }
}
