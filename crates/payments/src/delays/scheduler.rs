//! Finds what is due and asks for it. Runs in every process; each delay is taken by a guarded update.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use db::Fault;
use futures_util::{StreamExt, stream};
use idempotency::{BodyHash, IdempotencyKey, Scope};
use kernel::sha256;

use super::commands::{Due, Take};
use super::queries;
use super::rows::DelayedRow;
use super::types::{Delay, DelayedStep};
use crate::asks::{Once, Target};
use crate::commands::Want;
use crate::error::PaymentsError;
use crate::rows::PaymentRow;
use crate::service::{Payments, Wanted};
use crate::subscriptions::BillingPort;
use crate::types::OriginKind;

/// How often the scheduler looks.
const TICK: Duration = Duration::from_secs(1);
/// Delays looked at in one go.
const PAGE: u32 = 500;
/// Operations asked for at the same time.
const AT_ONCE: usize = 16;
/// Where the claims of delays count.
const PATH: &str = "internal/delays";

/// Captures and cancels what was authorised with a delay. Cheap to clone.
#[derive(Clone)]
pub struct Delays {
    payments: Payments,
    port: Arc<dyn BillingPort>,
}

impl fmt::Debug for Delays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Delays")
    }
}

impl Delays {
    /// The delays of these payments, with terms from `port`.
    pub fn new(payments: Payments, port: Arc<dyn BillingPort>) -> Self {
        Self { payments, port }
    }

    /// Carries out what is due until `stop`.
    pub async fn run_until(&self, stop: impl Future<Output = ()>) {
        let ticking = async {
            loop {
                if let Err(fault) = self.run_once().await {
                    tracing::warn!(%fault, "delayed operations could not be looked at; the next tick will");
                }
                tokio::time::sleep(TICK).await;
            }
        };
        tokio::select! {
            () = stop => {}
            () = ticking => {}
        }
    }

    /// Carries out everything that is due now.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn run_once(&self) -> Result<(), Fault> {
        let inner = &self.payments.0;
        let due = queries::due(inner.store.reader(), inner.now(), PAGE).await?;
        stream::iter(due)
            .for_each_concurrent(AT_ONCE, |row| async move {
                let payment = row.payment_id;
                if let Err(fault) = self.carry_out(row).await {
                    tracing::warn!(%payment, %fault, "a delayed operation could not be asked for; it is tried again");
                }
            })
            .await;
        Ok(())
    }

    async fn carry_out(&self, row: DelayedRow) -> Result<(), Fault> {
        let Some(due) = row.due_at else { return Ok(()) };
        let take = Take { key: (row.account_id, row.payment_id), due };
        let Ok(taken) = self.payments.0.store.writer().run(take).await?;
        let Some(Due { step, payment }) = taken else { return Ok(()) };
        let Some(terms) = self.port.terms(row.account_id).await? else { return Ok(()) };
        let wanted = Wanted {
            payment: Some(payment.id),
            target: Target::Transaction(Some(payment.attempt_id)),
            want: match step {
                DelayedStep::Capture => Want::CaptureRest,
                DelayedStep::Cancel => Want::Cancel,
            },
            details: None,
            origin: OriginKind::Delay,
            retried: payment.delay.is_some_and(Delay::is_tried_again),
        };
        match self.payments.operate(&terms, wanted, once(&payment)).await {
            Ok(_) => Ok(()),
            Err(PaymentsError::Fault(fault)) => Err(fault),
            // What follows is decided where the operation is settled; one that could not begin is looked at again when the lease is over.
            Err(PaymentsError::Refused(refusal)) => {
                tracing::debug!(payment = %payment.id, %refusal, "a delayed operation is not done yet");
                Ok(())
            }
        }
    }
}

/// The key under which the operation is asked for: `delay:<transaction>`.
fn once(payment: &PaymentRow) -> Once {
    let text = format!("delay:{}", payment.attempt_id);
    let key = IdempotencyKey::parse(text.as_bytes()).expect("visible ASCII, at most 64 characters long");
    Once {
        scope: Scope::of(payment.account_id, "POST", PATH, &key),
        key: key.as_str().into(),
        body_hash: BodyHash(sha256(&[text.as_bytes()])),
        request_id: text.into(),
        strict: false,
    }
}
