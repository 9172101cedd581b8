//! Tells receivers of webhooks that a subscription is about to be renewed: once per cycle and receiver, as many days ahead as the
//! receiver asked for. Runs in every process; of several that find the same, one writes the notice.

use std::convert::Infallible;

use db::{Command, Fault, Keys, Rows};
use kernel::{AccountId, SubscriptionId, Timestamp, WebhookId};
use messaging::{Family, Trigger};

use super::port::RenewalListener;
use super::queries;
use super::rows::{RenewalNoticeRow, SubscriptionRow};
use super::service::Subscriptions;
use crate::announce::Herald;

/// Subscriptions told of in one go.
const PAGE: u32 = 200;

/// Tells one receiver of one renewal.
#[derive(Debug)]
struct TellRenewal {
    key: (AccountId, SubscriptionId),
    to: RenewalListener,
    herald: Herald,
}

impl TellRenewal {
    fn notice_key(&self) -> (AccountId, SubscriptionId, WebhookId) {
        (self.key.0, self.key.1, self.to.webhook_id)
    }
}

impl Command for TellRenewal {
    /// Whether it was told.
    type Reply = bool;
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<SubscriptionRow>(self.key);
        keys.row::<RenewalNoticeRow>(self.notice_key());
        self.herald.keys(self.key.0, Family::Subscription, keys);
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<bool, Infallible> {
        let Some(row) = rows.get::<SubscriptionRow>(&self.key) else { return Ok(false) };
        if !row.progress().close_to_renewal(&row.plan(), self.to.days, now) {
            return Ok(false);
        }
        let cycle = row.cycle;
        let before = rows.get::<RenewalNoticeRow>(&self.notice_key()).map(|notice| notice.cycle);
        if before.is_some_and(|told| told >= cycle) {
            return Ok(false);
        }
        let notice = RenewalNoticeRow::of(self.notice_key(), cycle, now);
        if !self.herald.close_to_renewal(rows, self.key, (self.to.webhook_id, notice.notice_id), now) {
            return Ok(false);
        }
        match rows.get_mut::<RenewalNoticeRow>(&self.notice_key()) {
            Some(stored) => *stored = notice,
            None => rows.insert(notice),
        }
        Ok(true)
    }
}

impl Subscriptions {
    /// Tells of every renewal that is near and that was not told yet.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn tell_renewals(&self) -> Result<(), Fault> {
        let inner = &self.payments.0;
        for account in inner.origins.herald().outbox.listening(Trigger::SubscriptionCloseToRenewal) {
            for to in self.port.renewal_listeners(account).await? {
                while self.tell_to(account, to).await? {}
            }
        }
        Ok(())
    }

    /// Whether there may be more to tell.
    async fn tell_to(&self, account: AccountId, to: RenewalListener) -> Result<bool, Fault> {
        let inner = &self.payments.0;
        let now = inner.now();
        let near = queries::close_to_renewal(inner.store.reader(), account, to, now, PAGE).await?;
        let full = near.len() >= PAGE as usize;
        let mut told = false;
        for id in near {
            let herald = inner.origins.herald().clone();
            let Ok(one) = inner.store.writer().run(TellRenewal { key: (account, id), to, herald }).await?;
            told |= one;
        }
        Ok(full && told)
    }
}
