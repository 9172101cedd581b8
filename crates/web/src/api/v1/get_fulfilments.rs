//! `GET /v1/payments/{payment}/fulfillments`: what was told of a payment's fulfilment.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use kernel::PaymentId;

use super::{PAYMENT_PARAM, PAYMENTS, json, views};
use crate::caller::{Caller, Read};
use crate::envelope::{Code, Problem};
use crate::extract::At;
use crate::refusal::problem_of_fault;
use crate::route::{Content, Guarded, component};
use crate::state::Web;

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::GET, "/v1/payments/{payment}/fulfillments", get_fulfilments).about(|route| {
        route
            .named(PAYMENTS, "get-fulfillments", "Read what became of the goods")
            .params(&[PAYMENT_PARAM])
            .replies(StatusCode::OK, "All that was told.", Content::Json(component::<views::FulfilmentsView<'_>>))
            .drawn(views::sample::fulfilments_reply)
            .refusals(&[(Code::PaymentNotFound, "There is no such payment, or it is somebody else's.")])
    })
}

async fn get_fulfilments(caller: Caller<Read>, At(payment): At<Option<PaymentId>>, State(web): State<Web>) -> Response {
    let found = match payment {
        Some(payment) => web.wiring.payments.fulfilments(caller.account_id(), payment).await,
        None => Ok(None),
    };
    match found {
        Ok(Some(told)) => json(views::FulfilmentsView::drawn(&told)),
        Ok(None) => Problem::new(Code::PaymentNotFound, "payment not found").into_response(),
        Err(fault) => problem_of_fault(&fault).into_response(),
    }
}
