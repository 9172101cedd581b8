//! The operator's list: every attempt whose outcome nobody knows, oldest first.

use std::sync::Arc;

use db::{Fault, Snapshot, args};
use kernel::{AccountId, AttemptId, Money, Timestamp};
use uuid::Uuid;

use crate::attempt::Attempt;
use crate::payouts::{self, PayoutRow};
use crate::queries::{ALL_QUESTIONS, ANY_PAYMENT, ATTEMPT};
use crate::retries::RetriedRow;
use crate::retries::queries::RETRIED;
use crate::rows::{AskingRow, AttemptRow, PaymentRow};
use crate::types::{AttemptKind, Connector};

/// Attempts that are listed at most.
const LISTED_MAX: u32 = 1_000;

/// An attempt that an acquirer is being asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownOutcome {
    /// Whose it is.
    pub account_id: AccountId,
    /// The payment it is about; of a payout, the payout.
    pub about: Uuid,
    /// The attempt, as the acquirer was told it.
    pub attempt_id: AttemptId,
    /// What was asked for.
    pub kind: AttemptKind,
    /// How much.
    pub amount: Money,
    /// The merchant's own name for the order, or the payout.
    pub reference: Arc<str>,
    /// Who was asked.
    pub connector: Connector,
    /// Since when it is unknown, platform time.
    pub since: Timestamp,
    /// How often the acquirer was asked what became of it.
    pub asks: u32,
    /// When it is asked next, platform time.
    pub next_ask_at: Timestamp,
}

/// The attempts whose outcome is unknown, oldest first, a thousand at most.
///
/// # Errors
/// When the snapshot cannot be read.
pub async fn unknown_outcomes(snapshot: &Snapshot) -> Result<Vec<UnknownOutcome>, Fault> {
    let mut questions: Vec<AskingRow> = Vec::new();
    snapshot
        .each(&ALL_QUESTIONS, args![LISTED_MAX], |record| {
            questions.push(record.row(0)?);
            Ok(())
        })
        .await?;
    let mut listed = Vec::new();
    for question in questions {
        listed.extend(described(snapshot, question).await?);
    }
    Ok(listed)
}

/// What the question is about; `None` when it was answered while the list was being made.
async fn described(snapshot: &Snapshot, question: AskingRow) -> Result<Option<UnknownOutcome>, Fault> {
    let (account, about) = (question.account_id, question.payment_id.uuid());
    let (kind, amount, reference, connector) = match snapshot.one(&ANY_PAYMENT, args![account, question.payment_id]).await? {
        Some(record) => {
            let payment: PaymentRow = record.row(0)?;
            let later = snapshot.one(&ATTEMPT, args![account, question.attempt_id]).await?;
            let (kind, amount) = match later.map(|record| record.row::<AttemptRow>(0)).transpose()? {
                Some(attempt) => (attempt.kind, attempt.money()),
                None => (Attempt::first(&payment, None).kind, payment.money()),
            };
            (kind, amount, payment.merchant_order_id, payment.connector)
        }
        None => match snapshot.one(&payouts::queries::PAYOUT, args![account, about]).await? {
            Some(record) => {
                let payout: PayoutRow = record.row(0)?;
                (AttemptKind::Payout, payout.money(), payout.merchant_reference, payout.connector)
            }
            None => return Ok(None),
        },
    };
    let AskingRow { since, asks, next_ask_at, .. } = question;
    let (account_id, retried) = (account, snapshot.one(&RETRIED, args![account, question.attempt_id]).await?);
    let retried = retried.map(|record| record.row::<RetriedRow>(0)).transpose()?;
    let attempt_id = retried.map_or(question.attempt_id, |retried| retried.try_id);
    Ok(Some(UnknownOutcome { account_id, about, attempt_id, kind, amount, reference, connector, since, asks, next_ask_at }))
}
