//! What a caller learns about its rate with each reply: the draft standard's two headers and the three older ones.

use access::Rate;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use bytes::{BufMut, BytesMut};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// All rates are a minute's, in seconds.
const WINDOW_SECONDS: u32 = 60;

/// Adds all five.
pub(crate) fn add(headers: &mut HeaderMap, rate: &Rate) {
    // One allocation for both texts.
    let mut text = BytesMut::with_capacity(96);
    text.put_slice(b"\"key\";q=");
    put_number(&mut text, rate.per_minute);
    text.put_slice(b";w=");
    put_number(&mut text, WINDOW_SECONDS);
    let policy = text.split().freeze();
    text.put_slice(b"\"key\";r=");
    put_number(&mut text, rate.remaining);
    text.put_slice(b";t=");
    put_number(&mut text, rate.full_in_seconds);
    let left = text.freeze();
    let value = |bytes| HeaderValue::from_maybe_shared(bytes).expect("digits, letters and punctuation of ASCII");
    headers.insert(POLICY, value(policy));
    headers.insert(RATE_LIMIT, value(left));
    headers.insert(LIMIT, rate.per_minute.into());
    headers.insert(REMAINING, rate.remaining.into());
    headers.insert(RESET, rate.full_in_seconds.into());
}

fn put_number(text: &mut BytesMut, mut number: u32) {
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
    text.put_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_headers() {
        let mut headers = HeaderMap::new();
        add(&mut headers, &Rate { per_minute: 6_000, remaining: 5_999, full_in_seconds: 1, retry_in_seconds: 0 });
        let shown: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().expect("visible"))).collect();
        assert_eq!(
            shown,
            [
                "ratelimit-policy: \"key\";q=6000;w=60",
                "ratelimit: \"key\";r=5999;t=1",
                "ratelimit-limit: 6000",
                "ratelimit-remaining: 5999",
                "ratelimit-reset: 1"
            ]
        );
        let mut text = BytesMut::new();
        put_number(&mut text, 0);
        put_number(&mut text, u32::MAX);
        assert_eq!(text, "04294967295");
    }
}
