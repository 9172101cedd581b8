//! What a caller learns about its rate with each reply: the draft standard's two headers and the three older ones.

use std::cell::RefCell;
use std::ops::Range;

use access::Rate;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// All rates are a minute's, in seconds.
const WINDOW_SECONDS: u32 = 60;
/// Longest text of what is left, in bytes: two numbers of at most 10 digits and 12 characters around them.
const RATE_TEXT_BYTES: usize = 32;

/// The two headers that only depend on the rate itself.
#[derive(Clone)]
struct Fixed {
    per_minute: u32,
    policy: HeaderValue,
    limit: HeaderValue,
}

thread_local! {
    /// Those of the last caller: nearly all keys have the same rate.
    static LAST: RefCell<Option<Fixed>> = const { RefCell::new(None) };
}

impl Fixed {
    fn of(per_minute: u32) -> Fixed {
        let known = LAST.with_borrow(|last| last.as_ref().filter(|last| last.per_minute == per_minute).cloned());
        known.unwrap_or_else(|| {
            let policy = format!("\"key\";q={per_minute};w={WINDOW_SECONDS}");
            let policy = HeaderValue::from_maybe_shared(Bytes::from(policy)).expect("digits, letters and punctuation of ASCII");
            let fixed = Fixed { per_minute, policy, limit: per_minute.into() };
            LAST.set(Some(fixed.clone()));
            fixed
        })
    }
}

/// Adds all five.
pub(crate) fn add(headers: &mut HeaderMap, rate: &Rate) {
    let Fixed { policy, limit, .. } = Fixed::of(rate.per_minute);
    // One text for all three: the older two are parts of the newer one.
    let mut text = Vec::with_capacity(RATE_TEXT_BYTES);
    text.extend_from_slice(b"\"key\";r=");
    let remaining = put_number(&mut text, rate.remaining);
    text.extend_from_slice(b";t=");
    let reset = put_number(&mut text, rate.full_in_seconds);
    let text = Bytes::from(text);
    let value = |bytes| HeaderValue::from_maybe_shared::<Bytes>(bytes).expect("digits, letters and punctuation of ASCII");
    headers.insert(POLICY, policy);
    headers.insert(LIMIT, limit);
    headers.insert(REMAINING, value(text.slice(remaining)));
    headers.insert(RESET, value(text.slice(reset)));
    headers.insert(RATE_LIMIT, value(text));
}

/// Appends the digits of a number and says where they are.
fn put_number(text: &mut Vec<u8>, mut number: u32) -> Range<usize> {
    let mut digits = [0; 10]; // a u32 has at most 10 digits
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(number % 10).expect("one digit");
        number /= 10;
        if number == 0 {
            break;
        }
    }
    let start = text.len();
    text.extend_from_slice(&digits[at..]);
    start..text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_headers() {
        let mut headers = HeaderMap::new();
        add(&mut headers, &Rate { per_minute: 6_000, remaining: 5_999, full_in_seconds: 1, retry_in_seconds: 0 });
        let shown: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().expect("visible"))).collect();
        let expected = [
            "ratelimit-policy: \"key\";q=6000;w=60",
            "ratelimit-limit: 6000",
            "ratelimit-remaining: 5999",
            "ratelimit-reset: 1",
            "ratelimit: \"key\";r=5999;t=1",
        ];
        assert_eq!(shown, expected);
        add(&mut headers, &Rate { per_minute: u32::MAX, remaining: u32::MAX, full_in_seconds: u32::MAX, retry_in_seconds: 0 });
        assert_eq!(headers[POLICY], "\"key\";q=4294967295;w=60");
        assert_eq!(headers[RATE_LIMIT], "\"key\";r=4294967295;t=4294967295");
        assert!(headers[RATE_LIMIT].len() <= RATE_TEXT_BYTES);
        add(&mut headers, &Rate { per_minute: 1, remaining: 0, full_in_seconds: 0, retry_in_seconds: 0 });
        assert_eq!((&headers[REMAINING], &headers[LIMIT]), (&HeaderValue::from(0), &HeaderValue::from(1)));
    }
}
