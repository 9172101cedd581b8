//! `GET /v1/reports/{report}/download`: the lines of a report.
//!
//! They are read while they are sent, a page at a time: whoever takes them slowly holds neither memory nor a connection to the store,
//! and whoever takes nothing is cut off where the connection is watched ([`crate::patience`]).

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use db::Fault;
use futures_util::{StreamExt, stream};
use kernel::ReportId;
use payments::reports::{Lines, ReportReader};

use super::get_report::find;
use super::{REPORT_NOT_FOUND, REPORT_PARAM, REPORTS, views};
use crate::caller::{Caller, Read};
use crate::extract::At;
use crate::refusal::problem_of_fault;
use crate::route::{Content, Guarded};
use crate::state::Web;

/// What the lines are.
const CSV: HeaderValue = HeaderValue::from_static("text/csv; charset=utf-8");

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::GET, "/v1/reports/{report}/download", download_report).about(|route| {
        route
            .named(REPORTS, "download-report", "Download a report")
            .text(
                "Comma-separated values as RFC 4180 has them, in UTF-8, the names of the columns first, in the order in which things were \
                 made. Amounts are in major units. A text of yours that a table program would take for a formula has an apostrophe \
                 before it; one with a semicolon or a tab stands in quotes. Of a card there are the first digits and the last four.\n\n\
                 A download that breaks off is not complete: its last chunk is missing.",
            )
            .params(&[REPORT_PARAM])
            .replies(StatusCode::OK, "The lines.", Content::Other("text/csv"))
            .refusals(&[REPORT_NOT_FOUND])
    })
}

async fn download_report(caller: Caller<Read>, At(report): At<Option<ReportId>>, State(web): State<Web>) -> Response {
    let report = match find(&web, caller.account_id(), report).await {
        Ok(report) => report,
        Err(problem) => return problem.into_response(),
    };
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{}\"", report.file_name()));
    let disposition = disposition.unwrap_or(HeaderValue::from_static("attachment"));
    let mut reader = web.wiring.payments.read_report(report);
    // Read before anything is sent, so that a store that is away is said with a status.
    match reader.next().await {
        Ok(first) => {
            let body = Body::from_stream(lines(web, reader, first));
            ([(CONTENT_TYPE, CSV), (CONTENT_DISPOSITION, disposition)], body).into_response()
        }
        Err(fault) => problem_of_fault(&fault).into_response(),
    }
}

/// The header, the first lines, and then page by page.
fn lines(web: Web, reader: ReportReader, first: Option<Lines>) -> impl stream::Stream<Item = Result<Bytes, Fault>> + Send {
    let drawn = |web: &Web, reader: &ReportReader, lines: &Lines| {
        Bytes::from(views::report_lines(reader.report(), lines, web.wiring.payments.challenges()))
    };
    let header = Bytes::from(views::report_header(reader.report().kind));
    let first = first.map(|lines| drawn(&web, &reader, &lines));
    let rest = stream::try_unfold((web, reader), move |(web, mut reader)| async move {
        let next = reader.next().await.inspect_err(|fault| tracing::warn!(%fault, "a report could not be read to its end"))?;
        Ok(next.map(|lines| (drawn(&web, &reader, &lines), (web, reader))))
    });
    stream::iter(std::iter::once(header).chain(first).map(Ok)).chain(rest)
}
