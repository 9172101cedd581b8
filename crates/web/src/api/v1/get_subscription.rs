//! `GET /v1/subscriptions/{subscription}`: one subscription as it stands.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use kernel::SubscriptionId;

use super::{SUBSCRIPTIONS, json, subscription_reply, views};
use crate::caller::{Caller, Read};
use crate::envelope::{Code, Problem};
use crate::extract::At;
use crate::refusal::problem_of_fault;
use crate::route::Guarded;
use crate::state::Web;

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::GET, "/v1/subscriptions/{subscription}", get_subscription).about(|route| {
        route
            .named(SUBSCRIPTIONS, "get-subscription", "Get a subscription")
            .params(&[("subscription", "Id of the subscription.")])
            .replies(StatusCode::OK, "The subscription.", subscription_reply())
            .refusals(&[(Code::SubscriptionNotFound, "There is no such subscription, or it is somebody else's.")])
    })
}

async fn get_subscription(
    caller: Caller<Read>,
    At(subscription): At<Option<SubscriptionId>>,
    State(web): State<Web>,
) -> Response {
    match web.wiring.subscriptions.get(caller.account_id(), subscription).await {
        Ok(Some(row)) => json(views::subscription(&row)),
        Ok(None) => not_found(),
        Err(fault) => problem_of_fault(&fault).into_response(),
    }
}

/// There is none, or it is somebody else's.
pub(super) fn not_found() -> Response {
    Problem::new(Code::SubscriptionNotFound, "subscription not found").into_response()
}
