//! `GET /v1/payments?merchant_order_id=`: the payments of one order, oldest first.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::{PAYMENTS, json, views};
use crate::caller::{Caller, Read};
use crate::envelope::{Code, Problem};
use crate::extract::{Names, Query};
use crate::refusal::problem_of_fault;
use crate::route::{Content, Guarded, component};
use crate::state::Web;

/// Which order.
pub(super) struct ByOrder;

impl Names for ByOrder {
    const NAMES: &'static [(&'static str, &'static str)] = &[("merchant_order_id", "Your name for the order.")];
    const REQUIRED: bool = true;
}

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::GET, "/v1/payments", list_payments).about(|route| {
        route
            .named(PAYMENTS, "list-payments", "Find the payments of an order")
            .replies(
                StatusCode::OK,
                "The payments, oldest first; an empty list when there are none.",
                Content::Json(component::<Vec<views::PaymentView<'_>>>),
            )
            .refusals(&[(Code::MissingParameters, "`merchant_order_id` is missing.")])
    })
}

async fn list_payments(caller: Caller<Read>, State(web): State<Web>, query: Query<ByOrder>) -> Response {
    let Some(order) = query.get("merchant_order_id").filter(|order| !order.is_empty()) else {
        return Problem::new(Code::MissingParameters, "merchant_order_id: is required").into_response();
    };
    match web.wiring.payments.by_order(caller.account_id(), order).await {
        Ok(found) => json(views::payments(&found, web.wiring.payments.challenges())),
        Err(fault) => problem_of_fault(&fault).into_response(),
    }
}
