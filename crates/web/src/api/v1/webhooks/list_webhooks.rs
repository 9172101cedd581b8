//! `GET /v1/webhooks[?state=]`: all webhooks of the account, oldest first.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::{WEBHOOKS, json, views};
use crate::caller::{Caller, Read};
use crate::envelope::{Code, Problem};
use crate::extract::{Names, Query};
use crate::refusal::problem_of_fault;
use crate::route::{Content, Guarded, component};
use crate::state::Web;

/// Which of them.
pub(super) struct ByState;

impl Names for ByState {
    const NAMES: &'static [(&'static str, &'static str)] = &[("state", "Only those: `ACTIVE` or `INACTIVE`.")];
}

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::GET, "/v1/webhooks", list_webhooks).about(|route| {
        route
            .named(WEBHOOKS, "list-webhooks", "List webhooks")
            .replies(
                StatusCode::OK,
                "The webhooks, oldest first; an empty list when there are none.",
                Content::Json(component::<Vec<views::WebhookView<'_>>>),
            )
            .refusals(&[(Code::WebhookInvalidRequest, "`state` is neither `ACTIVE` nor `INACTIVE`.")])
    })
}

async fn list_webhooks(caller: Caller<Read>, State(web): State<Web>, query: Query<ByState>) -> Response {
    let state = query.get("state");
    if !matches!(state, None | Some("ACTIVE" | "INACTIVE")) {
        return Problem::new(Code::WebhookInvalidRequest, "state: must be one of ACTIVE INACTIVE").into_response();
    }
    match web.wiring.messaging.webhooks(caller.account_id()).await {
        Ok(found) => {
            let wanted = found.iter().filter(|row| state.is_none_or(|state| row.state.wire() == state));
            let all: Vec<Vec<u8>> = wanted.map(views::webhook).collect();
            json([b"[".as_slice(), &all.join(b",".as_slice()), b"]"].concat())
        }
        Err(fault) => problem_of_fault(&fault).into_response(),
    }
}
