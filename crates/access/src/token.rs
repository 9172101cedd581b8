//! What tokens and secrets look like: a prefix that says what and where, random characters, a checksum.
//!
//! The prefix and the checksum let scanners of source code find a published secret for certain, and let us refuse a
//! mistyped token without asking the database.

use std::fmt;

use kernel::{SecretText, Source};

/// Random characters of a token: 142 bits.
const TOKEN_RANDOM_CHARS: usize = 24;
/// Random characters of a secret: 256 bits.
const SECRET_RANDOM_CHARS: usize = 43;
/// Characters of the checksum, enough for 32 bits.
const CHECKSUM_CHARS: usize = 6;
/// Characters of a token after its prefix.
pub(crate) const TOKEN_BODY_CHARS: usize = TOKEN_RANDOM_CHARS + CHECKSUM_CHARS;
/// In this order, most significant first (key API, section 3.1).
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

db::codes! {
    /// Where keys count: play money and real money never mix.
    pub enum Environment {
        /// The demo and tests.
        Sandbox = 0,
        /// Real money.
        Production = 1,
    }
}

impl Environment {
    /// What tokens begin with here.
    pub(crate) const fn token_prefix(self) -> &'static str {
        match self {
            Environment::Sandbox => "sandbox_pk_",
            Environment::Production => "prod_pk_",
        }
    }

    /// What secrets begin with here.
    pub(crate) const fn secret_prefix(self) -> &'static str {
        match self {
            Environment::Sandbox => "sandbox_sk_",
            Environment::Production => "prod_sk_",
        }
    }
}

/// The part of a token after its prefix, which names a key within the environment.
pub(crate) type TokenBody = [u8; TOKEN_BODY_CHARS];

/// A fresh token.
pub(crate) fn new_token(environment: Environment, source: &Source) -> String {
    random_text(environment.token_prefix(), TOKEN_RANDOM_CHARS, source)
}

/// A fresh secret.
pub(crate) fn new_secret(environment: Environment, source: &Source) -> SecretText {
    SecretText::new(random_text(environment.secret_prefix(), SECRET_RANDOM_CHARS, source))
}

/// The body of a token of this environment, if the text has a token's prefix, length and characters. The checksum is
/// looked at by [`checksum_is_right`], and only for tokens nobody has met before.
pub(crate) fn token_body(text: &[u8], environment: Environment) -> Option<&TokenBody> {
    text.strip_prefix(environment.token_prefix().as_bytes())?.try_into().ok()
}

/// Whether a token or secret ends with the checksum of what stands before.
pub(crate) fn checksum_is_right(text: &[u8]) -> bool {
    text.len() > CHECKSUM_CHARS && {
        let (head, checksum) = text.split_at(text.len() - CHECKSUM_CHARS);
        checksum == checksum_of(head)
    }
}

/// Whether a text is a well-formed token of this environment.
pub(crate) fn is_token(text: &str, environment: Environment) -> bool {
    token_body(text.as_bytes(), environment).is_some() && checksum_is_right(text.as_bytes())
}

/// A token as it may stand in a log: the prefix and six characters.
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = self.0.rfind('_').map_or(0, |at| at + 1);
        write!(f, "{}...", self.0.get(..body + 6).unwrap_or_default())
    }
}

fn random_text(prefix: &str, chars: usize, source: &Source) -> String {
    let mut text = String::with_capacity(prefix.len() + chars + CHECKSUM_CHARS);
    text.push_str(prefix);
    while text.len() < prefix.len() + chars {
        // Six bits each; the two values beyond the alphabet are thrown away, so that all characters are equally likely.
        let drawn = source.bytes::<1>()[0] & 0x3f;
        text.extend(ALPHABET.get(usize::from(drawn)).copied().map(char::from));
    }
    let checksum = checksum_of(text.as_bytes());
    text.extend(checksum.map(char::from));
    text
}

/// CRC-32 (the one of zlib, ISO/IEC 3309) in base 62, padded with zeros on the left.
fn checksum_of(text: &[u8]) -> [u8; CHECKSUM_CHARS] {
    let mut left = crc32(text);
    let mut checksum = [b'0'; CHECKSUM_CHARS];
    for place in checksum.iter_mut().rev() {
        *place = ALPHABET[usize::try_from(left % 62).expect("below 62")];
        left /= 62;
    }
    checksum
}

fn crc32(text: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0xedb8_8320;
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
    !text.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[cfg(test)]
mod tests {
    use kernel::Timestamp;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn tokens_and_secrets_have_their_form(seed in any::<u64>(), sandbox in any::<bool>()) {
            let environment = if sandbox { Environment::Sandbox } else { Environment::Production };
            let (source, _) = Source::seeded(seed, Timestamp::EPOCH);
            let token = new_token(environment, &source);
            prop_assert!(is_token(&token, environment));
            prop_assert_eq!(token.len(), environment.token_prefix().len() + 30);
            let other = if sandbox { Environment::Production } else { Environment::Sandbox };
            prop_assert!(!is_token(&token, other));
            let secret = new_secret(environment, &source);
            prop_assert!(checksum_is_right(secret.expose().as_bytes()));
            prop_assert_eq!(secret.expose().len(), environment.secret_prefix().len() + 49);
            prop_assert!(secret.expose().bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric()));
        }

        #[test]
        fn one_wrong_character_is_noticed(seed in any::<u64>(), at in any::<proptest::sample::Index>(), other in 0_usize..62) {
            let (source, _) = Source::seeded(seed, Timestamp::EPOCH);
            let mut token = new_token(Environment::Sandbox, &source).into_bytes();
            let at = at.index(token.len());
            prop_assume!(token[at] != ALPHABET[other]);
            token[at] = ALPHABET[other];
            prop_assert!(!checksum_is_right(&token));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = (token_body(&bytes, Environment::Sandbox), checksum_is_right(&bytes));
        }
    }

    #[test]
    fn the_checksum_is_the_published_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926); // the check value every CRC-32 is published with
        assert_eq!(&checksum_of(b"123456789"), b"3jZRME"); // 3,421,780,262 in base 62
        assert_eq!(&checksum_of(b""), b"000000");
    }

    #[test]
    fn a_log_shows_the_beginning_only() {
        assert_eq!(Shown("sandbox_pk_0123456789").to_string(), "sandbox_pk_012345...");
        assert_eq!(Shown("x").to_string(), "...");
    }
}
