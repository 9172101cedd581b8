//! Webhooks and deliveries as they are shown.

use std::borrow::Cow;

use kernel::{AccountId, EventId, Timestamp, WebhookId};
use messaging::{DeliveryRead, DeliveryRow, Faces, Family, Shown, TryRow, WebhookRow};
use uuid::Uuid;

use super::WebhookDetails;
use crate::api::v1::details::unpacked;
use crate::view::{Word, drawn, view};

/// What is shown of a secret that is there.
const MASK: &str = "***";

view! {
    /// A webhook. Of a secret that is set only `***` is shown.
    pub(in crate::api::v1) struct WebhookView<'a> as "Webhook" {
        id: WebhookId,
        account_id: AccountId,
        name: &'a str,
        url: &'a str,
        /// ACTIVE or INACTIVE.
        state: Word,
        api_key: Option<Word>,
        secret: Option<Word>,
        hmac_client_secret: Option<Word>,
        /// Shown when it is made: in the answer to the creation and to each rotation.
        signing_secret: &'a str,
        payment_triggers: Vec<Word>,
        enrollment_triggers: Vec<Word>,
        subscription_triggers: Vec<Word>,
        /// An addition of ours.
        payout_triggers: Vec<Word>,
        report_triggers: Vec<String>,
        onboarding_triggers: Vec<String>,
        renewal_days: Option<i64>,
        oauth2_url: Option<&'a str>,
        oauth2_client_id: Option<&'a str>,
        oauth2_client_secret: Option<Word>,
        oauth2_scope: Option<&'a str>,
        oauth2_grant_type: Option<&'a str>,
        created_at: Timestamp,
        updated_at: Timestamp,
    }
}

view! {
    /// One event on its way to one webhook.
    pub(super) struct DeliveryView as "WebhookDelivery" {
        /// Id of the event: `webhook-id` of every try.
        id: EventId,
        webhook_id: WebhookId,
        /// Such as `payment.purchase`.
        type_event: Word,
        /// The object of the event, such as the payment.
        subject: Uuid,
        /// PENDING, DELIVERED, FAILED or DROPPED.
        status: Word,
        /// Requests ever sent.
        sends: u32,
        /// When it is sent next; null when it is not.
        next_try_at: Option<Timestamp>,
        /// What the receiver answered last.
        http_status: Option<u16>,
        /// Why it did not.
        failure: Option<Word>,
        created_at: Timestamp,
        finished_at: Option<Timestamp>,
        /// Each request, oldest first.
        tries: Vec<TryView>,
    }
}

view! {
    /// One request to a webhook.
    pub(super) struct TryView as "WebhookTry" {
        at: Timestamp,
        http_status: Option<u16>,
        failure: Option<Word>,
        /// How long it took.
        milliseconds: u32,
    }
}

view! {
    /// A page of deliveries, newest first.
    pub(super) struct DeliveriesView as "WebhookDeliveries" {
        deliveries: Vec<DeliveryView>,
        /// Value of `before` for the next page; null at the end.
        next: Option<EventId>,
    }
}

/// How replies are drawn.
pub(crate) fn faces() -> Faces {
    Faces { webhook: shown, delivery: |row| drawn(&delivery(row, &[])), renewal_days }
}

fn renewal_days(row: &WebhookRow) -> Option<i64> {
    unpacked::<WebhookDetails<'_>>(row.details.as_deref()).renewal_days
}

/// A webhook.
pub(super) fn webhook(row: &WebhookRow) -> Vec<u8> {
    shown(&Shown { row, signing_secret: None })
}

fn shown(Shown { row, signing_secret }: &Shown<'_>) -> Vec<u8> {
    let details: WebhookDetails<'_> = unpacked(row.details.as_deref());
    let mask = |secret: &Option<_>| secret.as_ref().map(|_: &std::sync::Arc<[u8]>| Word(MASK));
    let told = |family| row.triggers.in_family(family).map(|trigger| Word(trigger.word())).collect();
    let kept = |words: Option<Vec<Cow<'_, str>>>| words.unwrap_or_default().into_iter().map(Cow::into_owned).collect();
    drawn(&WebhookView {
        id: row.id,
        account_id: row.account_id,
        name: &row.name,
        url: &row.url,
        state: Word(row.state.wire()),
        api_key: mask(&row.api_key),
        secret: mask(&row.secret),
        hmac_client_secret: mask(&row.hmac_client_secret),
        signing_secret: signing_secret.map_or(MASK, |secret| secret.expose()),
        payment_triggers: told(Family::Payment),
        enrollment_triggers: told(Family::Enrollment),
        subscription_triggers: told(Family::Subscription),
        payout_triggers: told(Family::Payout),
        report_triggers: kept(details.report_triggers),
        onboarding_triggers: kept(details.onboarding_triggers),
        renewal_days: details.renewal_days,
        oauth2_url: details.oauth2_url.as_deref(),
        oauth2_client_id: details.oauth2_client_id.as_deref(),
        oauth2_client_secret: mask(&row.oauth2_client_secret),
        oauth2_scope: details.oauth2_scope.as_deref(),
        oauth2_grant_type: details.oauth2_grant_type.as_deref(),
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

/// A page of deliveries.
pub(super) fn deliveries(found: &[DeliveryRead], full: bool) -> Vec<u8> {
    let next = found.last().filter(|_| full).map(|read| read.delivery.event_id);
    drawn(&DeliveriesView { deliveries: found.iter().map(|read| delivery(&read.delivery, &read.tries)).collect(), next })
}

fn delivery(row: &DeliveryRow, tries: &[TryRow]) -> DeliveryView {
    DeliveryView {
        id: row.event_id,
        webhook_id: row.webhook_id,
        type_event: Word(row.happened.event()),
        subject: row.subject,
        status: Word(row.state.wire()),
        sends: row.sends,
        next_try_at: row.next_try_at,
        http_status: row.http_status,
        failure: row.trouble.map(|trouble| Word(trouble.word())),
        created_at: row.created_at,
        finished_at: row.finished_at,
        tries: tries.iter().map(one_try).collect(),
    }
}

fn one_try(row: &TryRow) -> TryView {
    let failure = row.trouble.map(|trouble| Word(trouble.word()));
    TryView { at: row.at, http_status: row.http_status, failure, milliseconds: row.millis }
}
