//! `GET /dev/outbox`: what the product sends out, for the developer to read; a page where a browser asks.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use kernel::{EventId, Timestamp};
use messaging::{DeliveryState, Message};
use minijinja::context;
use minijinja::value::Serde;
use serde::Serialize;

use super::{SANDBOX, json};
use crate::envelope::{Code, Problem};
use crate::exchange::wants_page;
use crate::extract::{Facts, Headers, Names, Query};
use crate::pages::{Language, Moment, Page, language_of, moment};
use crate::refusal::problem_of_fault;
use crate::route::{Content, Route, component};
use crate::state::Web;
use crate::view::{Word, view};

/// Messages on one page, and how many there are when nobody says otherwise.
const MESSAGES_MAX: u32 = 1_000;
const MESSAGES_USUAL: u32 = 100;
/// The kinds of messages there are; only webhooks are sent yet.
const KINDS: [&str; 4] = ["sms", "email", "webhook", "realtime"];
const WEBHOOK: &str = "webhook";

/// Which messages.
struct Which;

impl Names for Which {
    const NAMES: &'static [(&'static str, &'static str)] = &[
        ("kind", "`sms`, `email`, `webhook` or `realtime`."),
        ("to", "To whom: a number, an address, a URL."),
        ("limit", "At most so many: 1 to 1000, 100 when absent."),
    ];
    const NUMBERS: &'static [(&'static str, i64, i64)] = &[("limit", 1, MESSAGES_MAX as i64)];
}

view! {
    /// Messages, newest first.
    struct Outbox as "Outbox" {
        messages: Vec<OutboxMessage>,
    }
}

view! {
    /// One message.
    struct OutboxMessage as "Message" {
        id: EventId,
        kind: Word,
        to: String,
        /// Of a webhook, the event.
        subject: Option<String>,
        /// Of a webhook, the body as it is sent.
        text: Option<String>,
        html: Option<String>,
        attachments: Vec<OutboxAttachment>,
        /// PENDING, DELIVERED, FAILED or DROPPED.
        status: Word,
        /// Requests ever sent.
        sends: u32,
        created_at: Timestamp,
    }
}

view! {
    /// A file that goes with a message.
    struct OutboxAttachment as "Attachment" {
        name: String,
        content_type: String,
        size: i64,
        url: String,
    }
}

pub(super) fn route() -> Route {
    Route::open(Method::GET, "/dev/outbox", outbox)
        .named(SANDBOX, "outbox", "Read what is sent out")
        .text("Also what was sent for real: nothing is held back here. A browser gets a page.")
        .replies(StatusCode::OK, "Messages, newest first.", Content::Json(component::<Outbox>))
}

async fn outbox(Facts(exchange): Facts, Headers(headers): Headers, State(web): State<Web>, query: Query<Which>) -> Response {
    let messages = match found(&web, &query).await {
        Ok(messages) => messages,
        Err(problem) => return problem.into_response(),
    };
    if !wants_page(&headers) {
        return json(&Outbox { messages: messages.iter().map(shown).collect() });
    }
    let language = language_of(&exchange.uri, &headers);
    let page = Page { template: "outbox.html", path: "/dev/outbox", language, ready: web.is_ready().await };
    let messages: Vec<Card> = messages.iter().map(|message| card(message, language)).collect();
    web.pages.reply(
        StatusCode::OK,
        &page,
        context! { outbox => Serde(Cards { to: query.get("to").unwrap_or_default(), messages }) },
    )
}

async fn found(web: &Web, query: &Query<Which>) -> Result<Vec<Message>, Problem> {
    let limit = query.number("limit", 1, MESSAGES_MAX)?.unwrap_or(MESSAGES_USUAL);
    let kind = query.get("kind").filter(|kind| !kind.is_empty());
    if kind.is_some_and(|kind| !KINDS.contains(&kind)) {
        return Err(Problem::new(Code::InvalidParameters, format!("kind: must be one of {}", KINDS.join(" "))));
    }
    if kind.is_some_and(|kind| kind != WEBHOOK) {
        return Ok(Vec::new());
    }
    let to = query.get("to").filter(|to| !to.is_empty());
    web.wiring.messaging.latest(to, limit).await.map_err(|fault| problem_of_fault(&fault))
}

fn text_of(message: &Message) -> String {
    String::from_utf8_lossy(&message.body()).into_owned()
}

fn shown(message: &Message) -> OutboxMessage {
    OutboxMessage {
        id: message.event.id,
        kind: Word(WEBHOOK),
        to: message.to.to_string(),
        subject: Some(message.event.happened.event().to_owned()),
        text: Some(text_of(message)),
        html: None,
        attachments: Vec::new(),
        status: Word(message.delivery.state.wire()),
        sends: message.delivery.sends,
        created_at: message.event.created_at,
    }
}

/// What the page is told.
#[derive(Serialize)]
struct Cards<'a> {
    to: &'a str,
    messages: Vec<Card>,
}

#[derive(Serialize)]
struct Card {
    id: String,
    kind: &'static str,
    to: String,
    subject: &'static str,
    about: Option<String>,
    text: String,
    status: &'static str,
    tone: &'static str,
    sends: u32,
    answer: Option<String>,
    at: Moment,
    next_at: Option<Moment>,
}

/// What a message is about: the order, where there is one, and the id of the object it shows.
fn about(body: &serde_json::Value) -> Option<String> {
    let object = body["data"].as_object()?.values().find(|member| member["id"].is_string())?;
    let named = ["merchant_order_id", "merchant_reference", "name"].iter().find_map(|name| object[*name].as_str());
    Some(named.into_iter().chain(object["id"].as_str()).collect::<Vec<_>>().join(" · "))
}

fn card(message: &Message, language: Language) -> Card {
    let delivery = &message.delivery;
    let body = serde_json::from_slice::<serde_json::Value>(&message.body()).ok();
    let pretty = body.as_ref().and_then(|body| serde_json::to_string_pretty(body).ok());
    let status = delivery.http_status.map(|status| status.to_string());
    Card {
        id: message.event.id.to_string(),
        kind: WEBHOOK,
        to: message.to.to_string(),
        subject: message.event.happened.event(),
        about: body.as_ref().and_then(about),
        text: pretty.unwrap_or_else(|| text_of(message)),
        status: delivery.state.wire(),
        tone: match delivery.state {
            DeliveryState::Due => "wait",
            DeliveryState::Delivered => "good",
            DeliveryState::GivenUp => "bad",
            DeliveryState::Dropped => "none",
        },
        sends: delivery.sends,
        answer: status.or_else(|| delivery.trouble.map(|trouble| trouble.word().to_owned())),
        at: moment(message.event.created_at, language),
        next_at: delivery.next_try_at.map(|at| moment(at, language)),
    }
}
