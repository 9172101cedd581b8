//! What only a sandbox has: the acquirer's moods and books, the clock, the outbox, two routes to measure with (contract, section 3).
//! In production none of these routes exists.

mod acquirer;
mod clock;
mod hello;
mod outbox;
mod settlement;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::envelope::{JSON, Problem};
use crate::route::Route;
use crate::state::{SandboxWiring, Web};
use crate::view::{View, drawn};

/// The section of the reference.
const SANDBOX: &str = "Sandbox";

/// All routes.
pub(crate) fn routes() -> Vec<Route> {
    let mut routes = acquirer::routes();
    routes.push(settlement::route());
    routes.push(clock::route());
    routes.push(outbox::route());
    routes.extend(hello::routes());
    routes
}

/// What the sandbox has; the routes exist only where there is one.
fn sandbox(web: &Web) -> Result<&SandboxWiring, Problem> {
    web.wiring.sandbox.as_ref().ok_or_else(|| Problem::internal("a sandbox route without a sandbox".to_owned()))
}

fn json(view: &impl View) -> Response {
    ([(CONTENT_TYPE, JSON)], drawn(view)).into_response()
}
