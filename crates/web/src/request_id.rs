//! `x-request-id`: the name under which a request is found in the log.

use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use kernel::Source;

/// The header, in requests and replies.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id of a caller's own that is kept, in characters.
const OWN_CHARS_MAX: usize = 64;

/// An id: the caller's own, or one of ours. 1 to 64 characters out of `A-Z a-z 0-9 . _ -`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().expect("made of visible ASCII only")
    }

    /// The header's value.
    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Gives each request an id: a random beginning for each process and a running number, so that none costs randomness.
#[derive(Debug)]
pub(crate) struct RequestIds {
    process: u64,
    next: AtomicU64,
}

impl RequestIds {
    /// Takes the process's part from `source`.
    pub(crate) fn new(source: &Source) -> RequestIds {
        RequestIds { process: u64::from_be_bytes(source.bytes()), next: AtomicU64::new(1) }
    }

    /// The id of a request: its own when it has exactly one that is well-formed, else the next one.
    pub(crate) fn of(&self, headers: &HeaderMap) -> RequestId {
        let mut own = headers.get_all(X_REQUEST_ID).iter();
        match (own.next(), own.next()) {
            (Some(value), None) if well_formed(value.as_bytes()) => RequestId(value.clone()),
            _ => self.next(),
        }
    }

    fn next(&self) -> RequestId {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut text = String::with_capacity(32);
        write!(text, "{:016x}-{number:x}", self.process).expect("writing to a string cannot fail");
        RequestId(HeaderValue::from_maybe_shared(Bytes::from(text)).expect("hexadecimal digits and a hyphen"))
    }
}

fn well_formed(text: &[u8]) -> bool {
    (1..=OWN_CHARS_MAX).contains(&text.len()) && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
}

#[cfg(test)]
mod tests {
    use kernel::Timestamp;

    use super::*;

    fn ids() -> RequestIds {
        RequestIds::new(&Source::seeded(1, Timestamp::EPOCH).0)
    }

    fn with(values: &[&[u8]]) -> HeaderMap {
        values.iter().map(|value| (X_REQUEST_ID, HeaderValue::from_bytes(value).expect("a value"))).collect()
    }

    #[test]
    fn a_callers_own_id_is_kept() {
        for own in ["a", "order-42_x.Y", &"z".repeat(64)] {
            assert_eq!(ids().of(&with(&[own.as_bytes()])).as_str(), own);
        }
    }

    #[test]
    fn anything_else_is_replaced() {
        let long = "z".repeat(65);
        let ids = ids();
        for own in [&[b"" as &[u8]] as &[&[u8]], &[b"a b"], &[b"a\xe9"], &[long.as_bytes()], &[b"one", b"two"], &[]] {
            let id = ids.of(&with(own));
            assert!(well_formed(id.as_str().as_bytes()), "{id}");
            assert!(!own.contains(&id.as_str().as_bytes()));
        }
        assert_ne!(ids.of(&HeaderMap::new()), ids.of(&HeaderMap::new()));
    }
}
