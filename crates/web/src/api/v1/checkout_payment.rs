//! `GET /v1/checkout/sessions/{session}/payment`: the latest payment made in a session.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use kernel::CheckoutSessionId;

use super::{CHECKOUT, SESSION_PARAM, json, payment_reply, views};
use crate::caller::{Caller, Read};
use crate::envelope::{Code, Problem};
use crate::extract::At;
use crate::refusal::problem_of_fault;
use crate::route::Guarded;
use crate::state::Web;

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::GET, "/v1/checkout/sessions/{session}/payment", checkout_payment).about(|route| {
        route
            .named(CHECKOUT, "checkout-payment", "Get the payment of a checkout session")
            .params(&[SESSION_PARAM])
            .replies(StatusCode::OK, "The latest payment made in the session.", payment_reply())
            .refusals(&[
                (Code::CheckoutSessionNotFound, "There is no such session, or it is somebody else's."),
                (Code::PaymentNotFound, "No payment was made in it yet."),
            ])
    })
}

async fn checkout_payment(caller: Caller<Read>, At(session): At<Option<CheckoutSessionId>>, State(web): State<Web>) -> Response {
    let (payments, account) = (&web.wiring.payments, caller.account_id());
    let known = match session {
        Some(session) => payments.get_checkout_session(account, session).await,
        None => Ok(None),
    };
    let found = match known {
        Ok(Some(session)) => payments.payment_of_session(account, session.id).await,
        Ok(None) => return Problem::new(Code::CheckoutSessionNotFound, "checkout session not found").into_response(),
        Err(fault) => Err(fault),
    };
    match found {
        Ok(Some(read)) => json(views::payment(&read.facts(false, false, web.wiring.payments.challenges()))),
        Ok(None) => Problem::new(Code::PaymentNotFound, "payment not found").into_response(),
        Err(fault) => problem_of_fault(&fault).into_response(),
    }
}
