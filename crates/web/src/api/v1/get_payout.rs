//! `GET /v1/payouts/{payout}`: one payout as it stands.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use db::Fault;
use kernel::PayoutId;
use payments::payouts::PayoutRow;

use super::{PAYOUTS, json, payout_reply, views};
use crate::caller::{Caller, Read};
use crate::envelope::{Code, Problem};
use crate::extract::At;
use crate::refusal::problem_of_fault;
use crate::route::Guarded;
use crate::state::Web;

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::GET, "/v1/payouts/{payout}", get_payout).about(|route| {
        route
            .named(PAYOUTS, "get-payout", "Get a payout")
            .params(&[("payout", "Id of the payout.")])
            .replies(StatusCode::OK, "The payout.", payout_reply())
            .refusals(&[(Code::TransactionNotFound, "There is no such payout, or it is somebody else's.")])
    })
}

async fn get_payout(caller: Caller<Read>, At(payout): At<Option<PayoutId>>, State(web): State<Web>) -> Response {
    shown(match payout {
        Some(payout) => web.wiring.payments.get_payout(caller.account_id(), payout).await,
        None => Ok(None),
    })
}

/// A payout, or the refusal that says that there is none.
pub(super) fn shown(found: Result<Option<PayoutRow>, Fault>) -> Response {
    match found {
        Ok(Some(payout)) => json(views::payout(&payout)),
        Ok(None) => Problem::new(Code::TransactionNotFound, "payout not found").into_response(),
        Err(fault) => problem_of_fault(&fault).into_response(),
    }
}
