//! What is done with secrets under the installation's platform key: hashing, sealing, opening.

use std::sync::Arc;

use kernel::{AccessKeyId, AccountId, KeyedHash, PlatformKey, SealError, Sealer, SecretText, Source};
use uuid::Uuid;
use zeroize::Zeroizing;

/// Hashes and seals the secrets of access keys, and the accounts' fingerprint keys. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AccessSecrets {
    hash: KeyedHash,
    sealer: Sealer,
    source: Source,
}

impl AccessSecrets {
    /// With keys derived from the platform key.
    pub fn new(platform: &PlatformKey, source: &Source) -> AccessSecrets {
        AccessSecrets {
            hash: KeyedHash::new(&platform.derive("guichet/access/secret hash")),
            sealer: Sealer::new(platform, "guichet/access/seal", source),
            source: source.clone(),
        }
    }

    /// Where time and randomness come from.
    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// What a presented secret is compared by.
    pub(crate) fn hash(&self, secret: &[u8]) -> [u8; 32] {
        self.hash.hash(secret)
    }

    /// Seals the secret of a key for its row.
    pub(crate) fn seal_secret(&self, secret: &SecretText, place: SecretPlace) -> Arc<[u8]> {
        self.sealer.seal(secret.expose().as_bytes(), &place.associated()).into()
    }

    /// Opens a secret that was sealed for this row.
    pub(crate) fn open_secret(&self, sealed: &[u8], place: SecretPlace) -> Result<SecretText, SealError> {
        let plain = self.sealer.open(sealed, &place.associated())?;
        let text = std::str::from_utf8(&plain).map_err(|_| SealError::NotGenuine)?;
        Ok(SecretText::new(text.to_owned()))
    }

    /// A new fingerprint key for an account, sealed.
    pub(crate) fn new_fingerprint_key(&self, account: AccountId) -> Arc<[u8]> {
        let key = Zeroizing::new(self.source.bytes::<32>());
        self.sealer.seal(key.as_slice(), &of_account(account)).into()
    }

    /// Opens an account's fingerprint key.
    pub(crate) fn open_fingerprint_key(&self, sealed: &[u8], account: AccountId) -> Result<KeyedHash, SealError> {
        let plain = self.sealer.open(sealed, &of_account(account))?;
        let key: &[u8; 32] = plain.as_slice().try_into().map_err(|_| SealError::NotGenuine)?;
        Ok(KeyedHash::new(key))
    }
}

/// Where a sealed secret belongs: it opens nowhere else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SecretPlace {
    /// Whose key it proves.
    pub(crate) account: AccountId,
    /// The key.
    pub(crate) key: AccessKeyId,
    /// The secret's own id.
    pub(crate) secret: Uuid,
}

impl SecretPlace {
    fn associated(self) -> Vec<u8> {
        let ids = [self.account.bytes(), self.key.bytes(), *self.secret.as_bytes()];
        [b"access_secret.sealed_secret\0", ids.as_flattened()].concat()
    }
}

fn of_account(account: AccountId) -> Vec<u8> {
    [b"account.sealed_fingerprint_key\0", account.bytes().as_slice()].concat()
}

#[cfg(test)]
mod tests {
    use kernel::Timestamp;

    use super::*;

    #[test]
    fn a_secret_opens_in_its_row_only() {
        let (source, _) = Source::seeded(3, Timestamp::EPOCH);
        let secrets = AccessSecrets::new(&PlatformKey::from_bytes([1; 32]), &source);
        let place = SecretPlace { account: AccountId::new(&source), key: AccessKeyId::new(&source), secret: source.uuid() };
        let sealed = secrets.seal_secret(&SecretText::new("sandbox_sk_x".to_owned()), place);
        assert_eq!(secrets.open_secret(&sealed, place).expect("its own row").expose(), "sandbox_sk_x");
        let elsewhere = [
            SecretPlace { account: AccountId::new(&source), ..place },
            SecretPlace { key: AccessKeyId::new(&source), ..place },
            SecretPlace { secret: source.uuid(), ..place },
        ];
        for place in elsewhere {
            assert_eq!(secrets.open_secret(&sealed, place).err(), Some(SealError::NotGenuine));
        }
    }

    #[test]
    fn fingerprint_keys_belong_to_one_account() {
        let (source, _) = Source::seeded(4, Timestamp::EPOCH);
        let secrets = AccessSecrets::new(&PlatformKey::from_bytes([1; 32]), &source);
        let (one, two) = (AccountId::new(&source), AccountId::new(&source));
        let sealed = secrets.new_fingerprint_key(one);
        assert!(secrets.open_fingerprint_key(&sealed, one).is_ok());
        assert!(secrets.open_fingerprint_key(&sealed, two).is_err());
        assert_eq!(format!("{secrets:?}").matches("***").count(), 2);
    }
}
