//! `GET /v1/reports/{report}`: one report.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use kernel::ReportId;
use payments::reports::ReportRow;

use super::{REPORT_NOT_FOUND, REPORT_PARAM, REPORTS, json, report_reply, views};
use crate::caller::{Caller, Read};
use crate::envelope::{Code, Problem};
use crate::extract::At;
use crate::refusal::problem_of_fault;
use crate::route::Guarded;
use crate::state::Web;

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::GET, "/v1/reports/{report}", get_report).about(|route| {
        route
            .named(REPORTS, "get-report", "Get a report")
            .params(&[REPORT_PARAM])
            .replies(StatusCode::OK, "The report.", report_reply())
            .refusals(&[REPORT_NOT_FOUND])
    })
}

async fn get_report(caller: Caller<Read>, At(report): At<Option<ReportId>>, State(web): State<Web>) -> Response {
    match find(&web, caller.account_id(), report).await {
        Ok(report) => json(views::report(&report)),
        Err(problem) => problem.into_response(),
    }
}

/// The report that a path names: unknown, foreign and expired ones are answered alike.
pub(super) async fn find(web: &Web, account: kernel::AccountId, report: Option<ReportId>) -> Result<ReportRow, Problem> {
    let found = match report {
        Some(report) => web.wiring.payments.get_report(account, report).await.map_err(|fault| problem_of_fault(&fault))?,
        None => None,
    };
    found.ok_or_else(|| Problem::new(Code::ObjectNotFound, "report not found"))
}
