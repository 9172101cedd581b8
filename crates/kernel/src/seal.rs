//! Sealing: authenticated encryption of stored fields under keys derived from the installation's platform key.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::keyed_hash::KeyedHash;
use crate::secret::Secret;
use crate::source::Source;

/// Bytes of a platform key.
pub const PLATFORM_KEY_BYTES: usize = 32;
/// How many bytes longer a sealed value is than the plain one: key version, nonce, tag.
pub const SEAL_OVERHEAD_BYTES: usize = 1 + NONCE_LEN + TAG_BYTES;
const TAG_BYTES: usize = 16;
/// Written before each sealed value: the layout and the key there is today, so that another can follow.
const KEY_VERSION: u8 = 1;

/// The key from which all others of an installation are derived. It is made once, is kept only wrapped under the
/// [`MasterKey`](crate::MasterKey), and stays the same when that one is changed.
#[derive(Clone)]
pub struct PlatformKey(Secret<[u8; PLATFORM_KEY_BYTES]>);

impl PlatformKey {
    /// A new random key.
    pub fn generate(source: &Source) -> PlatformKey {
        PlatformKey(Secret::new(source.bytes()))
    }

    /// Takes 32 bytes.
    pub fn from_bytes(bytes: [u8; PLATFORM_KEY_BYTES]) -> PlatformKey {
        PlatformKey(Secret::new(bytes))
    }

    /// The bytes, to be wrapped.
    pub(crate) fn bytes(&self) -> &[u8; PLATFORM_KEY_BYTES] {
        self.0.expose()
    }

    /// A key of its own for one purpose: HMAC-SHA-256 of the label under the platform key.
    ///
    /// Nothing about the platform key or another purpose's key follows from it.
    pub fn derive(&self, label: &str) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(KeyedHash::new(self.0.expose()).hash(label.as_bytes()))
    }
}

impl fmt::Debug for PlatformKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlatformKey(***)")
    }
}

/// Why a sealed value does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SealError {
    /// Too short to be a sealed value.
    #[error("not a sealed value")]
    Malformed,
    /// Sealed under a key that is not here.
    #[error("sealed under key version {0}, which is not loaded")]
    UnknownKey(u8),
    /// Changed, moved to another place, or sealed under another key.
    #[error("the sealed value is not genuine")]
    NotGenuine,
}

/// Seals and opens values for one purpose: AES-256-GCM, a random nonce each.
///
/// The associated data says where the value belongs (table, column, row id); it must be the same when it is opened, so
/// a sealed value copied into another row does not open there. Random nonces allow 2^32 values under one key
/// (NIST SP 800-38D section 8.3), far more than there are access keys.
#[derive(Clone)]
pub struct Sealer {
    key: std::sync::Arc<LessSafeKey>,
    source: Source,
}

impl Sealer {
    /// A sealer with a key of its own, derived for `label`.
    pub fn new(platform: &PlatformKey, label: &str, source: &Source) -> Sealer {
        Sealer::of_key(&platform.derive(label), source)
    }

    /// A sealer with this key.
    pub(crate) fn of_key(key: &[u8; 32], source: &Source) -> Sealer {
        let key = UnboundKey::new(&AES_256_GCM, key).expect("AES-256 takes 32 bytes");
        Sealer { key: std::sync::Arc::new(LessSafeKey::new(key)), source: source.clone() }
    }

    /// Encrypts `plain`: key version, nonce, cipher text, tag.
    pub fn seal(&self, plain: &[u8], associated: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = self.source.bytes();
        let mut sealed = Vec::with_capacity(plain.len() + SEAL_OVERHEAD_BYTES);
        sealed.push(KEY_VERSION);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let body = &mut sealed[1 + NONCE_LEN..];
        let tag = self
            .key
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(associated), body)
            .expect("AES-GCM seals everything shorter than 64 GiB");
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// Decrypts what [`Sealer::seal`] made with the same associated data.
    ///
    /// # Errors
    /// [`SealError`]; nothing of a value that is not genuine is given out.
    pub fn open(&self, sealed: &[u8], associated: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        if sealed.len() < SEAL_OVERHEAD_BYTES {
            return Err(SealError::Malformed);
        }
        if sealed[0] != KEY_VERSION {
            return Err(SealError::UnknownKey(sealed[0]));
        }
        let (nonce, body) = sealed[1..].split_at(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Malformed)?;
        let mut plain = Zeroizing::new(body.to_vec());
        self.key.open_in_place(nonce, Aad::from(associated), &mut plain).map_err(|_| SealError::NotGenuine)?;
        plain.truncate(body.len() - TAG_BYTES);
        Ok(plain)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(***)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::Timestamp;

    fn sealer(key: u8, label: &str) -> Sealer {
        Sealer::new(&PlatformKey::from_bytes([key; 32]), label, &Source::seeded(9, Timestamp::EPOCH).0)
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens_only_unchanged_and_in_its_place(
            plain in proptest::collection::vec(any::<u8>(), 0..200),
            place in proptest::collection::vec(any::<u8>(), 0..40),
            flip in any::<proptest::sample::Index>(), bit in 0_u8..8,
        ) {
            let sealer = sealer(1, "test");
            let sealed = sealer.seal(&plain, &place);
            prop_assert_eq!(sealed.len(), plain.len() + SEAL_OVERHEAD_BYTES);
            let opened = sealer.open(&sealed, &place).unwrap();
            prop_assert_eq!(opened.as_slice(), plain.as_slice());
            let mut changed = sealed.clone();
            changed[flip.index(sealed.len())] ^= 1 << bit;
            prop_assert!(sealer.open(&changed, &place).is_err());
            prop_assert!(sealer.open(&sealed[..sealed.len() - 1], &place).is_err());
            prop_assert_eq!(sealer.open(&sealed, b"elsewhere, and longer than any other place that is tried").err(), Some(SealError::NotGenuine));
        }

        #[test]
        fn no_bytes_make_opening_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(sealer(1, "test").open(&bytes, b"").is_err());
        }
    }

    #[test]
    fn keys_labels_and_nonces_differ() {
        let sealed = sealer(1, "one").seal(b"secret", b"");
        assert_eq!(sealer(1, "two").open(&sealed, b"").err(), Some(SealError::NotGenuine));
        assert_eq!(sealer(2, "one").open(&sealed, b"").err(), Some(SealError::NotGenuine));
        let one = sealer(1, "one");
        assert_ne!(one.seal(b"secret", b""), one.seal(b"secret", b""));
        let mut newer = sealed;
        newer[0] = 2;
        assert_eq!(one.open(&newer, b"").err(), Some(SealError::UnknownKey(2)));
        assert_eq!(one.open(&[1; SEAL_OVERHEAD_BYTES - 1], b"").err(), Some(SealError::Malformed));
    }

    #[test]
    fn a_platform_key_shows_nothing() {
        let key = PlatformKey::from_bytes([0xab; 32]);
        assert_eq!(format!("{key:?} {:?}", sealer(1, "x")), "PlatformKey(***) Sealer(***)");
        assert_ne!(*key.derive("a"), *key.derive("b"));
    }
}
