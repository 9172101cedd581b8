//! Forgetting, page by page. Runs in every process: a page that two forget is forgotten.

use db::Fault;
use idempotency::{IdempotencyKey, Scope};
use kernel::{AccountId, CustomerId};
use uuid::Uuid;

use super::Amended;
use super::commands::{ForgetDevices, ForgetInReplies, ForgetReplies, Page, SweepReplies};
use super::queries::{self, PAGE};
use crate::customers::rows::CustomerRow;
use crate::rows::PaymentRow;
use crate::service::Inner;
use crate::subscriptions;
use crate::types::OriginKind;

/// The route on which payments are made.
const PAYMENTS_PATH: &str = "/v1/payments";

impl Inner {
    /// What this process remembers of replies that were recorded anew is what they say now.
    pub(crate) fn remember(&self, amended: Amended) {
        for (scope, recorded) in amended {
            self.idempotency.done(scope, recorded);
        }
    }

    /// Forgets whatever is left of deleted customers.
    pub(crate) async fn forget_deleted(&self) -> Result<(), Fault> {
        for customer in queries::unfinished(self.store.reader()).await? {
            while self.forget_some(customer.account_id, customer.id).await? {}
        }
        while self.sweep_notes().await? {}
        Ok(())
    }

    /// Forgets some more of a deleted customer: `false` when nothing is left.
    pub(crate) async fn forget_some(&self, account: AccountId, id: CustomerId) -> Result<bool, Fault> {
        let Some(customer) = queries::customer(self.store.reader(), account, id).await? else { return Ok(false) };
        let Some(after) = customer.forget_after else { return Ok(false) };
        let scopes = queries::replies(self.store.reader(), account, id).await?;
        if !scopes.is_empty() {
            let faces = self.faces.clone();
            let Ok(amended) = self.store.writer().run(ForgetReplies { account, customer: id, scopes, faces }).await?;
            self.remember(amended);
            return Ok(true);
        }
        let page = queries::payments(self.store.reader(), &customer, after).await?;
        let payments = page.iter().filter(|payment| payment.details.is_some()).map(|payment| payment.id).collect();
        let Ok(()) = self.store.writer().run(ForgetDevices { account, payments }).await?;
        let mut replies: Vec<(Scope, Uuid)> = page.iter().filter_map(made_under).collect();
        if let Some(last) = page.last() {
            replies.extend(queries::claims_of_operations(self.store.reader(), &customer, after, last.id).await?);
        }
        let is_last = page.len() < PAGE as usize;
        let done = Page { after, last: page.last().map(|payment| payment.id).filter(|_| !is_last) };
        self.forget_in_replies(&customer, replies, done).await?;
        Ok(!is_last)
    }

    async fn forget_in_replies(&self, customer: &CustomerRow, mut replies: Vec<(Scope, Uuid)>, done: Page) -> Result<(), Fault> {
        let (account, id) = (customer.account_id, customer.id);
        loop {
            let rest = replies.split_off(replies.len().min(PAGE as usize));
            let page = rest.is_empty().then_some(done);
            let Ok(amended) = self.store.writer().run(ForgetInReplies { account, customer: id, replies, page }).await?;
            self.remember(amended);
            if rest.is_empty() {
                return Ok(());
            }
            replies = rest;
        }
    }

    /// Sweeps some notes that are of no use any more: `false` when none are left.
    async fn sweep_notes(&self) -> Result<bool, Fault> {
        let over = queries::replies_over(self.store.reader(), self.now()).await?;
        let keys: Vec<_> = over.iter().map(|row| (row.account_id, row.customer_id, row.scope)).collect();
        let more = keys.len() == PAGE as usize;
        if !keys.is_empty() {
            let Ok(()) = self.store.writer().run(SweepReplies { keys }).await?;
        }
        Ok(more)
    }
}

/// Where the reply is recorded that a payment was first answered with.
fn made_under(payment: &PaymentRow) -> Option<(Scope, Uuid)> {
    let path = match payment.origin {
        OriginKind::Api => PAYMENTS_PATH,
        OriginKind::Subscription => subscriptions::PATH,
        // A link's form is its payer's own, and what the others answer shows no payment.
        OriginKind::Link | OriginKind::Enrolment | OriginKind::Delay | OriginKind::Acquirer => return None,
    };
    let key = IdempotencyKey::parse(payment.idempotency_key.as_deref()?.as_bytes()).ok()?;
    Some((Scope::of(payment.account_id, "POST", path, &key), payment.id.uuid()))
}
