//! The master key: what an operator keeps apart from the database, and what opens the platform key in it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::keyed_hash::KeyedHash;
use crate::seal::{PLATFORM_KEY_BYTES, PlatformKey, SealError, Sealer};
use crate::secret::Secret;
use crate::source::Source;

/// Bytes of a master key.
pub const MASTER_KEY_BYTES: usize = 32;

/// The key that wraps the [`PlatformKey`]. Lost, everything sealed is lost; leaked together with the database, nothing
/// sealed is secret.
#[derive(Clone)]
pub struct MasterKey(Secret<[u8; MASTER_KEY_BYTES]>);

/// The text is not a master key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a master key is 32 bytes, as 64 hexadecimal digits or 44 characters of base64")]
pub struct MasterKeyError;

impl MasterKey {
    /// A new random key.
    pub fn generate(source: &Source) -> MasterKey {
        MasterKey(Secret::new(source.bytes()))
    }

    /// Takes 32 bytes.
    pub fn from_bytes(bytes: [u8; MASTER_KEY_BYTES]) -> MasterKey {
        MasterKey(Secret::new(bytes))
    }

    /// Reads a key as it stands in a file or an environment variable; white space around it is ignored.
    ///
    /// # Errors
    /// [`MasterKeyError`] when it is neither 64 hexadecimal digits nor 44 characters of padded base64.
    pub fn parse(text: &str) -> Result<MasterKey, MasterKeyError> {
        let text = text.trim();
        let decoded = if text.len() == 2 * MASTER_KEY_BYTES { hex::decode(text).ok() } else { STANDARD.decode(text).ok() };
        let bytes = Zeroizing::new(decoded.ok_or(MasterKeyError)?);
        bytes.as_slice().try_into().map(MasterKey::from_bytes).map_err(|_| MasterKeyError)
    }

    /// The key as text for the file it is kept in; [`MasterKey::parse`] reads it back.
    pub fn to_text(&self) -> Secret<String> {
        Secret::new(STANDARD.encode(self.0.expose()))
    }

    /// Tells this key from others, and nothing about it. It is stored in clear beside what the key wraps.
    pub fn check_value(&self) -> [u8; 8] {
        let mut check = [0; 8];
        check.copy_from_slice(&KeyedHash::new(self.0.expose()).hash(b"guichet/check")[..8]);
        check
    }

    /// Wraps the platform key, to be stored.
    pub fn wrap(&self, platform: &PlatformKey, source: &Source) -> Vec<u8> {
        self.sealer(source).seal(platform.bytes(), PLACE)
    }

    /// Opens a platform key that was wrapped under this key.
    ///
    /// # Errors
    /// [`SealError`] when it was changed or wrapped under another key.
    pub fn unwrap(&self, wrapped: &[u8], source: &Source) -> Result<PlatformKey, SealError> {
        let plain = self.sealer(source).open(wrapped, PLACE)?;
        let bytes: &[u8; PLATFORM_KEY_BYTES] = plain.as_slice().try_into().map_err(|_| SealError::NotGenuine)?;
        Ok(PlatformKey::from_bytes(*bytes))
    }

    /// The same bytes as a platform key: what early databases were sealed under.
    pub fn as_platform_key(&self) -> PlatformKey {
        PlatformKey::from_bytes(*self.0.expose())
    }

    fn sealer(&self, source: &Source) -> Sealer {
        Sealer::of_key(&KeyedHash::new(self.0.expose()).hash(b"guichet/wrap"), source)
    }
}

/// What a wrapped platform key is bound to.
const PLACE: &[u8] = b"platform_key.wrapped";

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    #[test]
    fn a_master_key_is_read_in_both_spellings_and_shows_nothing() {
        let key = MasterKey::from_bytes([0xab; 32]);
        let base64 = key.to_text();
        for text in [base64.expose().clone(), format!("  {}\n", base64.expose()), "ab".repeat(32), "AB".repeat(32)] {
            assert_eq!(MasterKey::parse(&text).expect("a key").check_value(), key.check_value());
        }
        for text in ["", "ab", &"ab".repeat(31), &"ab".repeat(33), &"zz".repeat(32), "YWJj"] {
            assert_eq!(MasterKey::parse(text).err(), Some(MasterKeyError), "{text}");
        }
        assert_eq!(format!("{key:?}"), "MasterKey(***)");
        assert_ne!(key.check_value(), MasterKey::from_bytes([0xac; 32]).check_value());
    }

    #[test]
    fn a_platform_key_is_the_same_under_every_master_key_and_opens_under_its_own_only() {
        let (source, _) = Source::seeded(12, Timestamp::EPOCH);
        let (one, two) = (MasterKey::generate(&source), MasterKey::generate(&source));
        let platform = PlatformKey::generate(&source);
        let (under_one, under_two) = (one.wrap(&platform, &source), two.wrap(&platform, &source));
        for opened in [one.unwrap(&under_one, &source), two.unwrap(&under_two, &source)] {
            assert_eq!(*opened.expect("its own").derive("x"), *platform.derive("x"));
        }
        assert_eq!(one.unwrap(&under_two, &source).err(), Some(SealError::NotGenuine));
        let mut changed = under_one;
        changed[20] ^= 1;
        assert_eq!(one.unwrap(&changed, &source).err(), Some(SealError::NotGenuine));
        assert_eq!(one.unwrap(b"", &source).err(), Some(SealError::Malformed));
    }
}
