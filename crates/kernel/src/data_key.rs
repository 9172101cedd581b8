//! Data keys: each tenant's records are sealed under a key of its own, and that key is stored wrapped under the platform key.
//!
//! A record can then be given a new key without touching the platform key, and a tenant's key opens nobody else's records.

use std::fmt;

use uuid::Uuid;
use zeroize::Zeroizing;

use crate::id::AccountId;
use crate::seal::{PlatformKey, SealError, Sealer};
use crate::source::Source;

/// Wraps and unwraps the data keys of one purpose. Cheap to clone.
#[derive(Clone)]
pub struct KeyWrap {
    sealer: Sealer,
    source: Source,
    label: &'static str,
}

impl KeyWrap {
    /// With a wrapping key derived from the platform key for `label`.
    pub fn new(platform: &PlatformKey, label: &'static str, source: &Source) -> KeyWrap {
        KeyWrap { sealer: Sealer::new(platform, label, source), source: source.clone(), label }
    }

    /// A new data key, wrapped for its row.
    pub fn fresh(&self, account: AccountId, version: i64) -> Vec<u8> {
        let key = Zeroizing::new(self.source.bytes::<32>());
        self.sealer.seal(key.as_slice(), &self.place(account, version))
    }

    /// Opens a data key that was wrapped for this account and version.
    ///
    /// # Errors
    /// [`SealError`] when it is another's, was changed, or was wrapped under another platform key.
    pub fn open(&self, wrapped: &[u8], account: AccountId, version: i64) -> Result<DataKey, SealError> {
        let plain = self.sealer.open(wrapped, &self.place(account, version))?;
        let key: &[u8; 32] = plain.as_slice().try_into().map_err(|_| SealError::NotGenuine)?;
        Ok(DataKey { account, version, sealer: Sealer::of_key(key, &self.source) })
    }

    fn place(&self, account: AccountId, version: i64) -> Vec<u8> {
        [self.label.as_bytes(), b"\0", account.bytes().as_slice(), &version.to_be_bytes()].concat()
    }
}

impl fmt::Debug for KeyWrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyWrap(***)")
    }
}

/// One version of a tenant's data key. What it seals is bound to the account, the record and the version of the key.
#[derive(Clone)]
pub struct DataKey {
    account: AccountId,
    version: i64,
    sealer: Sealer,
}

impl DataKey {
    /// Which version it is; kept beside each record.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// Seals the record of this id.
    pub fn seal(&self, record: Uuid, plain: &[u8]) -> Vec<u8> {
        self.sealer.seal(plain, &self.place(record))
    }

    /// Opens the record of this id.
    ///
    /// # Errors
    /// [`SealError`] when it is another's or was changed.
    pub fn open(&self, record: Uuid, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.sealer.open(sealed, &self.place(record))
    }

    fn place(&self, record: Uuid) -> Vec<u8> {
        [self.account.bytes().as_slice(), record.as_bytes(), &self.version.to_be_bytes()].concat()
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey({} version {})", self.account, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    #[test]
    fn a_record_opens_under_its_tenants_key_in_its_place_only() {
        let (source, _) = Source::seeded(11, Timestamp::EPOCH);
        let wrap = KeyWrap::new(&PlatformKey::from_bytes([1; 32]), "test/wrap", &source);
        let (one, two) = (AccountId::new(&source), AccountId::new(&source));
        let wrapped = wrap.fresh(one, 1);
        assert_eq!(wrap.open(&wrapped, two, 1).err(), Some(SealError::NotGenuine));
        assert_eq!(wrap.open(&wrapped, one, 2).err(), Some(SealError::NotGenuine));
        let stranger = KeyWrap::new(&PlatformKey::from_bytes([2; 32]), "test/wrap", &source);
        assert_eq!(stranger.open(&wrapped, one, 1).err(), Some(SealError::NotGenuine));

        let key = wrap.open(&wrapped, one, 1).expect("its own");
        let (record, other) = (source.uuid(), source.uuid());
        let sealed = key.seal(record, b"4507990000000002");
        assert_eq!(key.open(record, &sealed).expect("its own").as_slice(), b"4507990000000002");
        assert_eq!(key.open(other, &sealed).err(), Some(SealError::NotGenuine));
        let newer = wrap.open(&wrap.fresh(one, 2), one, 2).expect("its own");
        assert_eq!(newer.open(record, &sealed).err(), Some(SealError::NotGenuine));
        assert_eq!(format!("{wrap:?}"), "KeyWrap(***)");
        assert!(!format!("{key:?}").contains("Sealer"));
    }
}
