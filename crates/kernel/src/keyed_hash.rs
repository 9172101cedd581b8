//! Hashes: SHA-256, and HMAC-SHA-256 under a key for values that must be found or compared but not read back.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::secret::SecretText;

/// SHA-256 over the parts one after the other, without separators.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// SHA-256 over what comes piece by piece, which may be looked at on the way.
#[derive(Clone, Debug, Default)]
pub struct RunningHash(Sha256);

impl RunningHash {
    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The hash of everything so far.
    pub fn so_far(&self) -> [u8; 32] {
        self.0.clone().finalize().into()
    }
}

/// HMAC-SHA-256 (RFC 2104) with one key, whose two inner states are computed once.
///
/// Fit for secrets of at least 128 random bits; a password that people choose needs a slow hash instead.
#[derive(Clone)]
pub struct KeyedHash(Hmac<Sha256>);

impl KeyedHash {
    /// Takes the key, 32 bytes.
    pub fn new(key: &[u8; 32]) -> KeyedHash {
        KeyedHash(Hmac::new_from_slice(key).expect("HMAC takes keys of every length"))
    }

    /// Takes a secret that somebody else keys his hashes with too, whatever its length.
    pub fn of_text(secret: &SecretText) -> KeyedHash {
        KeyedHash(Hmac::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes keys of every length"))
    }

    /// The keyed hash of `message`.
    pub fn hash(&self, message: &[u8]) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(message);
        mac.finalize().into_bytes().into()
    }

    /// Whether `expected` is the keyed hash of `message`; takes the same time wherever they differ.
    pub fn matches(&self, message: &[u8], expected: &[u8; 32]) -> bool {
        equal_in_constant_time(&self.hash(message), expected)
    }
}

/// Whether two hashes are equal; takes the same time wherever they differ.
pub fn equal_in_constant_time(one: &[u8; 32], other: &[u8; 32]) -> bool {
    one.ct_eq(other).into()
}

impl fmt::Debug for KeyedHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyedHash(***)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_answers() {
        // FIPS 180-2 appendix B.1, over two parts.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex::encode(sha256(&[b"a", b"bc"])), abc);
        // RFC 4231 test case 2, its key "Jefe" padded with zeros as HMAC does itself.
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex::encode(KeyedHash::new(&key).hash(b"what do ya want for nothing?")), expected);
    }

    proptest! {
        #[test]
        fn agrees_with_another_implementation(key in any::<[u8; 32]>(), message in proptest::collection::vec(any::<u8>(), 0..300)) {
            let theirs = aws_lc_rs::hmac::sign(&aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &key), &message);
            let keyed = KeyedHash::new(&key);
            let ours = keyed.hash(&message);
            prop_assert_eq!(ours.as_slice(), theirs.as_ref());
        }

        #[test]
        fn one_flipped_bit_does_not_match(key in any::<[u8; 32]>(), message in "[ -~]{0,80}", bit in 0_usize..256) {
            let keyed = KeyedHash::new(&key);
            let mut hash = keyed.hash(message.as_bytes());
            prop_assert!(keyed.matches(message.as_bytes(), &hash));
            hash[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!keyed.matches(message.as_bytes(), &hash));
        }
    }
}
