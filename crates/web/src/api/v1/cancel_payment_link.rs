//! `POST /v1/payment-links/{code}/cancel`: takes a payment link back.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use kernel::PaymentLinkId;

use super::create_payment_link::base_url;
use super::parts::EmptyBody;
use super::{LINK_NOT_FOUND, LINKS, answer, link_reply};
use crate::caller::{Caller, Write};
use crate::envelope::Code;
use crate::extract::At;
use crate::once::{Once, Optional};
use crate::route::Guarded;
use crate::state::Web;

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::POST, "/v1/payment-links/{code}/cancel", cancel_payment_link).about(|route| {
        route
            .named(LINKS, "cancel-payment-link", "Take a payment link back")
            .params(&[("code", "Id of the link.")])
            .replies(StatusCode::OK, "The link.", link_reply())
            .refusals(&[LINK_NOT_FOUND, (Code::InvalidStatus, "It is used, cancelled or expired already.")])
    })
}

async fn cancel_payment_link(
    caller: Caller<Write>,
    At(code): At<Option<PaymentLinkId>>,
    State(web): State<Web>,
    once: Once<Optional, EmptyBody>,
) -> Response {
    let answered = web.wiring.payments.cancel_link(caller.account_id(), code, base_url(&web), once.key.clone()).await;
    answer(&web, once.key.as_ref(), answered)
}
