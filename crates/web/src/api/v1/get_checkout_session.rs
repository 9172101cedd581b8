//! `GET /v1/checkout/sessions/{session}`: one checkout session as it stands.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use kernel::CheckoutSessionId;

use super::{CHECKOUT, json, session_reply, views};
use crate::caller::{Caller, Read};
use crate::envelope::{Code, Problem};
use crate::extract::At;
use crate::refusal::problem_of_fault;
use crate::route::Guarded;
use crate::state::Web;

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::GET, "/v1/checkout/sessions/{session}", get_checkout_session).about(|route| {
        route
            .named(CHECKOUT, "get-checkout-session", "Get a checkout session")
            .params(&[("session", "Id of the session.")])
            .replies(StatusCode::OK, "The session.", session_reply())
            .refusals(&[(Code::CheckoutSessionNotFound, "There is no such session, or it is somebody else's.")])
    })
}

async fn get_checkout_session(
    caller: Caller<Read>,
    At(session): At<Option<CheckoutSessionId>>,
    State(web): State<Web>,
) -> Response {
    let found = match session {
        Some(session) => web.wiring.payments.get_checkout_session(caller.account_id(), session).await,
        None => Ok(None),
    };
    match found {
        Ok(Some(session)) => json(views::session(&session)),
        Ok(None) => Problem::new(Code::CheckoutSessionNotFound, "checkout session not found").into_response(),
        Err(fault) => problem_of_fault(&fault).into_response(),
    }
}
