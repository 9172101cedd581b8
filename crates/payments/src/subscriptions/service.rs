//! Subscriptions as the edge asks for them.

use std::fmt;
use std::sync::Arc;

use db::Fault;
use kernel::{AccountId, SubscriptionId};

use super::commands::{Change, Create, TakeStep};
use super::port::{BillingPort, StoredCard};
use super::queries::{self, CyclePayment, Filter, Page};
use super::rows::SubscriptionRow;
use super::types::{ChangeSubscription, CreateSubscription, Step};
use crate::asks::{Answer, Once};
use crate::error::{PaymentsError, Refusal};
use crate::service::Payments;

/// How often a change is made anew when the subscription changed meanwhile.
const CHANGE_TRIES_MAX: u32 = 5;

/// The subscriptions of all accounts. Cheap to clone.
#[derive(Clone)]
pub struct Subscriptions {
    pub(crate) payments: Payments,
    pub(crate) port: Arc<dyn BillingPort>,
}

impl fmt::Debug for Subscriptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscriptions")
    }
}

impl Subscriptions {
    /// Subscriptions that are paid by `payments`, with terms and cards from `port`.
    pub fn new(payments: Payments, port: Arc<dyn BillingPort>) -> Self {
        Self { payments, port }
    }

    /// Makes a subscription. Its first cycle is charged by the scheduler.
    ///
    /// # Errors
    /// [`PaymentsError`].
    pub async fn create(
        &self,
        account_id: AccountId,
        ask: CreateSubscription,
        once: Option<Once>,
    ) -> Result<Answer, PaymentsError> {
        let inner = &self.payments.0;
        if let Err(error) = self.judge_card(account_id, &ask.vaulted_token, ask.customer_id.as_deref()).await {
            return self.refused(error, once).await;
        }
        let id = SubscriptionId::new(&inner.source);
        inner.at_once(Create { account_id, id, ask, herald: inner.origins.herald().clone() }, id.uuid(), once).await
    }

    /// Changes a subscription: `change` makes of what is there what is to be, perhaps more than once.
    ///
    /// # Errors
    /// [`PaymentsError`].
    pub async fn change(
        &self,
        account_id: AccountId,
        id: Option<SubscriptionId>,
        change: impl Fn(&SubscriptionRow) -> ChangeSubscription,
        once: Option<Once>,
    ) -> Result<Answer, PaymentsError> {
        let inner = &self.payments.0;
        let mut refused = Refusal::SubscriptionNotFound;
        for _ in 0..CHANGE_TRIES_MAX {
            let Some(row) = self.get(account_id, id).await? else { break };
            let changed = change(&row);
            if changed.vaulted_token != row.vaulted_token
                && let Err(error) = self.judge_card(account_id, &changed.vaulted_token, row.customer_id.as_deref()).await
            {
                return self.refused(error, once).await;
            }
            let key = (account_id, row.id);
            let command = Change { key, read_at: row.updated_at, to: changed, herald: inner.origins.herald().clone() };
            match inner.at_once(command, row.id.uuid(), once.clone()).await {
                Err(PaymentsError::Refused(Refusal::Outdated)) => refused = Refusal::Outdated,
                answered => return answered,
            }
        }
        self.refused(refused.into(), once).await
    }

    /// Pauses, resumes, cancels or retries.
    ///
    /// # Errors
    /// [`PaymentsError`].
    pub async fn step(
        &self,
        account_id: AccountId,
        id: Option<SubscriptionId>,
        step: Step,
        once: Option<Once>,
    ) -> Result<Answer, PaymentsError> {
        let inner = &self.payments.0;
        let Some(id) = id else { return self.refused(Refusal::SubscriptionNotFound.into(), once).await };
        inner.at_once(TakeStep { key: (account_id, id), step, herald: inner.origins.herald().clone() }, id.uuid(), once).await
    }

    /// One subscription; `None` when the account has none of that id.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn get(&self, account: AccountId, id: Option<SubscriptionId>) -> Result<Option<SubscriptionRow>, Fault> {
        let Some(id) = id else { return Ok(None) };
        queries::subscription(self.payments.0.store.reader(), account, id).await
    }

    /// A page of subscriptions, newest first.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn list(
        &self,
        account: AccountId,
        filter: &Filter,
        limit: u32,
        offset: i64,
    ) -> Result<Page<SubscriptionRow>, Fault> {
        queries::list(self.payments.0.store.reader(), account, filter, limit, offset).await
    }

    /// A page of the payments made for a subscription, the latest cycle first.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn payments(
        &self,
        account: AccountId,
        id: SubscriptionId,
        limit: u32,
        offset: i64,
    ) -> Result<Page<CyclePayment>, Fault> {
        queries::payments(self.payments.0.store.reader(), account, id, limit, offset).await
    }

    /// The card must be one that can be charged, and not another customer's than who pays.
    async fn judge_card(&self, account: AccountId, token: &str, payer: Option<&str>) -> Result<(), PaymentsError> {
        if let Some(Ok(payer)) = payer.map(str::parse)
            && let Err(PaymentsError::Refused(refusal @ Refusal::InvalidCustomerForToken)) =
                self.payments.open_vaulted(account, token, Some(payer)).await
        {
            return Err(refusal.into());
        }
        match self.port.card(account, token).await? {
            StoredCard::Chargeable => Ok(()),
            StoredCard::Unusable => Err(Refusal::PaymentMethodStatus.into()),
            StoredCard::Unknown => Err(Refusal::PaymentMethodNotFound.into()),
        }
    }

    /// What the store knows about the key goes before a refusal.
    async fn refused(&self, error: PaymentsError, once: Option<Once>) -> Result<Answer, PaymentsError> {
        match (error, once) {
            (PaymentsError::Refused(refusal), Some(once)) => self.payments.0.known_or(&once, refusal).await,
            (error, _) => Err(error),
        }
    }
}
