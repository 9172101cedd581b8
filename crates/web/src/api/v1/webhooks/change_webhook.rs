//! `PATCH /v1/webhooks/{webhook}`: changes whom and what to tell.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use kernel::WebhookId;
use messaging::{Details, Family, Shared, Triggers, WebhookChange};

use super::fields::{Hidden, Kept, StateWord, Told};
use super::{
    ALREADY_EXISTS, INVALID_TRIGGER, NOT_FOUND, URL_UNSAFE, WEBHOOK_PARAM, WEBHOOKS, WebhookDetails, answer, not_found, once_of,
    webhook_reply,
};
use crate::api::v1::details::{packed, unpacked};
use crate::caller::{Caller, Write};
use crate::envelope::Code;
use crate::extract::At;
use crate::object::{self, Body, Prose, Reader, Text, Whole, object};
use crate::once::{Once, Optional};
use crate::route::Guarded;
use crate::state::Web;

object! {
    /// What is to be changed of a webhook; what is absent stays.
    pub(super) struct ChangeWebhookBody {
        /// The account of the key.
        account_id: Option<object::Account>,
        /// Your name for it; once per account.
        name: Option<Prose<1, 255>>,
        /// Where it is told.
        url: Option<Text<1, 2048>>,
        /// Whether it is told anything.
        state: Option<StateWord>,
        /// Sent back to you as the header `x-api-key`; empty takes it away.
        api_key: Option<Hidden<512>>,
        /// Sent back to you as the header `x-secret`; empty takes it away.
        secret: Option<Hidden<512>>,
        /// Signs the body; empty takes it away.
        hmac_client_secret: Option<Hidden<512>>,
        /// Events of payments, all of them.
        payment_triggers: Option<Told<0>>,
        /// Events of stored payment methods, all of them.
        enrollment_triggers: Option<Told<1>>,
        /// Events of subscriptions, all of them.
        subscription_triggers: Option<Told<2>>,
        /// Events of payouts, all of them.
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
        /// Kept for later; empty takes it away.
        oauth2_client_secret: Option<Hidden<512>>,
        /// Kept for later.
        oauth2_scope: Option<Text<1, 512>>,
        /// Kept for later.
        oauth2_grant_type: Option<Text<1, 64>>,
    }
}

impl Body for ChangeWebhookBody {
    type Ask = WebhookChange;

    const INVALID: Code = Code::WebhookInvalidRequest;

    fn name() -> &'static str {
        "ChangeWebhookBody"
    }

    fn judge(self, _reader: &mut Reader) -> Option<WebhookChange> {
        let triggers: [(Family, Option<Triggers>); 4] = [
            (Family::Payment, self.payment_triggers.map(|told| told.0)),
            (Family::Enrollment, self.enrollment_triggers.map(|told| told.0)),
            (Family::Subscription, self.subscription_triggers.map(|told| told.0)),
            (Family::Payout, self.payout_triggers.map(|told| told.0)),
        ];
        let kept = |words: Vec<&'static str>| words.into_iter().map(Cow::Borrowed).collect();
        let sent = packed(&WebhookDetails {
            report_triggers: self.report_triggers.map(|list| kept(list.0)),
            onboarding_triggers: self.onboarding_triggers.map(|list| kept(list.0)),
            renewal_days: self.renewal_days.map(|days| days.0),
            oauth2_url: self.oauth2_url.as_ref().map(|text| Cow::Borrowed(&*text.0)),
            oauth2_client_id: self.oauth2_client_id.as_ref().map(|text| Cow::Borrowed(&*text.0)),
            oauth2_scope: self.oauth2_scope.as_ref().map(|text| Cow::Borrowed(&*text.0)),
            oauth2_grant_type: self.oauth2_grant_type.as_ref().map(|text| Cow::Borrowed(&*text.0)),
        });
        Some(WebhookChange {
            name: self.name.map(|name| name.0),
            url: self.url.map(|url| url.0),
            state: self.state.map(StateWord::domain),
            triggers: triggers.into_iter().filter_map(|(family, told)| Some((family, told?))).collect(),
            details: sent.map(|sent| Details { sent, merge }),
            secrets: Shared {
                api_key: self.api_key.map(|secret| secret.0),
                secret: self.secret.map(|secret| secret.0),
                hmac_client_secret: self.hmac_client_secret.map(|secret| secret.0),
                oauth2_client_secret: self.oauth2_client_secret.map(|secret| secret.0),
            },
        })
    }
}

/// What was sent, laid over what is stored.
fn merge(stored: Option<&[u8]>, sent: &[u8]) -> Option<Arc<[u8]>> {
    let old: WebhookDetails<'_> = unpacked(stored);
    let new: WebhookDetails<'_> = unpacked(Some(sent));
    packed(&WebhookDetails {
        report_triggers: new.report_triggers.or(old.report_triggers),
        onboarding_triggers: new.onboarding_triggers.or(old.onboarding_triggers),
        renewal_days: new.renewal_days.or(old.renewal_days),
        oauth2_url: new.oauth2_url.or(old.oauth2_url),
        oauth2_client_id: new.oauth2_client_id.or(old.oauth2_client_id),
        oauth2_scope: new.oauth2_scope.or(old.oauth2_scope),
        oauth2_grant_type: new.oauth2_grant_type.or(old.oauth2_grant_type),
    })
}

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::PATCH, "/v1/webhooks/{webhook}", change_webhook).about(|route| {
        route
            .named(WEBHOOKS, "change-webhook", "Change a webhook")
            .text("What is absent stays as it is. A secret that is set to an empty text is taken away.")
            .params(&[WEBHOOK_PARAM])
            .example(r#"{"payment_triggers": ["PURCHASE", "REFUND", "CHARGEBACK"]}"#)
            .replies(StatusCode::OK, "The webhook.", webhook_reply())
            .refusals(&[NOT_FOUND, URL_UNSAFE, INVALID_TRIGGER, ALREADY_EXISTS])
    })
}

async fn change_webhook(
    caller: Caller<Write>,
    At(webhook): At<Option<WebhookId>>,
    State(web): State<Web>,
    once: Once<Optional, ChangeWebhookBody>,
) -> Response {
    let Some(webhook) = webhook else { return not_found() };
    let key = once.key.as_ref();
    let changed = web.wiring.messaging.change(caller.account_id(), webhook, once.ask, once_of(key)).await;
    answer(&web, key, changed).await
}
