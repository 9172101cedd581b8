//! `GET /v1/webhooks/{webhook}/deliveries`: the delivery log, newest first.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use kernel::{EventId, WebhookId};
use messaging::DeliveryState;
use messaging::queries::DELIVERIES_PAGE_MAX;

use super::{NOT_FOUND, WEBHOOK_PARAM, WEBHOOKS, json, not_found, problem, views};
use crate::caller::{Caller, Read};
use crate::envelope::{Code, Problem};
use crate::extract::{At, Names, Query};
use crate::route::{Content, Guarded, component};
use crate::state::Web;

/// Which of them.
pub(super) struct Which;

impl Names for Which {
    const NAMES: &'static [(&'static str, &'static str)] = &[
        ("status", "Only those: `PENDING`, `DELIVERED`, `FAILED` or `DROPPED`."),
        ("before", "The `next` of the page before."),
        ("limit", "At most so many: 1 to 100, 100 when absent."),
    ];
    const NUMBERS: &'static [(&'static str, i64, i64)] = &[("limit", 1, DELIVERIES_PAGE_MAX as i64)];
}

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::GET, "/v1/webhooks/{webhook}/deliveries", list_deliveries).about(|route| {
        route
            .named(WEBHOOKS, "list-webhook-deliveries", "See what was sent to a webhook")
            .params(&[WEBHOOK_PARAM])
            .replies(StatusCode::OK, "Deliveries, newest first.", Content::Json(component::<views::DeliveriesView>))
            .refusals(&[NOT_FOUND])
    })
}

async fn list_deliveries(
    caller: Caller<Read>,
    At(webhook): At<Option<WebhookId>>,
    State(web): State<Web>,
    query: Query<Which>,
) -> Response {
    let Some(webhook) = webhook else { return not_found() };
    let (state, before, limit) = match asked(&query) {
        Ok(asked) => asked,
        Err(problem) => return problem.into_response(),
    };
    match web.wiring.messaging.deliveries(caller.account_id(), webhook, state, before, limit).await {
        Ok(found) => json(views::deliveries(&found, u32::try_from(found.len()).is_ok_and(|found| found == limit))),
        Err(error) => problem(&web, &error).into_response(),
    }
}

fn asked(query: &Query<Which>) -> Result<(Option<DeliveryState>, Option<EventId>, u32), Problem> {
    fn read<T>(query: &Query<Which>, name: &'static str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Problem> {
        let wrong = || Problem::new(Code::WebhookInvalidRequest, format!("{name}: cannot be read"));
        query.get(name).map(|text| parse(text).ok_or_else(wrong)).transpose()
    }
    let state = read(query, "status", DeliveryState::parse)?;
    let before = read(query, "before", |text| text.parse().ok())?;
    let limit = read(query, "limit", |text| text.parse().ok().filter(|limit| (1..=DELIVERIES_PAGE_MAX).contains(limit)))?;
    Ok((state, before, limit.unwrap_or(DELIVERIES_PAGE_MAX)))
}
