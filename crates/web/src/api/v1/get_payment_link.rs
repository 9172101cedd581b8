//! `GET /v1/payment-links/{code}`: one payment link as it stands.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use kernel::PaymentLinkId;
use payments::links::LinkFacts;

use super::{LINK_NOT_FOUND, LINKS, json, link_reply, views};
use crate::caller::{Caller, Read};
use crate::envelope::{Code, Problem};
use crate::extract::At;
use crate::refusal::problem_of_fault;
use crate::route::Guarded;
use crate::state::Web;

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::GET, "/v1/payment-links/{code}", get_payment_link).about(|route| {
        route
            .named(LINKS, "get-payment-link", "Get a payment link")
            .params(&[("code", "Id of the link.")])
            .replies(StatusCode::OK, "The link.", link_reply())
            .refusals(&[LINK_NOT_FOUND])
    })
}

async fn get_payment_link(caller: Caller<Read>, At(code): At<Option<PaymentLinkId>>, State(web): State<Web>) -> Response {
    let found = match code {
        Some(code) => web.wiring.payments.get_link(caller.account_id(), code).await,
        None => Ok(None),
    };
    match found {
        Ok(Some(read)) => {
            let (base_url, now) = (&web.wiring.options.base_url, web.wiring.clock.now());
            json(views::link(&LinkFacts { link: &read.link, payments: &read.payments, base_url, now }))
        }
        Ok(None) => Problem::new(Code::ObjectNotFound, "payment link not found").into_response(),
        Err(fault) => problem_of_fault(&fault).into_response(),
    }
}
