//! `/dev/acquirer/settlement`: the file in which the sandbox acquirer says what it pays.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use connectors::acquirer_sandbox::{NAMES, SETTLEMENT_HEADER, Sandbox, SettlementPage};
use db::Fault;
use futures_util::{StreamExt, stream};
use kernel::Timestamp;
use payments::Connector;

use super::{SANDBOX, sandbox};
use crate::envelope::{Code, Problem};
use crate::extract::{Names, Query};
use crate::refusal::problem_of_fault;
use crate::route::{Content, Route};
use crate::state::Web;

const CSV: HeaderValue = HeaderValue::from_static("text/csv; charset=utf-8");
const FILE: HeaderValue = HeaderValue::from_static("attachment; filename=\"settlement.csv\"");

/// Which lines.
struct Which;

impl Names for Which {
    const NAMES: &'static [(&'static str, &'static str)] = &[
        ("connector", "Whose file: `sandbox`, the default, or `sandbox_b`."),
        ("from", "Only what it did at this time or later, by the machine's clock; a date is the beginning of its day."),
        ("to", "Only what it did at this time or earlier; a date is the end of its day."),
    ];
}

/// The route.
pub(super) fn route() -> Route {
    Route::open(Method::GET, "/dev/acquirer/settlement", settlement)
        .named(SANDBOX, "get-settlement", "Get the acquirer's settlement file")
        .text(
            "Comma-separated values, one line for each charge and refund, as `guichet settlement import --acquirer sandbox FILE` takes \
             them. The acquirer keeps 0.3 % of a charge, rounded half up. Disputes are not in it.",
        )
        .replies(StatusCode::OK, "The file.", Content::Other("text/csv"))
        .refusals(&[
            (Code::InvalidParameters, "`connector` is no name of the sandbox acquirer, or a parameter is there twice."),
            (Code::InvalidDate, "`from` or `to` can be read neither as a time nor as a date."),
        ])
}

async fn settlement(State(web): State<Web>, query: Query<Which>) -> Response {
    started(&web, &query).await.unwrap_or_else(IntoResponse::into_response)
}

/// The first lines, and then page by page.
async fn started(web: &Web, query: &Query<Which>) -> Result<Response, Problem> {
    let connector = query.get("connector").map_or(Some(Connector::Sandbox), Connector::parse);
    let connector = connector.filter(|connector| NAMES.contains(connector));
    let connector =
        connector.ok_or_else(|| Problem::new(Code::InvalidParameters, "connector: is not a name of the sandbox acquirer"))?;
    let times = (time(query, "from", 0)?.unwrap_or(Timestamp::EPOCH), time(query, "to", 1)?.unwrap_or(LAST));
    let acquirer = sandbox(web)?.acquirer.clone();
    // Read before anything is sent, so that a store that is away is said with a status.
    let first = acquirer.settlement(connector, times, None).await.map_err(|fault| problem_of_fault(&fault))?;
    let header = Bytes::from_static(SETTLEMENT_HEADER.as_bytes());
    let lines = stream::iter([Ok(header)]).chain(pages(acquirer, connector, times, first));
    Ok(([(CONTENT_TYPE, CSV), (CONTENT_DISPOSITION, FILE)], Body::from_stream(lines)).into_response())
}

/// Later than everything.
const LAST: Timestamp = Timestamp::from_seconds(253_402_300_799);

fn pages(
    acquirer: Sandbox,
    connector: Connector,
    times: (Timestamp, Timestamp),
    first: SettlementPage,
) -> impl stream::Stream<Item = Result<Bytes, Fault>> + Send {
    stream::try_unfold((acquirer, Some(first)), move |(acquirer, page)| async move {
        let Some(SettlementPage { lines, next }) = page else { return Ok(None) };
        let following = match next {
            Some(after) => Some(acquirer.settlement(connector, times, Some(after)).await?),
            None => None,
        };
        Ok(Some((Bytes::from(lines), (acquirer, following))))
    })
}

/// A time, or the beginning of a day; with `days`, its last moment.
fn time(query: &Query<Which>, name: &'static str, days: i64) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = query.get(name) else { return Ok(None) };
    let day = || {
        let midnight: Timestamp = format!("{text}T00:00:00Z").parse().ok()?;
        Some(if days == 0 { midnight } else { midnight.plus_days(days).plus_micros(-1) })
    };
    let refused =
        || Problem::new(Code::InvalidDate, format!("{name}: must be a time like 2026-01-31T09:08:07Z or a date like 2026-01-31"));
    text.parse().ok().or_else(day).map(Some).ok_or_else(refused)
}
