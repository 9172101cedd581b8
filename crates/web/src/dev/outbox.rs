//! `GET /dev/outbox`: what the product would have sent out. Nothing sends messages yet, so the list is empty.

use axum::http::{Method, StatusCode};
use axum::response::Response;

use super::{SANDBOX, json};
use crate::extract::{Names, Query};
use crate::route::{Content, Route, component};
use crate::view::{Word, view};

/// Which messages.
struct Which;

impl Names for Which {
    const NAMES: &'static [(&'static str, &'static str)] =
        &[("kind", "`sms`, `email`, `webhook` or `realtime`."), ("to", "To whom."), ("limit", "At most so many.")];
}

view! {
    /// Messages, newest first.
    struct Outbox as "Outbox" {
        messages: Vec<Message>,
    }
}

view! {
    /// One message.
    struct Message as "Message" {
        id: String,
        kind: Word,
        to: String,
        subject: Option<String>,
        text: Option<String>,
        html: Option<String>,
        created_at: String,
    }
}

pub(super) fn route() -> Route {
    Route::open(Method::GET, "/dev/outbox", outbox).named(SANDBOX, "outbox", "Read what would have been sent").replies(
        StatusCode::OK,
        "Messages, newest first.",
        Content::Json(component::<Outbox>),
    )
}

async fn outbox(_query: Query<Which>) -> Response {
    json(&Outbox { messages: Vec::new() })
}
