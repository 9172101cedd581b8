//! `GET /v1/payments/search`: the account's payments, newest first, page by page.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use kernel::time::MICROS_PER_DAY;
use kernel::{Currency, Timestamp};
use payments::search::PaymentFilter;
use payments::{Codes, PaymentState};

use super::cursor::List;
use super::list_subscriptions::number;
use super::parts::Moment;
use super::{PAYMENTS, json, views};
use crate::caller::{Caller, Read};
use crate::envelope::{Code, Problem};
use crate::extract::{Names, Query};
use crate::refusal::problem_of_fault;
use crate::route::{Content, Guarded, component};
use crate::state::Web;

/// Payments on a page at most, and unless asked for otherwise.
const LIMIT_MAX: i64 = 100;

/// Which payments.
pub(super) struct Which;

impl Names for Which {
    const NAMES: &'static [(&'static str, &'static str)] = &[
        ("status", "Only those in these statuses, separated by commas."),
        ("sub_status", "Only those in these sub-statuses, separated by commas."),
        ("currency", "Only those in this currency: ISO 4217."),
        ("created_from", "Only those made at this time or later: a time or a date of ISO 8601; a date is its beginning in UTC."),
        ("created_to", "Only those made at this time or before; a date is its end in UTC."),
        ("limit", "How many on a page: 1 to 100, 100 when absent."),
        ("cursor", "The `next_cursor` of the page before, sent with the same other parameters."),
    ];
}

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::GET, "/v1/payments/search", search_payments).about(|route| {
        route
            .named(PAYMENTS, "search-payments", "Look through payments")
            .text(
                "Newest first. Payments that are made meanwhile move no page: the next one begins where this one ends.\n\n\
                 One request looks at 10,000 payments at most. Where few of them fit, a page is short, or empty, and still has a \
                 `next_cursor`: follow it until it is null.",
            )
            .replies(StatusCode::OK, "A page of them.", Content::Json(component::<views::PaymentsView<'_>>))
            .refusals(&[
                (Code::InvalidParameters, "`status` or `sub_status` is none."),
                (Code::CurrencyNotAllowed, "`currency` is none."),
                (Code::InvalidDate, "A date cannot be read, or the end is before the beginning."),
                (Code::BadRequest, "`limit` is out of bounds, or `cursor` is none of this list."),
            ])
    })
}

async fn search_payments(caller: Caller<Read>, State(web): State<Web>, query: Query<Which>) -> Response {
    let said = |name| query.get(name).filter(|text| !text.is_empty());
    let words = ["status", "sub_status", "currency", "created_from", "created_to"].map(said);
    let list = List::new("payments", caller.account_id(), &words);
    let asked = filter(words).and_then(|filter| Ok((filter, limit(&query)?, list.behind(query.get("cursor"))?)));
    let (filter, limit, behind) = match asked {
        Ok(asked) => asked,
        Err(problem) => return problem.into_response(),
    };
    match web.wiring.payments.search(caller.account_id(), &filter, behind, limit).await {
        Ok(page) => {
            let next = page.next.map(|last| list.cursor(last));
            json(views::PaymentsView::drawn(&page.items, next, web.wiring.payments.challenges()))
        }
        Err(fault) => problem_of_fault(&fault).into_response(),
    }
}

/// How many are wanted on a page.
pub(super) fn limit<T>(query: &Query<T>) -> Result<usize, Problem> {
    let limit = number(query, "limit", LIMIT_MAX, 1..=LIMIT_MAX)?;
    Ok(usize::try_from(limit).unwrap_or(1))
}

fn filter([status, sub_status, currency, from, to]: [Option<&str>; 5]) -> Result<PaymentFilter, Problem> {
    let no = |code, text: &'static str| move || Problem::new(code, text);
    let rough = Codes::of_words(status.unwrap_or_default(), PaymentState::status)
        .ok_or_else(no(Code::InvalidParameters, "status: is not a status of payments"))?;
    let exact = Codes::of_words(sub_status.unwrap_or_default(), PaymentState::sub_status)
        .ok_or_else(no(Code::InvalidParameters, "sub_status: is not a sub-status of payments"))?;
    let unknown = no(Code::CurrencyNotAllowed, "currency: is not a currency of ISO 4217");
    let currency = currency.map(|code| Currency::parse(code).ok_or_else(&unknown)).transpose()?;
    let created_from = from.map(|text| time(text, "created_from")).transpose()?;
    let created_to = to.map(|text| time(text, "created_to").map(|time| end(text, time))).transpose()?;
    if created_from.zip(created_to).is_some_and(|(from, to)| to < from) {
        return Err(Problem::new(Code::InvalidDate, "created_to: must not be before created_from"));
    }
    Ok(PaymentFilter { states: rough.and(exact), currency, created_from, created_to })
}

fn time(text: &str, name: &'static str) -> Result<Timestamp, Problem> {
    let wrong = || Problem::new(Code::InvalidDate, format!("{name}: must be a time like 2026-01-31T09:08:07Z or a date"));
    Moment::of(text).ok_or_else(wrong)
}

/// A date alone means all of its day.
fn end(text: &str, time: Timestamp) -> Timestamp {
    if text.contains('T') { time } else { time.plus_micros(MICROS_PER_DAY - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_its_whole_day_and_a_time_is_itself() {
        let read = |from, to| filter([None, None, None, Some(from), Some(to)]).expect("right");
        let day = read("2026-03-01", "2026-03-01");
        assert_eq!(day.created_from, "2026-03-01T00:00:00Z".parse().ok());
        assert_eq!(day.created_to, "2026-03-01T23:59:59.999999Z".parse().ok());
        let time = read("2026-03-01T01:00:00+01:00", "2026-03-01T00:00:00Z");
        assert_eq!((time.created_from, time.created_to), (day.created_from, day.created_from));
    }
}
