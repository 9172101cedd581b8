//! The HTTP edge: everything between a socket and the domains, and nothing else. No SQL, no rules of money.
//!
//! [`app`] wires the edge; [`App`] answers single requests, which tests use in process; [`serve`] puts it behind a listener.
//! All routes stand in one table, which builds the router, the API reference and the tests' permission matrix.
//!
//! # Invariants
//! - A route that needs a key cannot exist without naming what the key must be allowed to do: [`route::Guarded`] takes only
//!   handlers that begin with a [`caller::Caller`] of some class. Guarded by the compiler.
//! - A number in a body is never a float: [`kernel::json`] keeps its text. Guarded by `kernel: json::tests::numbers_stay_text`.
//! - No template shows an undefined name. Guarded by `pages::tests::every_page_renders_with_every_sample_in_every_language`.
//! - What answers is documented. Guarded by `openapi::tests::every_route_is_in_the_document_with_its_needs`.

mod api;
mod app;
mod body;
mod caller;
mod client;
mod compressed;
mod dev;
mod envelope;
mod exchange;
mod extract;
mod health;
mod hosts;
mod linger;
mod listener;
mod meters;
mod object;
mod once;
mod openapi;
mod pages;
mod patience;
mod rate_headers;
mod refusal;
mod request_id;
mod route;
mod router;
mod security_headers;
mod state;
mod static_files;
mod table;
pub mod tls;
mod view;
mod visitors;
mod wire;

pub use app::{App, app};
pub use hosts::NoSuchFamily;
pub use listener::{CONNECTIONS_MAX, Listening, serve};
pub use openapi::openapi;
pub use pages::PageError;
pub use state::{Metrics, Options, Ready, SandboxWiring, Showcase, Wiring, WiringError};

/// How replies that are recorded are drawn; `payments` is built with it.
pub fn faces(challenges: payments::Challenges) -> payments::Faces {
    api::v1::faces(challenges)
}

/// How replies about webhooks are drawn; `messaging` is built with it.
pub fn webhook_faces() -> messaging::Faces {
    api::v1::webhook_faces()
}

/// A route that needs a key, for tests that ask all of them.
#[derive(Debug, Clone)]
pub struct GuardedRoute {
    /// Its method.
    pub method: axum::http::Method,
    /// Its path with `{parameters}`, in the prefix form.
    pub path: &'static str,
    /// What the key must be allowed to do.
    pub capability: access::Capability,
    /// Whether the request needs an idempotency key.
    pub needs_idempotency_key: bool,
}

/// Every route that needs a key, from the table that builds the router.
pub fn guarded_routes(sandbox: bool) -> Vec<GuardedRoute> {
    let guarded = |route: route::Route| {
        Some(GuardedRoute {
            method: route.method,
            path: route.path,
            capability: route.needs.capability?,
            needs_idempotency_key: route.needs.idempotency == route::Idempotency::Required,
        })
    };
    table::routes(sandbox).into_iter().filter_map(guarded).collect()
}
