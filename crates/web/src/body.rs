//! Reading a request's body, within limits of size and time.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use bytes::{Bytes, BytesMut};

use crate::envelope::{Code, Problem};

/// Largest body, in bytes (payments specification, section 2.0).
pub(crate) const BODY_BYTES_MAX: usize = 256 * 1024;
/// Longest time a body may take.
const BODY_TIME_MAX: Duration = Duration::from_secs(30);
/// From when on a body must not be slower than [`BYTES_PER_SECOND_MIN`].
const GRACE: Duration = Duration::from_secs(5);
/// Slowest body, in bytes a second on average.
const BYTES_PER_SECOND_MIN: u64 = 512;

/// Reads all of it.
///
/// # Errors
/// 413 beyond [`BODY_BYTES_MAX`], 408 when it comes too slowly, 400 when it breaks off. The connection is closed then: what is left
/// of the body would be taken for the next request.
pub(crate) async fn read(body: Body) -> Result<Bytes, Problem> {
    // The timer is armed only when the body is not here yet.
    tokio::time::timeout(BODY_TIME_MAX, collect(body)).await.unwrap_or_else(|_| Err(too_slow()))
}

/// The refusal of a body that is or would be too large.
pub(crate) fn too_large() -> Problem {
    let text = format!("the body must have at most {BODY_BYTES_MAX} bytes");
    Problem::new(Code::InvalidRequest, text).with_status(StatusCode::PAYLOAD_TOO_LARGE).closing()
}

fn too_slow() -> Problem {
    Problem::new(Code::RequestTimeout, "the body came too slowly").with_status(StatusCode::REQUEST_TIMEOUT).closing()
}

async fn collect(mut body: Body) -> Result<Bytes, Problem> {
    let started = Instant::now();
    let mut whole = Bytes::new();
    let mut joined: Option<BytesMut> = None;
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|_| Problem::new(Code::InvalidRequest, "the body broke off").closing())?;
        let Ok(data) = frame.into_data() else { continue };
        let received = joined.as_ref().map_or(whole.len(), BytesMut::len) + data.len();
        if received > BODY_BYTES_MAX {
            return Err(too_large());
        }
        if crawls(started.elapsed(), received) {
            return Err(too_slow());
        }
        if whole.is_empty() && joined.is_none() {
            whole = data; // nearly always all there is: nothing is copied
        } else {
            joined.get_or_insert_with(|| BytesMut::from(whole.as_ref())).extend_from_slice(&data);
        }
    }
    Ok(joined.map_or(whole, BytesMut::freeze))
}

fn crawls(elapsed: Duration, received: usize) -> bool {
    elapsed > GRACE && u64::try_from(received).is_ok_and(|received| received < elapsed.as_secs() * BYTES_PER_SECOND_MIN)
}

/// Whether the body says it is JSON, with or without parameters, and is not compressed: nothing here unpacks it.
///
/// # Errors
/// 400: status 415 is not used by the payments family.
pub(crate) fn expect_json(headers: &HeaderMap) -> Result<(), Problem> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let essence = |value: &axum::http::HeaderValue| {
        let text = value.to_str().unwrap_or_default();
        text.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
    };
    match (types.next(), types.next()) {
        (Some(only), None) if essence(only) => {}
        _ => return Err(Problem::new(Code::InvalidRequest, "the content type must be application/json")),
    }
    let plain = |value: &axum::http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(CONTENT_ENCODING).iter().all(plain) {
        Ok(())
    } else {
        Err(Problem::new(Code::InvalidRequest, "content-encoding: bodies must be sent uncompressed"))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use futures_util::stream;

    use super::*;

    fn streamed(chunks: &[&'static str]) -> Body {
        Body::from_stream(stream::iter(
            chunks.iter().map(|chunk| Ok::<_, std::io::Error>(Bytes::from_static(chunk.as_bytes()))).collect::<Vec<_>>(),
        ))
    }

    #[tokio::test]
    async fn bodies_are_joined_and_bounded() {
        assert_eq!(read(Body::empty()).await, Ok(Bytes::new()));
        assert_eq!(read(streamed(&["one"])).await, Ok(Bytes::from("one")));
        assert_eq!(read(streamed(&["one", "", "two", "three"])).await, Ok(Bytes::from("onetwothree")));
        assert_eq!(read(Body::from(vec![b' '; BODY_BYTES_MAX])).await.map(|body| body.len()), Ok(BODY_BYTES_MAX));
        assert_eq!(read(Body::from(vec![b' '; BODY_BYTES_MAX + 1])).await, Err(too_large()));
        let broken = Body::from_stream(stream::iter([Ok(Bytes::from("x")), Err(std::io::Error::other("gone"))]));
        assert_eq!(read(broken).await.map_err(|problem| problem.status()), Err(StatusCode::BAD_REQUEST));
    }

    #[test]
    fn what_is_compressed_is_refused_by_name() {
        let judged = |coding: &'static str| {
            let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
            headers.append(CONTENT_ENCODING, HeaderValue::from_static(coding));
            expect_json(&headers)
        };
        assert_eq!(judged("Identity"), Ok(()));
        for coding in ["gzip", "br", "identity, gzip", ""] {
            let problem = judged(coding).expect_err("refused");
            assert!(problem.messages()[0].starts_with("content-encoding: "), "{coding}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_comes_is_cut() {
        let silent = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(read(silent).await, Err(too_slow()));
    }

    #[test]
    fn crawling_is_judged_after_a_while() {
        assert!(!crawls(Duration::from_secs(4), 1));
        assert!(crawls(Duration::from_secs(6), 1_000));
        assert!(!crawls(Duration::from_secs(6), 6 * 512));
    }

    #[test]
    fn only_json_is_json() {
        let with = |types: &[&str]| {
            expect_json(&types.iter().map(|text| (CONTENT_TYPE, HeaderValue::from_str(text).expect("a value"))).collect())
        };
        for good in ["application/json", "Application/JSON; charset=utf-8"] {
            assert_eq!(with(&[good]), Ok(()));
        }
        for bad in [
            &["text/plain"] as &[&str],
            &["application/x-www-form-urlencoded"],
            &["application/jsonp"],
            &[],
            &["application/json", "text/html"],
        ] {
            assert!(with(bad).is_err(), "{bad:?}");
        }
    }
}
