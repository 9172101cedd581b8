//! `GET /v1/payouts?merchant_reference=`: the payout of one name.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::get_payout::shown;
use super::{PAYOUTS, payout_reply};
use crate::caller::{Caller, Read};
use crate::envelope::{Code, Problem};
use crate::extract::{Names, Query};
use crate::route::Guarded;
use crate::state::Web;

/// Which payout.
pub(super) struct ByReference;

impl Names for ByReference {
    const NAMES: &'static [(&'static str, &'static str)] = &[("merchant_reference", "Your name for the payout.")];
    const REQUIRED: bool = true;
}

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::GET, "/v1/payouts", find_payout).about(|route| {
        route
            .named(PAYOUTS, "find-payout", "Find a payout by your reference")
            .replies(StatusCode::OK, "The payout.", payout_reply())
            .refusals(&[
                (Code::MissingParameters, "`merchant_reference` is missing."),
                (Code::TransactionNotFound, "There is no such payout."),
            ])
    })
}

async fn find_payout(caller: Caller<Read>, State(web): State<Web>, query: Query<ByReference>) -> Response {
    let Some(reference) = query.get("merchant_reference").filter(|reference| !reference.is_empty()) else {
        return Problem::new(Code::MissingParameters, "merchant_reference: is required").into_response();
    };
    shown(web.wiring.payments.payout_by_reference(caller.account_id(), reference).await)
}
