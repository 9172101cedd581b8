//! What a browser sees instead of an error envelope.

use axum::http::header::{ALLOW, CONNECTION, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use minijinja::context;
use minijinja::value::Serde;
use serde::Serialize;

use super::{Page, Pages, language_of};
use crate::envelope::Problem;

/// What the template is told.
#[derive(Serialize)]
struct Trouble<'a> {
    kind: &'static str,
    status: u16,
    allow: Vec<&'a str>,
    request_id: &'a str,
}

/// The page of a refusal, in the reader's language, with the refusal's own headers.
pub(crate) fn page(pages: &Pages, problem: Problem, uri: &Uri, headers: &HeaderMap, request_id: &str, ready: bool) -> Response {
    let status = problem.status();
    let plain = problem.into_response();
    let allow = plain.headers().get(ALLOW).and_then(|value| value.to_str().ok());
    let trouble = Trouble {
        kind: kind(status),
        status: status.as_u16(),
        allow: allow.map(|methods| methods.split(", ").collect()).unwrap_or_default(),
        request_id,
    };
    let page = Page { template: "error.html", path: uri.path(), language: language_of(uri, headers), ready };
    let mut response = pages.reply(status, &page, context! { error => Serde(trouble) });
    for name in [ALLOW, RETRY_AFTER, CONNECTION] {
        if let Some(value) = plain.headers().get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

fn kind(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::METHOD_NOT_ALLOWED => "method",
        StatusCode::SERVICE_UNAVAILABLE => "unavailable",
        status if status.is_server_error() => "internal",
        _ => "refused",
    }
}
