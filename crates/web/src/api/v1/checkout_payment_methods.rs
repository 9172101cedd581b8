//! `GET /v1/checkout/sessions/{session}/payment-methods?category=`: what can be paid with in a session.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use db::Fault;
use kernel::{AccountId, CheckoutSessionId};
use payments::CheckoutSessionRow;
use payments::methods::Stored;

use super::{CHECKOUT, SESSION_PARAM, json, views};
use crate::caller::{Caller, Read};
use crate::envelope::{Code, Problem};
use crate::extract::{At, Names, Query};
use crate::refusal::problem_of_fault;
use crate::route::{Content, Guarded, component};
use crate::state::Web;

/// Of which kind.
pub(super) struct OfCategory;

impl Names for OfCategory {
    const NAMES: &'static [(&'static str, &'static str)] =
        &[("category", "Only methods of this category; only `CARD` is offered.")];
}

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::GET, "/v1/checkout/sessions/{session}/payment-methods", checkout_payment_methods).about(|route| {
        route
            .named(CHECKOUT, "checkout-payment-methods", "List what can be paid with")
            .params(&[SESSION_PARAM])
            .replies(
                StatusCode::OK,
                "A card to be typed in, and each stored card of the session's customer.",
                Content::Json(component::<Vec<views::CheckoutMethodView<'_>>>),
            )
            .refusals(&[(Code::CheckoutSessionNotFound, "There is no such session, or it is somebody else's.")])
    })
}

async fn checkout_payment_methods(
    caller: Caller<Read>,
    At(session): At<Option<CheckoutSessionId>>,
    State(web): State<Web>,
    query: Query<OfCategory>,
) -> Response {
    match look(&web, caller.account_id(), session).await {
        Ok(Some(_)) if query.get("category").is_some_and(|category| !category.is_empty() && category != "CARD") => {
            json(b"[]".to_vec())
        }
        Ok(Some((session, stored))) => json(views::checkout_methods(&session, &stored)),
        Ok(None) => Problem::new(Code::CheckoutSessionNotFound, "checkout session not found").into_response(),
        Err(fault) => problem_of_fault(&fault).into_response(),
    }
}

async fn look(
    web: &Web,
    account: AccountId,
    session: Option<CheckoutSessionId>,
) -> Result<Option<(CheckoutSessionRow, Vec<Stored>)>, Fault> {
    let Some(session) = session else { return Ok(None) };
    let payments = &web.wiring.payments;
    let Some(session) = payments.get_checkout_session(account, session).await? else { return Ok(None) };
    let stored = match session.customer_id {
        Some(customer) => payments.methods_of(account, customer).await?,
        None => Vec::new(),
    };
    Ok(Some((session, stored)))
}
