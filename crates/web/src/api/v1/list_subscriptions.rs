//! `GET /v1/subscriptions`: the account's subscriptions, page by page.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use kernel::Timestamp;
use payments::subscriptions::{Filter, SubscriptionState};

use super::parts::Moment;
use super::search_payments::no_time;
use super::{SUBSCRIPTIONS, json, views};
use crate::caller::{Caller, Read};
use crate::envelope::{Code, Problem};
use crate::extract::{Names, Query};
use crate::refusal::problem_of_fault;
use crate::route::{Content, Guarded, component};
use crate::state::Web;

/// Items on a page unless asked for otherwise.
pub(super) const USUAL_SIZE: i64 = 20;
/// Items on a page at most.
pub(super) const SIZE_MAX: i64 = 100;
/// Last page that is looked for.
const PAGE_MAX: i64 = 1_000_000_000;

/// Which subscriptions.
pub(super) struct Which;

impl Names for Which {
    const NAMES: &'static [(&'static str, &'static str)] = &[
        ("customer_id", "Only those of this customer."),
        ("status", "Only those in these statuses, separated by commas."),
        ("created_at_from", "Only those made at this time or later. A date alone means all of its day in UTC."),
        ("created_at_to", "Only those made at this time or before, likewise."),
        ("page", "Which page, from 1."),
        ("size", "How many on a page: 1 to 100, 20 when absent."),
    ];
    const NUMBERS: &'static [(&'static str, i64, i64)] = &[("page", 1, PAGE_MAX), ("size", 1, SIZE_MAX)];
}

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::GET, "/v1/subscriptions", list_subscriptions).about(|route| {
        route
            .named(SUBSCRIPTIONS, "list-subscriptions", "List subscriptions")
            .replies(StatusCode::OK, "A page of them, newest first.", Content::Json(component::<views::SubscriptionsView<'_>>))
            .refusals(&[
                (Code::BadRequest, "There is no such page."),
                (Code::InvalidParameters, "`status` is none, or a parameter is there twice."),
                (Code::InvalidDate, "A time cannot be read."),
            ])
    })
}

async fn list_subscriptions(caller: Caller<Read>, State(web): State<Web>, query: Query<Which>) -> Response {
    let read = filter(&query).and_then(|filter| {
        let page = number(&query, "page", 1, 1..=PAGE_MAX)?;
        Ok((filter, page, number(&query, "size", USUAL_SIZE, 1..=SIZE_MAX)?))
    });
    let (filter, page, size) = match read {
        Ok(read) => read,
        Err(problem) => return problem.into_response(),
    };
    let limit = u32::try_from(size).unwrap_or(1);
    match web.wiring.subscriptions.list(caller.account_id(), &filter, limit, (page - 1) * size).await {
        Ok(found) => json(views::SubscriptionsView::drawn(&found, page, size)),
        Err(fault) => problem_of_fault(&fault).into_response(),
    }
}

fn filter(query: &Query<Which>) -> Result<Filter, Problem> {
    let words = query.get("status").unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty());
    let states: Option<Vec<_>> = words.map(SubscriptionState::parse).collect();
    Ok(Filter {
        customer_id: query.get("customer_id").map(Into::into),
        states: states.ok_or_else(|| Problem::new(Code::InvalidParameters, "status: is not a status of subscriptions"))?,
        created_from: time(query, "created_at_from", Moment::of)?,
        created_to: time(query, "created_at_to", Moment::last)?,
    })
}

fn time(query: &Query<Which>, name: &'static str, read: fn(&str) -> Option<Timestamp>) -> Result<Option<Timestamp>, Problem> {
    query.get(name).map(|text| read(text).ok_or_else(|| no_time(name))).transpose()
}

/// A whole number of the query.
pub(super) fn number<T>(
    query: &Query<T>,
    name: &'static str,
    usual: i64,
    allowed: std::ops::RangeInclusive<i64>,
) -> Result<i64, Problem> {
    let Some(text) = query.get(name) else { return Ok(usual) };
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| digits && allowed.contains(number));
    let wrong = || {
        Problem::new(Code::BadRequest, format!("{name}: must be a whole number from {} to {}", allowed.start(), allowed.end()))
    };
    number.ok_or_else(wrong)
}
