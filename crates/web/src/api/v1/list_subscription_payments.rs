//! `GET /v1/subscriptions/{subscription}/payments`: the payments made for its cycles.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use kernel::SubscriptionId;

use super::get_subscription::not_found;
use super::list_subscriptions::{SIZE_MAX, USUAL_SIZE, number};
use super::{SUBSCRIPTIONS, json, views};
use crate::caller::{Caller, Read};
use crate::envelope::{Code, Problem};
use crate::extract::{At, Names, Query};
use crate::refusal::problem_of_fault;
use crate::route::{Content, Guarded, component};
use crate::state::Web;

/// Last item that is looked for.
const OFFSET_MAX: i64 = 1_000_000_000;

/// Which part of them.
pub(super) struct Which;

impl Names for Which {
    const NAMES: &'static [(&'static str, &'static str)] =
        &[("limit", "How many: 1 to 100, 20 when absent."), ("offset", "How many to leave out: a multiple of `limit`.")];
    const NUMBERS: &'static [(&'static str, i64, i64)] = &[("limit", 1, SIZE_MAX), ("offset", 0, OFFSET_MAX)];
}

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::GET, "/v1/subscriptions/{subscription}/payments", list_subscription_payments).about(|route| {
        route
            .named(SUBSCRIPTIONS, "list-subscription-payments", "List the payments of a subscription")
            .params(&[("subscription", "Id of the subscription.")])
            .replies(
                StatusCode::OK,
                "Some of them, the latest cycle first.",
                Content::Json(component::<views::CyclePaymentsView>),
            )
            .refusals(&[
                (Code::SubscriptionNotFound, "There is no such subscription, or it is somebody else's."),
                (Code::BadRequest, "`offset` is not a multiple of `limit`, or one of them is out of bounds."),
            ])
    })
}

async fn list_subscription_payments(
    caller: Caller<Read>,
    At(subscription): At<Option<SubscriptionId>>,
    State(web): State<Web>,
    query: Query<Which>,
) -> Response {
    let (limit, offset) = match part(&query) {
        Ok(part) => part,
        Err(problem) => return problem.into_response(),
    };
    let subscriptions = &web.wiring.subscriptions;
    let id = match subscriptions.get(caller.account_id(), subscription).await {
        Ok(Some(row)) => row.id,
        Ok(None) => return not_found(),
        Err(fault) => return problem_of_fault(&fault).into_response(),
    };
    match subscriptions.payments(caller.account_id(), id, u32::try_from(limit).unwrap_or(1), offset).await {
        Ok(found) => json(views::CyclePaymentsView::drawn(&found, limit, offset)),
        Err(fault) => problem_of_fault(&fault).into_response(),
    }
}

fn part(query: &Query<Which>) -> Result<(i64, i64), Problem> {
    let limit = number(query, "limit", USUAL_SIZE, 1..=SIZE_MAX)?;
    let offset = number(query, "offset", 0, 0..=OFFSET_MAX)?;
    if offset % limit == 0 {
        Ok((limit, offset))
    } else {
        Err(Problem::new(Code::BadRequest, "offset: must be a multiple of limit"))
    }
}
