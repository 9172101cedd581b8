//! Bytes that never change, also kept compressed (gzip) for whoever takes them so.
//!
//! Only files of the program and the API document, which hold nothing of anybody: a reply about money is never compressed, because the
//! length of a compressed secret beside something chosen by a stranger tells of the secret.

use std::io::Write as _;

use axum::body::Body;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, VARY};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

const GZIP: HeaderValue = HeaderValue::from_static("gzip");
const VARIES: HeaderValue = HeaderValue::from_static("accept-encoding");

/// The bytes, plain and compressed.
pub(crate) struct Compressed {
    plain: Bytes,
    /// Where that is shorter.
    gzip: Option<Bytes>,
}

impl Compressed {
    /// Compresses them once.
    pub(crate) fn new(plain: Bytes) -> Compressed {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let packed = encoder.write_all(&plain).and_then(|()| encoder.finish()).expect("writing to memory cannot fail");
        let gzip = (packed.len() < plain.len()).then(|| Bytes::from(packed));
        Compressed { plain, gzip }
    }

    /// A reply with them, as `asked` takes them.
    pub(crate) fn reply(&self, asked: &HeaderMap) -> Response {
        let packed = self.gzip.as_ref().filter(|_| takes_gzip(asked));
        let mut response = Response::new(Body::from(packed.unwrap_or(&self.plain).clone()));
        response.headers_mut().insert(VARY, VARIES);
        if packed.is_some() {
            response.headers_mut().insert(CONTENT_ENCODING, GZIP);
        }
        response
    }
}

/// Whether gzip is named as welcome (RFC 9110, section 12.5.3).
fn takes_gzip(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut codings = lists.flat_map(|list| list.split(',')).map(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let refused = weight.trim().trim_start_matches("q=").chars().all(|digit| matches!(digit, '0' | '.'));
        (name.trim().to_ascii_lowercase(), !refused)
    });
    codings.any(|(name, welcome)| welcome && matches!(name.as_str(), "gzip" | "x-gzip"))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn asks(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (ACCEPT_ENCODING, HeaderValue::from_str(value).expect("a value"))).collect()
    }

    #[test]
    fn gzip_is_sent_to_whoever_names_it() {
        for welcome in [&["gzip"][..], &["br, GZIP;q=0.5"], &["identity", "gzip, deflate"], &["x-gzip; q=1.0"]] {
            assert!(takes_gzip(&asks(welcome)), "{welcome:?}");
        }
        for unwelcome in [&[][..], &["gzip;q=0"], &["gzip; q=0.000"], &["br"], &["*"], &["gzipped"]] {
            assert!(!takes_gzip(&asks(unwelcome)), "{unwelcome:?}");
        }
    }

    #[tokio::test]
    async fn both_forms_are_the_same_bytes() {
        let text = "a page about nothing much, ".repeat(100);
        let kept = Compressed::new(Bytes::from(text.clone()));
        let body = async |response: Response| axum::body::to_bytes(response.into_body(), 10_000).await.expect("a body");
        let plain = kept.reply(&asks(&[]));
        assert_eq!((plain.headers().get(CONTENT_ENCODING), &plain.headers()[VARY]), (None, &VARIES));
        assert_eq!(body(plain).await, text);
        let packed = kept.reply(&asks(&["gzip"]));
        assert_eq!(packed.headers()[CONTENT_ENCODING], GZIP);
        let packed = body(packed).await;
        let mut unpacked = String::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut unpacked).expect("gzip");
        assert!(packed.len() < 100 && unpacked == text);
        assert!(Compressed::new(Bytes::from_static(b"x")).gzip.is_none());
    }
}
