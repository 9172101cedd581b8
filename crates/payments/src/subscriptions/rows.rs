//! The tables of subscriptions: one row per subscription, one per try at a cycle.

use std::sync::Arc;

use kernel::{AccountId, Country, Currency, Money, PaymentId, SubscriptionId, Timestamp, WebhookId, sha256};
use messaging::Trigger;
use uuid::Uuid;

use super::rules::{Anchor, Plan, Progress, news};
use super::types::{FrequencyUnit, Retries, SubscriptionState};

db::row! {
    /// A subscription.
    pub struct SubscriptionRow: "subscription" {
        key { /// The tenant.
              account_id: AccountId,
              /// Its id.
              id: SubscriptionId }
        once { /// Where the payments are made.
               country: Country,
               /// When the first cycle begins.
               start_at: Timestamp,
               /// How many of the first cycles are a trial.
               trial_cycles: i64,
               /// What a trial cycle costs, in minor units.
               trial_amount: i64,
               /// Of that amount.
               trial_currency: Currency,
               /// Whose card it is, if the customer is known.
               customer_id: Option<Arc<str>>,
               /// When it was made.
               created_at: Timestamp }
        state { /// Shown to people.
                name: Arc<str>,
                /// Of the amount.
                currency: Currency,
                /// What a cycle costs, in minor units.
                amount: i64,
                /// The stored card.
                vaulted_token: Arc<str>,
                /// In what a cycle is counted.
                unit: FrequencyUnit,
                /// How many of them are a cycle.
                every: i64,
                /// From which cycle on.
                anchor_cycle: i64,
                /// So many months after the start that one is due,
                anchor_months: i64,
                /// and so many days.
                anchor_days: i64,
                /// How many cycles there are.
                total: Option<i64>,
                /// When it ends.
                finish_at: Option<Timestamp>,
                /// Declined cycles are tried again.
                retry_on_decline: bool,
                /// How often at most.
                retry_amount: i64,
                /// A hard decline ends the tries.
                stop_on_hard_decline: bool,
                /// When the tries are used up it is cancelled, rather than paused.
                cancel_on_exhausted: bool,
                /// Everything that is only echoed: a JSON object that this crate never looks into.
                details: Option<Arc<[u8]>>,
                /// How it stands.
                state: SubscriptionState,
                /// The cycle that is charged next.
                cycle: i64,
                /// Tries at charging it so far.
                tries: i64,
                /// Tries by the schedule after the first.
                retries_used: i64,
                /// When its first try was declined.
                declined_at: Option<Timestamp>,
                /// When the next try is due.
                next_at: Option<Timestamp>,
                /// The next try was asked for by the merchant.
                forced: bool,
                /// When the scheduler looks at it; never while a payment is under way. Whoever takes it moves it on, which is the lease.
                wake_at: Option<Timestamp>,
                /// The payment under way.
                paying: Option<PaymentId>,
                /// The id of its last change of status that receivers of webhooks are told of.
                change_id: Option<Uuid>,
                /// When that was.
                changed_at: Option<Timestamp>,
                /// As what it is told.
                changed_to: Option<Trigger>,
                /// When it last changed.
                updated_at: Timestamp }
    }
}

impl SubscriptionRow {
    /// What a cycle costs.
    pub fn money(&self) -> Money {
        Money::new(self.amount, self.currency)
    }

    /// What a trial cycle costs.
    pub fn trial_money(&self) -> Money {
        Money::new(self.trial_amount, self.trial_currency)
    }

    /// What happens when a cycle is declined.
    pub fn retries(&self) -> Retries {
        Retries {
            on_decline: self.retry_on_decline,
            amount: self.retry_amount,
            stop_on_hard_decline: self.stop_on_hard_decline,
            cancel_on_exhausted: self.cancel_on_exhausted,
        }
    }

    /// When the next charge will be, as it is shown.
    pub fn shown_next(&self) -> Option<Timestamp> {
        self.progress().shown_next(&self.plan())
    }

    pub(crate) fn plan(&self) -> Plan {
        Plan {
            start_at: self.start_at,
            unit: self.unit,
            every: self.every,
            anchor: Anchor { cycle: self.anchor_cycle, months: self.anchor_months, days: self.anchor_days },
            total: self.total,
            trial_cycles: self.trial_cycles,
            trial_amount: self.trial_money(),
            amount: self.money(),
            finish_at: self.finish_at,
            retries: self.retries(),
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        Progress {
            state: self.state,
            cycle: self.cycle,
            tries: self.tries,
            retries_used: self.retries_used,
            declined_at: self.declined_at,
            next_at: self.next_at,
            forced: self.forced,
        }
    }

    /// Is charged in cycles of this length, once the one that is next has begun.
    pub(crate) fn count_anew(&mut self, unit: FrequencyUnit, every: i64) {
        if (unit, every) != (self.unit, self.every) {
            let Anchor { cycle, months, days } = self.plan().counted_anew(self.cycle, unit, every).anchor;
            (self.unit, self.every) = (unit, every);
            (self.anchor_cycle, self.anchor_months, self.anchor_days) = (cycle, months, days);
        }
    }

    /// Takes over what the rules made of it, and sleeps until its next time, or for good while a payment is under way.
    ///
    /// This is the one place where a subscription's status changes. `true`: it did, and receivers of webhooks are to be told.
    pub(crate) fn adopt(&mut self, progress: &Progress, now: Timestamp) -> bool {
        let news = news(self.state, progress.state);
        if let Some(event) = news {
            self.change_id = Some(self.following_change(event));
            (self.changed_at, self.changed_to) = (Some(now), Some(event));
        }
        self.state = progress.state;
        self.cycle = progress.cycle;
        self.tries = progress.tries;
        self.retries_used = progress.retries_used;
        self.declined_at = progress.declined_at;
        self.next_at = progress.next_at;
        self.forced = progress.forced;
        self.wake_at = if self.paying.is_some() { None } else { progress.wake_at(&self.plan()) };
        self.updated_at = now;
        news.is_some()
    }

    /// The id of the change after the last one: what happens to a subscription has one order, so this names each change once.
    fn following_change(&self, event: Trigger) -> Uuid {
        let before = self.change_id.unwrap_or(self.id.uuid());
        derived(&[before.as_bytes(), &event.code().to_be_bytes()])
    }
}

/// The id of what these name: UUID version 8 of their hash.
fn derived(parts: &[&[u8]]) -> Uuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&sha256(parts)[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

db::row! {
    /// The last cycle of whose renewal a receiver was told.
    pub struct RenewalNoticeRow: "renewal_notice" {
        key { /// The tenant.
              account_id: AccountId,
              /// The subscription.
              subscription_id: SubscriptionId,
              /// The receiver.
              webhook_id: WebhookId }
        once {}
        state { /// The cycle.
                cycle: i64,
                /// The id of this notice, as its event names it.
                notice_id: Uuid,
                /// When it was told.
                told_at: Timestamp }
    }
}

impl RenewalNoticeRow {
    /// The notice of a cycle.
    pub(super) fn of(key: (AccountId, SubscriptionId, WebhookId), cycle: i64, now: Timestamp) -> Self {
        let (account_id, subscription_id, webhook_id) = key;
        let notice_id = derived(&[&subscription_id.bytes(), &webhook_id.bytes(), &cycle.to_be_bytes()]);
        Self { account_id, subscription_id, webhook_id, cycle, notice_id, told_at: now }
    }
}

db::row! {
    /// A payment that was made for a cycle.
    pub struct SubscriptionPaymentRow: "subscription_payment" {
        key { /// The tenant.
              account_id: AccountId,
              /// The payment.
              payment_id: PaymentId }
        once { /// The subscription.
               subscription_id: SubscriptionId,
               /// The cycle's number, from 1.
               cycle: i64,
               /// Tries at the cycle before this one.
               attempt: i64,
               /// The merchant asked for it.
               forced: bool }
        state {}
        unique { /// One payment per try.
                 SubscriptionPaymentByTry(subscription_id: SubscriptionId, cycle: i64, attempt: i64) }
    }
}
