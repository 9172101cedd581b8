//! The decision about fulfilments.

use db::{Keys, Rows};
use idempotency::Reply;
use kernel::{AccountId, PaymentId, Timestamp};
use uuid::Uuid;

use super::rows::{FulfilmentRow, FulfilmentTotalRow};
use super::types::AddFulfilments;
use crate::commands::{Decision, json};
use crate::error::Refusal;
use crate::rows::PaymentRow;
use crate::types::AttemptState;

/// `POST /v1/payments/{payment}/fulfillments`.
#[derive(Debug)]
pub(super) struct Add {
    /// The payment's key.
    pub(super) key: (AccountId, PaymentId),
    /// A fresh id for the request's claim to name.
    pub(super) id: Uuid,
    pub(super) ask: AddFulfilments,
}

impl Add {
    /// What there is with this request.
    fn total(&self, before: Option<&FulfilmentTotalRow>) -> FulfilmentTotalRow {
        let bytes = i64::try_from(self.ask.items.len()).unwrap_or(i64::MAX);
        FulfilmentTotalRow {
            account_id: self.key.0,
            payment_id: self.key.1,
            requests: before.map_or(0, |total| total.requests) + 1,
            count: before.map_or(0, |total| total.count) + i64::from(self.ask.count),
            bytes: before.map_or(0, |total| total.bytes).saturating_add(bytes),
        }
    }
}

impl Decision for Add {
    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<PaymentRow>(self.key);
        keys.row::<FulfilmentTotalRow>(self.key);
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Reply, Refusal> {
        let payment = rows.get::<PaymentRow>(&self.key).filter(|payment| payment.attempt != AttemptState::NotSent);
        if !payment.ok_or(Refusal::PaymentNotFound)?.state.is_fulfillable() {
            return Err(Refusal::InvalidStatus);
        }
        let before = rows.get::<FulfilmentTotalRow>(&self.key).cloned();
        let total = self.total(before.as_ref());
        if total.is_too_much() {
            return Err(Refusal::TooManyFulfilments);
        }
        rows.append(FulfilmentRow {
            account_id: self.key.0,
            payment_id: self.key.1,
            number: total.requests,
            id: self.id,
            status: self.ask.status,
            count: i64::from(self.ask.count),
            items: self.ask.items.clone(),
            created_at: now,
        });
        match before {
            Some(_) => *rows.must_mut(&self.key) = total,
            None => rows.insert(total),
        }
        Ok(json(202, b"{}".to_vec()))
    }
}
