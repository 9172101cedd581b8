//! Headers that tell browsers what not to do.

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// Nothing is kept by caches unless a reply says otherwise: replies are about money.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// Data is never a page: nothing in it may run or be framed.
const NOTHING: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
/// Pages use their own style sheet, modules and pictures, and nothing written into them.
const OWN_FILES: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const DENY: HeaderValue = HeaderValue::from_static("DENY");
const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");
/// Two years, in seconds, as the preload list asks for.
const ONLY_TLS: HeaderValue = HeaderValue::from_static("max-age=63072000");

/// What kind of reply goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Data of an API.
    Data,
    /// A page or a file of one.
    Page,
}

/// Adds what is missing; a reply that set one of these itself knows better.
pub(crate) fn add(headers: &mut HeaderMap, kind: Kind, only_tls: bool) {
    // The older header knows no list: where the page's own policy has one, it must not contradict it.
    let own_policy = headers.get(CONTENT_SECURITY_POLICY).map(HeaderValue::as_bytes);
    let lists_framers = own_policy.is_some_and(|policy| !policy.ends_with(b"frame-ancestors 'none'"));
    let mut missing = |name: HeaderName, value: HeaderValue| {
        headers.entry(name).or_insert(value);
    };
    missing(CACHE_CONTROL, NO_STORE);
    missing(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    missing(REFERRER_POLICY, NO_REFERRER);
    match kind {
        Kind::Data => missing(CONTENT_SECURITY_POLICY, NOTHING),
        Kind::Page => {
            missing(CONTENT_SECURITY_POLICY, OWN_FILES);
            if !lists_framers {
                missing(X_FRAME_OPTIONS, DENY);
            }
            missing(HeaderName::from_static("cross-origin-opener-policy"), SAME_ORIGIN);
        }
    }
    if only_tls {
        missing(STRICT_TRANSPORT_SECURITY, ONLY_TLS);
    }
}
