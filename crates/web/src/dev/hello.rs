//! `GET /dev/hello` and the same behind the key check of `/v1`: what the check costs is the difference.

use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::SANDBOX;
use crate::caller::{Caller, Read};
use crate::envelope::JSON;
use crate::route::{Content, Guarded, Route};

const HELLO: &[u8] = br#"{"hello":"world"}"#;

pub(super) fn routes() -> Vec<Route> {
    let greeting = || Content::Other("application/json");
    vec![
        Route::open(Method::GET, "/dev/hello", hello).named(SANDBOX, "hello", "Say hello").replies(
            StatusCode::OK,
            "A greeting.",
            greeting(),
        ),
        Guarded::new(Method::GET, "/dev/hello/key", hello_key)
            .about(|route| {
                route.named(SANDBOX, "hello-key", "Say hello to a key").replies(StatusCode::OK, "A greeting.", greeting())
            })
            .route(),
    ]
}

async fn hello() -> Response {
    ([(CONTENT_TYPE, JSON)], HELLO).into_response()
}

async fn hello_key(_caller: Caller<Read>) -> Response {
    ([(CONTENT_TYPE, JSON)], HELLO).into_response()
}
