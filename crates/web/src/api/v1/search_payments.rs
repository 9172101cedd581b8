//! `GET /v1/payments/search`: the account's payments, newest first, page by page.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use kernel::Currency;
use payments::search::PaymentFilter;
use payments::{Codes, PaymentState, REJECTED};

use super::cursor::List;
use super::list_subscriptions::number;
use super::parts::{Moment, NO_MOMENT};
use super::{PAYMENTS, json, views};
use crate::caller::{Caller, Read};
use crate::envelope::{Code, Problem};
use crate::extract::{Names, Query};
use crate::refusal::problem_of_fault;
use crate::route::{Content, Guarded, component};
use crate::state::Web;

/// Payments on a page at most, and unless asked for otherwise.
pub(super) const LIMIT_MAX: i64 = 100;

/// Which payments.
pub(super) struct Which;

impl Names for Which {
    const NAMES: &'static [(&'static str, &'static str)] = &[
        (
            "status",
            "Only those in these statuses, separated by commas: CANCELED, CHARGEBACK, CREATED, DECLINED, ERROR, EXPIRED, IN_DISPUTE, \
             PENDING, REFUNDED, REJECTED, SUCCEEDED, VERIFIED.",
        ),
        (
            "sub_status",
            "Only those in these sub-statuses, separated by commas: APPROVED, AUTHORIZED, CANCELED, CAPTURED, \
             CAPTURE_RETRY_IN_PROCESS, CAPTURE_RETRY_PROCESS_FAILED, CREATED, DECLINED, ERROR, EXPIRED, LOST, PARTIALLY_CAPTURED, \
             PARTIALLY_REFUNDED, PENDING_PROVIDER_CONFIRMATION, RECEIVED, REFUNDED, REFUND_RETRY_IN_PROCESS, VERIFIED, \
             WAITING_ADDITIONAL_STEP.",
        ),
        ("currency", "Only those in this currency: ISO 4217."),
        (
            "created_from",
            "Only those made at this time or later: a time or a date of ISO 8601. A date alone means all of its day in UTC.",
        ),
        ("created_to", "Only those made at this time or before, likewise."),
        ("limit", "How many on a page: 1 to 100, 100 when absent."),
        ("cursor", "The `next_cursor` of the page before, sent with the same other parameters."),
    ];
    const NUMBERS: &'static [(&'static str, i64, i64)] = &[("limit", 1, LIMIT_MAX)];
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
                (Code::InvalidParameters, "`status` or `sub_status` is none, or a parameter is there twice."),
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
    let none_of = |name, words: String| move || Problem::new(Code::InvalidParameters, format!("{name}: must be some of {words}"));
    let rough = Codes::of_words(status.unwrap_or_default(), PaymentState::status, &[REJECTED])
        .ok_or_else(none_of("status", Codes::words(PaymentState::status, &[REJECTED])))?;
    let exact = Codes::of_words(sub_status.unwrap_or_default(), PaymentState::sub_status, &[])
        .ok_or_else(none_of("sub_status", Codes::words(PaymentState::sub_status, &[])))?;
    let unknown = || Problem::new(Code::CurrencyNotAllowed, "currency: is not a currency of ISO 4217");
    let currency = currency.map(|code| Currency::parse(code).ok_or_else(unknown)).transpose()?;
    let created_from = from.map(|text| Moment::of(text).ok_or_else(|| no_time("created_from"))).transpose()?;
    let created_to = to.map(|text| Moment::last(text).ok_or_else(|| no_time("created_to"))).transpose()?;
    if created_from.zip(created_to).is_some_and(|(from, to)| to < from) {
        return Err(Problem::new(Code::InvalidDate, "created_to: must not be before created_from"));
    }
    Ok(PaymentFilter { states: rough.and(exact), currency, created_from, created_to })
}

/// The refusal of what is neither a time nor a date.
pub(super) fn no_time(name: &'static str) -> Problem {
    Problem::new(Code::InvalidDate, format!("{name}: {NO_MOMENT}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_names_every_word() {
        for (name, words) in [
            ("status", Codes::words(PaymentState::status, &[REJECTED])),
            ("sub_status", Codes::words(PaymentState::sub_status, &[])),
        ] {
            let (_, text) = Which::NAMES.iter().find(|(known, _)| *known == name).expect("a parameter");
            let list = text.split_once(": ").and_then(|(_, list)| list.strip_suffix('.')).expect("a list");
            assert_eq!(list.replace(',', ""), words);
        }
    }

    #[test]
    fn what_no_payment_can_be_leaves_nothing() {
        let states = |status| filter([Some(status), None, None, None, None]).expect("a word").states;
        assert!(states("REJECTED").is_empty());
        assert_eq!(states("DECLINED,REJECTED"), states("DECLINED"));
    }

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
