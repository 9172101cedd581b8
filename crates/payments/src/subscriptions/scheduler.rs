//! Finds what is due and has it paid. Runs in every process; each due subscription is taken by a guarded update.

use std::time::Duration;

use db::Fault;
use futures_util::{StreamExt, stream};
use idempotency::{BodyHash, IdempotencyKey, Scope};
use kernel::{Timestamp, sha256};

use super::commands::{CannotCharge, Take, ToCharge};
use super::queries;
use super::rows::SubscriptionRow;
use super::service::Subscriptions;
use super::types::Cycle;
use crate::asks::{CreatePayment, Once};
use crate::error::{PaymentsError, Refusal};
use crate::made_for::MadeFor;
use crate::types::{Mode, Workflow};

/// How often the scheduler looks.
const TICK: Duration = Duration::from_secs(1);
/// How often it looks which renewals are near, in seconds of platform time.
const RENEWALS_EVERY_SECONDS: i64 = 5;
/// Subscriptions looked at in one go.
const PAGE: u32 = 500;
/// Cycles charged at the same time.
const AT_ONCE: usize = 16;
/// Where the claims of cycles count.
pub(crate) const PATH: &str = "internal/subscriptions";

impl Subscriptions {
    /// Charges what is due until `stop`.
    pub async fn bill_until(&self, stop: impl Future<Output = ()>) {
        let ticking = async {
            let mut told_at = Timestamp::MIN;
            loop {
                let now = self.payments.0.now();
                if now.seconds_since(told_at) >= RENEWALS_EVERY_SECONDS {
                    told_at = now;
                    if let Err(fault) = self.tell_renewals().await {
                        tracing::warn!(%fault, "renewals could not be told; the next look will");
                    }
                }
                if let Err(fault) = self.bill_once().await {
                    tracing::warn!(%fault, "subscriptions could not be looked at; the next tick will");
                }
                tokio::time::sleep(TICK).await;
            }
        };
        tokio::select! {
            biased;
            () = stop => {}
            () = ticking => {}
        }
    }

    /// Charges everything that is due, cycle after cycle, until nothing is.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn bill_once(&self) -> Result<(), Fault> {
        loop {
            let inner = &self.payments.0;
            let due = queries::due(inner.store.reader(), inner.now(), PAGE).await?;
            if due.is_empty() {
                return Ok(());
            }
            let went_on = stream::iter(due)
                .map(|row| async move {
                    let id = row.id;
                    self.bill(row).await.unwrap_or_else(|fault| {
                        tracing::warn!(subscription = %id, %fault, "a cycle could not be charged; it is tried again");
                        false
                    })
                })
                .buffer_unordered(AT_ONCE)
                .fold(false, |any, one| async move { any | one })
                .await;
            if !went_on {
                return Ok(());
            }
        }
    }

    /// Whether the subscription went on, so that it may be due again already.
    async fn bill(&self, row: SubscriptionRow) -> Result<bool, Fault> {
        let inner = &self.payments.0;
        let Some(due) = row.wake_at else { return Ok(false) };
        let Ok(to_charge) =
            inner.store.writer().run(Take { key: (row.account_id, row.id), due, herald: inner.origins.herald().clone() }).await?;
        match to_charge {
            Some(to_charge) => self.charge(to_charge).await,
            None => Ok(true),
        }
    }

    async fn charge(&self, to_charge: ToCharge) -> Result<bool, Fault> {
        let ToCharge { row, cycle, amount } = to_charge;
        let Some(terms) = self.port.terms(row.account_id).await? else { return Ok(false) };
        let ask = CreatePayment {
            merchant_order_id: format!("subscription-{}-{}", row.id, cycle.number).into(),
            description: row.name.clone(),
            country: row.country,
            amount,
            workflow: Workflow::Direct,
            checkout_session: None,
            mode: Mode::Purchase,
            means: self.port.means(&row.vaulted_token),
            customer: row.customer_id.clone(),
            vault_on_success: false,
            delay: None,
            details: (self.payments.0.faces.cycle)(&row),
        };
        let once = once(&row, &cycle);
        let made = self.payments.create_for(MadeFor::Cycle(cycle), &terms, ask, once).await;
        match made {
            Ok(_) => Ok(true),
            Err(PaymentsError::Fault(fault)) => Err(fault),
            // Somebody works on it, or did: what follows is decided where the payment is settled.
            Err(PaymentsError::Refused(
                Refusal::InProcess { .. } | Refusal::OutcomeUnknown | Refusal::InvalidState | Refusal::NotSent,
            )) => Ok(false),
            Err(PaymentsError::Refused(refusal)) => {
                tracing::info!(subscription = %row.id, cycle = cycle.number, %refusal, "a cycle cannot be charged");
                let inner = &self.payments.0;
                let cannot = CannotCharge { account_id: row.account_id, cycle, herald: inner.origins.herald().clone() };
                let Ok(()) = inner.store.writer().run(cannot).await?;
                Ok(true)
            }
        }
    }
}

/// The key of one try at one cycle. It says `sub:<id>:<cycle>:<try>`, the id without hyphens so that it fits.
fn once(row: &SubscriptionRow, cycle: &Cycle) -> Once {
    let text = format!("sub:{}:{}:{}", row.id.uuid().simple(), cycle.number, cycle.attempt);
    let key = IdempotencyKey::parse(text.as_bytes()).expect("visible ASCII, at most 64 characters long");
    Once {
        scope: Scope::of(row.account_id, "POST", PATH, &key),
        key: key.as_str().into(),
        body_hash: BodyHash(sha256(&[text.as_bytes()])),
        request_id: text.into(),
        strict: false,
    }
}
