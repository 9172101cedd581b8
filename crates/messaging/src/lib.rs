//! Messages to others: what is written down to be sent, and the worker that sends it. Today these are webhooks.
//!
//! A change that others are to hear of is told to the [`Outbox`] by the same decision that makes it, so change and message are one
//! commit. The [`Courier`] delivers afterwards, on tasks of its own, and tries again where a receiver does not confirm.
//!
//! # Invariants
//! - An event has one delivery per receiver that wanted it when it happened, written in the commit in which it happened; key of a
//!   delivery is the event and the receiver.
//! - Every try of a delivery has the same `webhook-id` and the same object; only `retry` and the signatures differ.
//! - What is confirmed, given up or dropped is not due; only somebody's request makes it due again.
//! - Nobody is called at an address that the guard refuses: it judges when a URL is configured and again what is connected to.
//! - Secrets are stored sealed, leave this crate only as headers of a request, and are never shown but for a signing secret when it is
//!   made.
//!
//! # Example
//! ```
//! use messaging::{Trigger, Triggers, is_public};
//!
//! let told = Triggers::of([Trigger::PaymentPurchase, Trigger::PaymentRefund]);
//! assert!(told.contain(Trigger::PaymentRefund));
//! assert_eq!(Trigger::PaymentRefund.event(), "payment.refund");
//! assert!(!is_public("::ffff:10.0.0.1".parse().expect("an address")));
//! ```

mod commands;
mod courier;
mod error;
mod guard;
mod outbox;
pub mod queries;
mod rows;
pub mod rules;
mod secrets;
mod sender;
mod service;
mod signing;
mod types;
pub mod verify;

pub use courier::{Courier, PER_URL, body as event_body};
pub use error::{MessagingError, Refusal};
pub use guard::{Lookup, SystemLookup, Unsafe, UrlGuard, is_public};
pub use outbox::{Happened, Outbox, STALE_AFTER_MICROS};
pub use rows::{DeliveryRow, EventRow, TryRow, WebhookRow};
pub use secrets::WebhookSecrets;
pub use sender::{NoClient, Post, Posting, Sender, headers};
pub use service::{
    Answer, DeliveryRead, Details, Faces, Merge, Message, Messaging, NewWebhook, Once, Parts, Shared, Shown, WebhookChange,
};
pub use types::{Answered, DeliveryState, Family, Trigger, Triggers, Trouble, WebhookState};

/// The tables of this crate.
pub const MIGRATION: db::Migration = db::Migration {
    number: 8,
    topic: "messaging",
    sqlite: include_str!("../../../migrations/0008_messaging/sqlite.sql"),
    postgres: include_str!("../../../migrations/0008_messaging/postgres.sql"),
};
