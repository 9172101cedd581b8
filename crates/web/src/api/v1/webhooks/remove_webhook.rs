//! `DELETE /v1/webhooks/{webhook}`: nobody is told there any more.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use kernel::WebhookId;

use super::{NOT_FOUND, WEBHOOK_PARAM, WEBHOOKS, json, not_found, problem, views, webhook_reply};
use crate::caller::{Caller, Write};
use crate::extract::At;
use crate::route::Guarded;
use crate::state::Web;

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::DELETE, "/v1/webhooks/{webhook}", remove_webhook).about(|route| {
        route
            .named(WEBHOOKS, "remove-webhook", "Delete a webhook")
            .text("What still waits to be sent to it is given up.")
            .params(&[WEBHOOK_PARAM])
            .replies(StatusCode::OK, "The webhook as it was.", webhook_reply())
            .refusals(&[NOT_FOUND])
    })
}

async fn remove_webhook(caller: Caller<Write>, At(webhook): At<Option<WebhookId>>, State(web): State<Web>) -> Response {
    let Some(webhook) = webhook else { return not_found() };
    match web.wiring.messaging.remove(caller.account_id(), webhook).await {
        Ok(row) => json(views::webhook(&row)),
        Err(error) => problem(&web, &error).into_response(),
    }
}
