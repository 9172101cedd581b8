//! `GET /v1/reports`: the account's reports, page by page.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::cursor::List;
use super::search_payments::{LIMIT_MAX, limit};
use super::{REPORTS, json, views};
use crate::caller::{Caller, Read};
use crate::envelope::Code;
use crate::extract::{Names, Query};
use crate::refusal::problem_of_fault;
use crate::route::{Content, Guarded, component};
use crate::state::Web;

/// Which part of them.
pub(super) struct Which;

impl Names for Which {
    const NAMES: &'static [(&'static str, &'static str)] =
        &[("limit", "How many on a page: 1 to 100, 100 when absent."), ("cursor", "The `next_cursor` of the page before.")];
    const NUMBERS: &'static [(&'static str, i64, i64)] = &[("limit", 1, LIMIT_MAX)];
}

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::GET, "/v1/reports", list_reports).about(|route| {
        route
            .named(REPORTS, "list-reports", "List reports")
            .replies(StatusCode::OK, "A page of them, newest first.", Content::Json(component::<views::ReportsView<'_>>))
            .refusals(&[(Code::BadRequest, "`limit` is out of bounds, or `cursor` is none of this list.")])
    })
}

async fn list_reports(caller: Caller<Read>, State(web): State<Web>, query: Query<Which>) -> Response {
    let list = List::new("reports", caller.account_id(), &[]);
    let asked = limit(&query).and_then(|limit| Ok((limit, list.behind(query.get("cursor"))?)));
    let (limit, behind) = match asked {
        Ok(asked) => asked,
        Err(problem) => return problem.into_response(),
    };
    match web.wiring.payments.list_reports(caller.account_id(), behind, limit).await {
        Ok(page) => json(views::ReportsView::drawn(&page, page.next.map(|last| list.cursor(last)))),
        Err(fault) => problem_of_fault(&fault).into_response(),
    }
}
