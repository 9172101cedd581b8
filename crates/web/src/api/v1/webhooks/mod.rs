//! Webhooks: whom to tell, what became of telling them (payments specification, sections 2.8 and 3.11).

mod change_webhook;
mod create_webhook;
mod events;
mod fields;
mod get_webhook;
mod list_deliveries;
mod list_webhooks;
mod remove_webhook;
mod resend_delivery;
mod rotate_signing_secret;
mod views;

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use idempotency::Claim;
use messaging::{Answer, MessagingError, Refusal, Unsafe};
use serde::{Deserialize, Serialize};

pub(crate) use events::webhooks;
pub(crate) use views::faces;

use super::{WEBHOOKS, json};
use crate::envelope::{Code, Problem};
use crate::once::{in_process, replay, response};
use crate::refusal::problem_of_fault;
use crate::route::{Content, Guarded, component};
use crate::state::Web;

/// The parameter of paths, explained.
const WEBHOOK_PARAM: (&str, &str) = ("webhook", "Id of the webhook.");
/// What is said where there is none.
const NOT_FOUND: (Code, &str) = (Code::WebhookNotFound, "There is no such webhook, or it is somebody else's.");
/// What is said of an address that must not be called.
const URL_UNSAFE: (Code, &str) = (
    Code::WebhookUrlUnsafe,
    "The address is not protected by TLS, has a user name or an unusual port, does not resolve, or leads into a private network.",
);
/// What is said of an event that does not exist.
const INVALID_TRIGGER: (Code, &str) = (Code::WebhookInvalidTrigger, "There is no such event.");
/// What is said of a second one of the same kind.
const ALREADY_EXISTS: (Code, &str) =
    (Code::WebhookAlreadyExists, "Another webhook has this name, or this address and one of these events.");

/// All routes.
pub(super) fn routes() -> Vec<Guarded> {
    vec![
        create_webhook::route(),
        list_webhooks::route(),
        get_webhook::route(),
        change_webhook::route(),
        remove_webhook::route(),
        rotate_signing_secret::route(),
        list_deliveries::route(),
        resend_delivery::route(),
    ]
}

/// What a reply with a webhook is made of.
fn webhook_reply() -> Content {
    Content::Json(component::<views::WebhookView<'_>>)
}

/// What is only kept and shown of a webhook.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct WebhookDetails<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    report_triggers: Option<Vec<Cow<'a, str>>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    onboarding_triggers: Option<Vec<Cow<'a, str>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    renewal_days: Option<i64>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    oauth2_url: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    oauth2_client_id: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    oauth2_scope: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    oauth2_grant_type: Option<Cow<'a, str>>,
}

/// The key of a request, as `messaging` takes it.
fn once_of(key: Option<&payments::Once>) -> Option<messaging::Once> {
    let payments::Once { scope, body_hash, request_id, .. } = key?;
    let claim = Claim { scope: *scope, body_hash: *body_hash, subject: uuid::Uuid::nil(), request_id: request_id.clone() };
    Some(messaging::Once { claim })
}

/// An answer of `messaging` as a reply. A rule's refusal comes after what the store knows about the key, as everywhere.
async fn answer(web: &Web, key: Option<&payments::Once>, answered: Result<Answer, MessagingError>) -> Response {
    let error = match (answered, key) {
        (Ok(Answer::Done(reply)), _) => return response(reply),
        (Ok(Answer::Replay(recorded)), Some(once)) => return replay(web, once, &recorded),
        (Ok(Answer::Replay(_)), None) => return Problem::internal("a replay without a key".to_owned()).into_response(),
        (Err(error), _) => error,
    };
    let problem = problem(web, &error);
    match (error, key) {
        (MessagingError::Refused(_), Some(key)) => crate::once::refused(web, Some(key.clone()), problem).await,
        _ => problem.into_response(),
    }
}

/// Why a call of `messaging` has no answer.
fn problem(web: &Web, error: &MessagingError) -> Problem {
    let refusal = match error {
        MessagingError::Fault(fault) => return problem_of_fault(fault),
        MessagingError::Refused(refusal) => refusal,
    };
    let code = match refusal {
        Refusal::InProcess { unknown } => return in_process(web, idempotency::InProcess { unknown: *unknown }),
        Refusal::NotFound | Refusal::DeliveryNotFound => Code::WebhookNotFound,
        Refusal::NameTaken | Refusal::UrlTaken => Code::WebhookAlreadyExists,
        Refusal::TooMany | Refusal::Inactive | Refusal::Unsafe(Unsafe::Malformed) => Code::WebhookInvalidRequest,
        Refusal::Unsafe(_) => Code::WebhookUrlUnsafe,
    };
    Problem::new(code, refusal.to_string())
}

/// A webhook that is not there.
fn not_found() -> Response {
    Problem::new(Code::WebhookNotFound, Refusal::NotFound.to_string()).into_response()
}
