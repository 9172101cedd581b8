//! `POST /v1/webhooks`: adds somebody to be told.

use std::borrow::Cow;

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use messaging::{NewWebhook, Shared, Triggers, WebhookState};

use super::fields::{Hidden, Kept, StateWord, Told};
use super::{ALREADY_EXISTS, INVALID_TRIGGER, URL_UNSAFE, WEBHOOKS, WebhookDetails, answer, once_of, webhook_reply};
use crate::api::v1::details::packed;
use crate::caller::{Caller, Write};
use crate::envelope::Code;
use crate::object::{self, Body, Prose, Reader, Text, Whole, object};
use crate::once::{Once, Optional};
use crate::route::Guarded;
use crate::state::Web;

object! {
    /// A webhook to be made.
    pub(super) struct CreateWebhookBody {
        /// The account of the key.
        account_id: object::Account,
        /// Your name for it; once per account.
        name: Prose<1, 255>,
        /// Where it is told. `https`, port 80, 443 or at least 1024, in no private network.
        url: Text<1, 2048>,
        /// Whether it is told anything from the start.
        state: Option<StateWord>,
        /// Sent back to you as the header `x-api-key`.
        api_key: Option<Hidden<512>>,
        /// Sent back to you as the header `x-secret`.
        secret: Option<Hidden<512>>,
        /// Signs the body: header `x-hmac-signature`.
        hmac_client_secret: Option<Hidden<512>>,
        /// Events of payments.
        payment_triggers: Option<Told<0>>,
        /// Events of stored payment methods.
        enrollment_triggers: Option<Told<1>>,
        /// Events of subscriptions.
        subscription_triggers: Option<Told<2>>,
        /// Events of payouts.
        payout_triggers: Option<Told<3>>,
        /// Kept and shown.
        report_triggers: Option<Kept<0>>,
        /// Kept and shown.
        onboarding_triggers: Option<Kept<1>>,
        /// How many days before a renewal `CLOSE_TO_RENEWAL` is told.
        renewal_days: Option<Whole<1, 365>>,
        /// Kept for later.
        oauth2_url: Option<Text<1, 2048>>,
        /// Kept for later.
        oauth2_client_id: Option<Text<1, 512>>,
        /// Kept for later.
        oauth2_client_secret: Option<Hidden<512>>,
        /// Kept for later.
        oauth2_scope: Option<Text<1, 512>>,
        /// Kept for later.
        oauth2_grant_type: Option<Text<1, 64>>,
    }
}

impl Body for CreateWebhookBody {
    type Ask = NewWebhook;

    const INVALID: Code = Code::WebhookInvalidRequest;

    fn name() -> &'static str {
        "CreateWebhookBody"
    }

    fn judge(self, _reader: &mut Reader) -> Option<NewWebhook> {
        let triggers = [
            self.payment_triggers.map(|told| told.0),
            self.enrollment_triggers.map(|told| told.0),
            self.subscription_triggers.map(|told| told.0),
            self.payout_triggers.map(|told| told.0),
        ];
        let kept = |words: Vec<&'static str>| words.into_iter().map(Cow::Borrowed).collect();
        let details = packed(&WebhookDetails {
            report_triggers: self.report_triggers.map(|list| kept(list.0)),
            onboarding_triggers: self.onboarding_triggers.map(|list| kept(list.0)),
            renewal_days: self.renewal_days.map(|days| days.0),
            oauth2_url: self.oauth2_url.as_ref().map(|text| Cow::Borrowed(&*text.0)),
            oauth2_client_id: self.oauth2_client_id.as_ref().map(|text| Cow::Borrowed(&*text.0)),
            oauth2_scope: self.oauth2_scope.as_ref().map(|text| Cow::Borrowed(&*text.0)),
            oauth2_grant_type: self.oauth2_grant_type.as_ref().map(|text| Cow::Borrowed(&*text.0)),
        });
        Some(NewWebhook {
            name: self.name.0,
            url: self.url.0,
            state: self.state.map_or(WebhookState::Active, StateWord::domain),
            triggers: triggers.into_iter().flatten().fold(Triggers::NONE, Triggers::or),
            details,
            secrets: Shared {
                api_key: self.api_key.map(|secret| secret.0),
                secret: self.secret.map(|secret| secret.0),
                hmac_client_secret: self.hmac_client_secret.map(|secret| secret.0),
                oauth2_client_secret: self.oauth2_client_secret.map(|secret| secret.0),
            },
        })
    }
}

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::POST, "/v1/webhooks", create_webhook).about(|route| {
        route
            .named(WEBHOOKS, "create-webhook", "Create a webhook")
            .text(
                "From now on each change is told to the address, signed with `signing_secret` as Standard Webhooks has it. The \
                 secret is shown in this answer and never again.",
            )
            .example(
                r#"{"account_id": "01936b1a-0000-7000-8000-00000000a001", "name": "Shop", "url": "https://shop.example/hooks",
 "payment_triggers": ["PURCHASE", "REFUND"]}"#,
            )
            .replies(StatusCode::CREATED, "The webhook, with its signing secret.", webhook_reply())
            .refusals(&[URL_UNSAFE, INVALID_TRIGGER, ALREADY_EXISTS])
    })
}

async fn create_webhook(caller: Caller<Write>, State(web): State<Web>, once: Once<Optional, CreateWebhookBody>) -> Response {
    let key = once.key.as_ref();
    let created = web.wiring.messaging.create(caller.account_id(), once.ask, once_of(key)).await;
    answer(&web, key, created).await
}
