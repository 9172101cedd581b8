//! `GET /v1/payments/{payment}`: one payment as it stands.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use kernel::PaymentId;

use super::{PAYMENT_PARAM, PAYMENTS, json, payment_reply, views};
use crate::caller::{Caller, Read};
use crate::envelope::{Code, Problem};
use crate::extract::{At, Names, Query};
use crate::refusal::problem_of_fault;
use crate::route::Guarded;
use crate::state::Web;

/// Switches of the query.
pub(super) struct Shown;

impl Names for Shown {
    const NAMES: &'static [(&'static str, &'static str)] = &[
        ("transactions_history", "`true` lists all transactions in `transactions_history`."),
        ("raw_response", "`true` shows the acquirer's words in `raw_response`."),
    ];
}

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::GET, "/v1/payments/{payment}", get_payment).about(|route| {
        route
            .named(PAYMENTS, "get-payment", "Get a payment")
            .params(&[PAYMENT_PARAM])
            .replies(StatusCode::OK, "The payment; `transactions` is its latest transaction.", payment_reply())
            .refusals(&[(Code::PaymentNotFound, "There is no such payment, or it is somebody else's.")])
    })
}

async fn get_payment(
    caller: Caller<Read>,
    At(payment): At<Option<PaymentId>>,
    State(web): State<Web>,
    query: Query<Shown>,
) -> Response {
    let found = match payment {
        Some(payment) => web.wiring.payments.get(caller.account_id(), payment).await,
        None => Ok(None),
    };
    match found {
        Ok(Some(read)) => {
            let (history, raw) = (query.is("transactions_history"), query.is("raw_response"));
            json(views::payment(&read.facts(history, raw, web.wiring.payments.challenges())))
        }
        Ok(None) => Problem::new(Code::PaymentNotFound, "payment not found").into_response(),
        Err(fault) => problem_of_fault(&fault).into_response(),
    }
}
