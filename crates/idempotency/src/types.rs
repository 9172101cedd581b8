//! What things are: keys, scopes, replies.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use kernel::sabotage::{Defect, is_planted};
use kernel::{AccountId, Timestamp, sha256};
use uuid::Uuid;

use crate::codec;
use crate::error::{CodecError, KeyError};
use crate::sealed::ReplySealer;

/// The longest idempotency key, in characters.
pub const KEY_CHARS_MAX: usize = 64;

/// A client's name for one operation: 1 to [`KEY_CHARS_MAX`] visible ASCII characters, without comma; case counts.
///
/// API rule: anything else is a bad request and nothing is stored. A comma is what a header sent twice looks like after a proxy
/// joined it. No UUID is demanded, because well-known clients send other texts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(Arc<str>);

impl IdempotencyKey {
    /// Reads one header value.
    ///
    /// # Errors
    /// [`KeyError`] says what is wrong with it.
    pub fn parse(value: &[u8]) -> Result<Self, KeyError> {
        if value.is_empty() {
            return Err(KeyError::Empty);
        }
        if value.len() > KEY_CHARS_MAX {
            return Err(KeyError::TooLong);
        }
        if !value.iter().all(|byte| byte.is_ascii_graphic() && *byte != b',') {
            return Err(KeyError::Character);
        }
        let text = std::str::from_utf8(value).expect("visible ASCII is UTF-8");
        Ok(Self(Arc::from(text)))
    }

    /// Reads all values of the header in a request; `None` when it was not sent.
    ///
    /// # Errors
    /// [`KeyError::Twice`] for more than one value, else as [`IdempotencyKey::parse`].
    pub fn from_header<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<Option<Self>, KeyError> {
        let mut values = values.into_iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(KeyError::Twice);
        }
        Self::parse(value).map(Some)
    }

    /// The key as sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where a key counts. API rule: within one account, for one method and one concrete path. The access key is no part of it, so that an
/// access key rotated between two tries does not make the second one execute.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    /// The tenant; tenants never share a scope.
    pub account_id: AccountId,
    /// The first 16 bytes of SHA-256 over method, path and key.
    pub hash: [u8; 16],
}

impl Scope {
    /// The scope of `key` for a request.
    ///
    /// `path` is the canonical concrete path: the matched route with its parameters filled in, ids in lower case, without query and
    /// trailing slash, the same through prefix and host form.
    pub fn of(account_id: AccountId, method: &str, path: &str, key: &IdempotencyKey) -> Self {
        // Neither a method nor a key can hold a line end, so whatever the path holds, the three cannot be told apart wrongly.
        let digest = sha256(&[method.as_bytes(), b"\n", path.as_bytes(), b"\n", key.as_str().as_bytes()]);
        let (hash, _) = digest.split_first_chunk().expect("a SHA-256 is 32 bytes long");
        let shared = is_planted(Defect::KeysSharedByTenants);
        Self { account_id: if shared { AccountId::from_uuid(Uuid::nil()) } else { account_id }, hash: *hash }
    }
}

/// For logs: account and hash, never the key.
impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account_id, Uuid::from_bytes(self.hash).simple())
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// SHA-256 of a request body, by which a repeat with another body is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyHash(pub [u8; 32]);

impl BodyHash {
    /// The hash of the body as it arrived.
    pub fn of(body: &[u8]) -> Self {
        Self(sha256(&[body]))
    }
}

/// A request that asks for its key.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Where the key counts.
    pub scope: Scope,
    /// The body it came with.
    pub body_hash: BodyHash,
    /// What the request will make: the id by which recovery finds the work when this process dies.
    pub subject: Uuid,
    /// The request's id; replays name it as the original one.
    pub request_id: Arc<str>,
}

/// A reply as it is recorded and replayed: exactly these bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status, 200 to 299. API rule: only success is recorded; a refused request leaves its key free.
    pub status: u16,
    /// The `content-type` header; at most [`codec::CONTENT_TYPE_BYTES_MAX`] bytes.
    pub content_type: Cow<'static, str>,
    /// The `location` header, when there was one; at most [`codec::LOCATION_BYTES_MAX`] bytes.
    pub location: Option<String>,
    /// The body before any transfer or content encoding; at most [`codec::BODY_BYTES_MAX`].
    pub body: Bytes,
}

/// A finished claim: what is needed to answer its key again. Cheap to copy.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// HTTP status of the reply.
    pub status: u16,
    /// The stored reply; see [`Recorded::reply`].
    pub(crate) frame: Arc<[u8]>,
    /// The body of the first request.
    pub body_hash: BodyHash,
    /// When the key was first seen.
    pub first_seen_at: Timestamp,
    /// The id of the first request.
    pub request_id: Arc<str>,
    /// From here on, by the platform clock, the key is free again.
    pub expires_at: Timestamp,
}

impl Recorded {
    /// The reply, unpacked.
    ///
    /// # Errors
    /// [`CodecError`] when the stored bytes are damaged or packed by a newer program.
    pub fn reply(&self) -> Result<Reply, CodecError> {
        codec::unpack(self.status, &self.frame)
    }

    /// The reply, opened for its claim where it is sealed.
    pub(crate) fn opened(&self, scope: &Scope, sealer: Option<&ReplySealer>) -> Result<Reply, CodecError> {
        if !codec::is_sealed(&self.frame) {
            return self.reply();
        }
        let frame = sealer.ok_or(CodecError::Sealed)?.open(&self.frame, scope)?;
        codec::unpack(self.status, &frame)
    }
}

/// A first request with this key is under way. API rule: the second one is refused at once, it never waits or queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InProcess {
    /// The outside world has not told yet what became of it.
    pub unknown: bool,
}

impl InProcess {
    /// When to try again, for `Retry-After`: 1 second, or 5 while the outcome is unknown.
    pub const fn retry_after_seconds(self) -> u32 {
        if self.unknown { 5 } else { 1 }
    }
}

/// What is known about a key.
#[derive(Clone, Debug)]
pub enum Known {
    /// Nothing: a request with it is a new one.
    Nothing,
    /// A first request is under way.
    InProcess(InProcess),
    /// It is finished; its reply is the answer, whatever the present request's body says.
    Replay(Recorded),
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn key(text: &str) -> IdempotencyKey {
        IdempotencyKey::parse(text.as_bytes()).expect("a good key")
    }

    fn account(number: u8) -> AccountId {
        AccountId::from_bytes([number; 16])
    }

    proptest! {
        #[test]
        fn a_good_key_is_kept_as_it_is(text in "[!-+\\--~]{1,64}") {
            let key = IdempotencyKey::parse(text.as_bytes())?;
            prop_assert_eq!(key.as_str(), text);
        }

        #[test]
        fn one_bad_byte_spoils_a_key(
            before in "[!-+\\--~]{0,30}",
            bad in prop_oneof![0..=0x20_u8, Just(b','), 0x7f..=0xff_u8],
            after in "[!-+\\--~]{0,30}",
        ) {
            let value = [before.as_bytes(), &[bad], after.as_bytes()].concat();
            prop_assert_eq!(IdempotencyKey::parse(&value), Err(KeyError::Character));
        }

        #[test]
        fn any_bytes_are_a_key_exactly_when_the_rule_says_so(value in prop::collection::vec(any::<u8>(), 0..80)) {
            let good = (1..=64).contains(&value.len()) && value.iter().all(|byte| (0x21..=0x7e).contains(byte) && *byte != b',');
            prop_assert_eq!(IdempotencyKey::parse(&value).is_ok(), good);
        }

        #[test]
        fn scopes_differ_when_anything_differs(
            left in (0..3_u8, "(GET|POST|PATCH)", "(/[a-z\n]{0,3}){1,3}", "[!-+\\--~]{1,4}"),
            right in (0..3_u8, "(GET|POST|PATCH)", "(/[a-z\n]{0,3}){1,3}", "[!-+\\--~]{1,4}"),
        ) {
            let scope = |(number, method, path, text): &(u8, String, String, String)| Scope::of(account(*number), method, path, &key(text));
            prop_assert_eq!(scope(&left) == scope(&right), left == right);
        }
    }

    #[test]
    fn the_limits_of_a_key_are_exact() {
        assert_eq!(IdempotencyKey::parse(b""), Err(KeyError::Empty));
        assert!(IdempotencyKey::parse(&[b'x'; 64]).is_ok());
        assert_eq!(IdempotencyKey::parse(&[b'x'; 65]), Err(KeyError::TooLong));
        assert_eq!(IdempotencyKey::parse(b" "), Err(KeyError::Character));
        assert_eq!(IdempotencyKey::parse("clé".as_bytes()), Err(KeyError::Character));
        assert_ne!(key("Abc"), key("abc"));
        assert_eq!(key("\"quoted\"").as_str(), "\"quoted\"");
    }

    #[test]
    fn the_header_comes_once_or_not_at_all() {
        assert_eq!(IdempotencyKey::from_header([]), Ok(None));
        assert_eq!(IdempotencyKey::from_header([b"k".as_slice()]), Ok(Some(key("k"))));
        assert_eq!(IdempotencyKey::from_header([b"k".as_slice(), b"k"]), Err(KeyError::Twice));
    }

    /// Parts that meet at other places must not meet in one scope.
    #[test]
    fn parts_are_not_run_together() {
        let scopes = [
            Scope::of(account(1), "POST", "/v1/payments", &key("ab")),
            Scope::of(account(1), "POST", "/v1/payment", &key("sab")),
            Scope::of(account(1), "POS", "T/v1/payments", &key("ab")),
            Scope::of(account(1), "POST", "/v1/payments\nab", &key("ab")),
            Scope::of(account(1), "POST", "/v1/payments", &key("abab")),
            Scope::of(account(2), "POST", "/v1/payments", &key("ab")),
        ];
        assert_eq!(scopes.iter().collect::<HashSet<_>>().len(), scopes.len());
    }

    #[test]
    fn a_scope_in_a_log_shows_no_key() {
        let shown = format!("{:?}", Scope::of(account(1), "POST", "/v1/payments", &key("order-4711")));
        assert!(!shown.contains("4711") && shown.contains(&account(1).to_string()), "{shown}");
    }
}
