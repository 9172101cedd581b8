//! `GET /v1/balances`: what the account has, in every currency it ever used.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::{PAYOUTS, json, views};
use crate::caller::{Caller, Read};
use crate::refusal::problem_of_fault;
use crate::route::{Content, Guarded, component};
use crate::state::Web;

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::GET, "/v1/balances", get_balances).about(|route| {
        route
            .named(PAYOUTS, "get-balances", "See what the account has")
            .text("One line for each currency ever used, sorted by code; amounts in major units.")
            .replies(StatusCode::OK, "The balances.", Content::Json(component::<views::BalancesView>))
            .drawn(views::sample::balances_reply)
    })
}

async fn get_balances(caller: Caller<Read>, State(web): State<Web>) -> Response {
    match web.wiring.payments.balances(caller.account_id()).await {
        Ok(balances) => json(views::balances(&balances)),
        Err(fault) => problem_of_fault(&fault).into_response(),
    }
}
