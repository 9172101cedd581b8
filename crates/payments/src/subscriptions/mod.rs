//! Subscriptions: a stored card that is charged once per cycle.
//!
//! The scheduler only finds what is due and makes its payment under the key `sub:<id>:<cycle>:<try>`. What follows from the outcome is
//! decided in the commit that settles the payment, whoever learned it: the request, the resolver or the next start of the process.
//!
//! # Invariants
//! - A cycle is charged successfully at most once, however many processes look and wherever one of them dies.
//! - While a payment is under way the subscription sleeps; nothing is sent for it a second time.
//! - Due dates are computed from the start, so a short month shifts no later one. A changed frequency counts from the next cycle on,
//!   which is due when it was.
//! - Cycles are charged in their order, also when the clock has jumped over several.
//! - A receiver of webhooks is told of a cycle's renewal at most once.

mod commands;
mod origin;
mod port;
pub(crate) mod queries;
mod renewals;
mod rows;
pub mod rules;
mod scheduler;
mod service;
mod types;
pub(crate) mod verify;

pub(crate) use commands::{begin, begin_keys};
pub(crate) use origin::SubscriptionOrigin;
pub use port::{BillingPort, RenewalListener, StoredCard};
pub use queries::{CyclePayment, Filter, Page};
pub use rows::{RenewalNoticeRow, SubscriptionPaymentRow, SubscriptionRow};
pub(crate) use scheduler::PATH;
pub use service::Subscriptions;
pub use types::{ChangeSubscription, CreateSubscription, Cycle, FrequencyUnit, Retries, Step, SubscriptionState};

/// The tables of subscriptions.
pub const MIGRATION: db::Migration = db::Migration {
    number: 12,
    topic: "subscriptions",
    sqlite: include_str!("../../../../migrations/0012_subscriptions/sqlite.sql"),
    postgres: include_str!("../../../../migrations/0012_subscriptions/postgres.sql"),
};

/// From where the cycles of a frequency are counted.
pub const FREQUENCY_MIGRATION: db::Migration = db::Migration {
    number: 31,
    topic: "changed_frequency",
    sqlite: include_str!("../../../../migrations/0031_changed_frequency/sqlite.sql"),
    postgres: include_str!("../../../../migrations/0031_changed_frequency/postgres.sql"),
};
