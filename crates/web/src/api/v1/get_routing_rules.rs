//! `GET /v1/routing-rules`: by which rules the account's charges find their acquirer.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::{ROUTING, json, views};
use crate::caller::{Caller, Read};
use crate::refusal::problem_of_fault;
use crate::route::{Content, Guarded, component};
use crate::state::Web;

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::GET, "/v1/routing-rules", get_routing_rules).about(|route| {
        route
            .named(ROUTING, "get-routing-rules", "Get the routing rules")
            .text("Until rules are written there is one, by which everything goes to the first acquirer.")
            .replies(StatusCode::OK, "The rules, in order.", Content::Json(component::<views::RulesView>))
            .drawn(views::routing_sample)
    })
}

async fn get_routing_rules(caller: Caller<Read>, State(web): State<Web>) -> Response {
    match web.wiring.payments.routing_rules(caller.account_id()).await {
        Ok(rules) => json(views::routing_rules(&rules)),
        Err(fault) => problem_of_fault(&fault).into_response(),
    }
}
