//! `GET /v1/webhooks/{webhook}`: one webhook as it stands.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use kernel::WebhookId;

use super::{NOT_FOUND, WEBHOOK_PARAM, WEBHOOKS, json, not_found, views, webhook_reply};
use crate::caller::{Caller, Read};
use crate::extract::At;
use crate::refusal::problem_of_fault;
use crate::route::Guarded;
use crate::state::Web;

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::GET, "/v1/webhooks/{webhook}", get_webhook).about(|route| {
        route
            .named(WEBHOOKS, "get-webhook", "Get a webhook")
            .params(&[WEBHOOK_PARAM])
            .replies(StatusCode::OK, "The webhook.", webhook_reply())
            .refusals(&[NOT_FOUND])
    })
}

async fn get_webhook(caller: Caller<Read>, At(webhook): At<Option<WebhookId>>, State(web): State<Web>) -> Response {
    let Some(webhook) = webhook else { return not_found() };
    match web.wiring.messaging.webhook(caller.account_id(), webhook).await {
        Ok(Some(row)) => json(views::webhook(&row)),
        Ok(None) => not_found(),
        Err(fault) => problem_of_fault(&fault).into_response(),
    }
}
