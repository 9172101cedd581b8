//! The tables of webhooks: whom to tell, what happened, and what became of telling it.

use std::sync::Arc;

use kernel::{AccountId, EventId, Timestamp, WebhookId};
use uuid::Uuid;

use crate::types::{DeliveryState, Trigger, Triggers, Trouble, WebhookState};

db::row! {
    /// A receiver. Secrets are sealed for this row and their column.
    pub struct WebhookRow: "webhook" {
        key { /// The tenant.
              account_id: AccountId,
              /// Its id.
              id: WebhookId }
        once { /// When it was made.
               created_at: Timestamp }
        state { /// What the merchant calls it; once per account.
                name: Arc<str>,
                /// Where it is told.
                url: Arc<str>,
                /// Whether it is told anything.
                state: WebhookState,
                /// What it is told about.
                triggers: Triggers,
                /// Everything that is only kept and shown: a JSON object that this crate never looks into.
                details: Option<Arc<[u8]>>,
                /// Sent as `x-api-key`.
                api_key: Option<Arc<[u8]>>,
                /// Sent as `x-secret`.
                secret: Option<Arc<[u8]>>,
                /// Key of `x-hmac-signature`.
                hmac_client_secret: Option<Arc<[u8]>>,
                /// Kept for later.
                oauth2_client_secret: Option<Arc<[u8]>>,
                /// Key of `webhook-signature`; gone when the receiver is deleted.
                signing_secret: Option<Arc<[u8]>>,
                /// The one before it, which signs as well until `former_until`.
                former_signing_secret: Option<Arc<[u8]>>,
                /// When the former signing secret ends, platform time.
                former_until: Option<Timestamp>,
                /// Since when it is told what it is told now; earlier changes owe it nothing.
                listens_since: Timestamp,
                /// When it last changed.
                updated_at: Timestamp }
    }
}

impl WebhookRow {
    /// What it is told about right now.
    pub(crate) fn wants(&self) -> Triggers {
        if self.state == WebhookState::Active { self.triggers } else { Triggers::NONE }
    }
}

db::row! {
    /// Which receivers of an account want what. Changed with every change of its receivers, so it is also what keeps two of them from
    /// being made under one name at the same time.
    pub(crate) struct WatchRow: "webhook_watch" {
        key { /// The tenant.
              account_id: AccountId }
        once {}
        state { /// Those that want anything; see [`crate::rules::Receivers`].
                receivers: Arc<[u8]>,
                /// Counts the changes.
                revision: i64 }
    }
}

/// The id of the one [`WatchVersionRow`].
pub(crate) const WATCH_VERSION_ID: i64 = 1;

db::row! {
    /// Counts the changes of all [`WatchRow`]s.
    pub(crate) struct WatchVersionRow: "webhook_version" {
        key { /// Always [`WATCH_VERSION_ID`].
              id: i64 }
        once {}
        state { /// Grows by one with each change of what some account's receivers want.
                version: i64 }
    }
}

db::row! {
    /// Something that happened and that somebody is told about.
    pub struct EventRow: "webhook_event" {
        key { /// The tenant.
              account_id: AccountId,
              /// Its id: `webhook-id` and `data.idempotency_key` of each try.
              id: EventId }
        once { /// What.
               happened: Trigger,
               /// The object it happened to.
               subject: Uuid,
               /// The transaction or other thing whose status changed.
               cause: Uuid,
               /// The status it changed to.
               status: Arc<str>,
               /// The object as it stood then, as JSON.
               body: Arc<[u8]>,
               /// When.
               created_at: Timestamp }
        state {}
    }
}

db::row! {
    /// One event on its way to one receiver.
    pub struct DeliveryRow: "webhook_delivery" {
        key { /// The tenant.
              account_id: AccountId,
              /// What it tells.
              event_id: EventId,
              /// Whom.
              webhook_id: WebhookId }
        once { /// The object of the event: deliveries about one object are not sent side by side.
               subject: Uuid,
               /// What happened.
               happened: Trigger,
               /// When the event happened.
               created_at: Timestamp }
        state { /// How far it got.
                state: DeliveryState,
                /// Tries of the present round, from 0 to [`crate::rules::TRIES_MAX`].
                tries: u32,
                /// Requests ever sent.
                sends: u32,
                /// When the present round began, platform time.
                first_try_at: Option<Timestamp>,
                /// When it is to be sent, platform time; `None` when it is not.
                next_try_at: Option<Timestamp>,
                /// Until when a process has it to itself, database time.
                leased_until: Option<Timestamp>,
                /// What the receiver answered last.
                http_status: Option<u16>,
                /// Why it last did not answer.
                trouble: Option<Trouble>,
                /// When it was confirmed, given up or dropped.
                finished_at: Option<Timestamp> }
    }
}

db::row! {
    /// One request that was sent.
    pub struct TryRow: "webhook_try" {
        key { /// The tenant.
              account_id: AccountId,
              /// What it told.
              event_id: EventId,
              /// Whom.
              webhook_id: WebhookId,
              /// Counted from 1.
              number: u32 }
        once { /// When its outcome was known.
               at: Timestamp,
               /// What the receiver answered.
               http_status: Option<u16>,
               /// Why it did not.
               trouble: Option<Trouble>,
               /// How long it took, in milliseconds of real time.
               millis: u32 }
        state {}
    }
}
