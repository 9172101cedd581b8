//! For machines that watch us: alive, ready, figures.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::envelope::JSON;
use crate::route::{Content, Route};
use crate::state::Web;

/// Prometheus' text format.
const EXPOSITION: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
/// Seconds after which to look again at a product that is not ready.
const LOOK_AGAIN_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    let plain = || Content::Other("application/json");
    vec![
        Route::open(Method::GET, "/healthz", alive)
            .named("House", "healthz", "Is the process alive?")
            .replies(StatusCode::OK, "It is.", plain()),
        Route::open(Method::GET, "/readyz", ready)
            .named("House", "readyz", "Can it work?")
            .text("Ready means: the database can be reached and its schema is current. While the process shuts down it is not ready.")
            .replies(StatusCode::OK, "It can.", plain())
            .replies(StatusCode::SERVICE_UNAVAILABLE, "It cannot, for now.", plain()),
        Route::open(Method::GET, "/metrics", figures)
            .named("House", "metrics", "Get figures for Prometheus")
            .replies(StatusCode::OK, "All figures.", Content::Other("text/plain")),
    ]
}

/// Whether a path is for those who watch us, and is answered also while we stop.
pub(crate) fn is_for_watchers(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz" | "/metrics")
}

async fn alive() -> Response {
    ([(CONTENT_TYPE, JSON)], r#"{"status":"alive"}"#).into_response()
}

async fn ready(State(web): State<Web>) -> Response {
    if web.is_ready().await {
        return ([(CONTENT_TYPE, JSON)], r#"{"status":"ready"}"#).into_response();
    }
    let headers = [(CONTENT_TYPE, JSON), (axum::http::header::RETRY_AFTER, LOOK_AGAIN_SECONDS)];
    (StatusCode::SERVICE_UNAVAILABLE, headers, r#"{"status":"not ready"}"#).into_response()
}

async fn figures(State(web): State<Web>) -> Response {
    ([(CONTENT_TYPE, EXPOSITION)], (web.wiring.metrics)()).into_response()
}
