//! One attempt on its way: everything that carrying it out and settling it needs, whether the request is still there or recovery found
//! it in the store.

use std::sync::Arc;

use idempotency::{Claim, Scope};
use kernel::{AccountId, AttemptId, Money, PaymentId, PaymentMethodId, TokenId};
use ledger::recipes::{AuthoriseHold, Capture, HoldRelease, RefundDone, RefundFailed, RefundStart};
use ledger::{Cause, Split};

use crate::acquirer::{AttemptRef, FollowUpAsk};
use crate::delays::Delay;
use crate::rows::{AttemptRow, PaymentRow};
use crate::rules::Operation;
use crate::types::{AttemptKind, Connector, OriginKind, SplitPlan};

/// The claim of the request that asked for an attempt.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Where its key counts.
    pub scope: Scope,
    /// Its request id.
    pub request_id: Arc<str>,
}

impl Asked {
    /// The request that makes this claim.
    pub fn by(claim: &Claim) -> Self {
        Self { scope: claim.scope, request_id: claim.request_id.clone() }
    }
}

/// An attempt whose intent is written and whose outcome is still to come.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The tenant.
    pub account_id: AccountId,
    /// The payment; of a payout, the payout's id.
    pub payment_id: PaymentId,
    /// The attempt.
    pub id: AttemptId,
    /// What it asks for.
    pub kind: AttemptKind,
    /// How much.
    pub amount: Money,
    /// What it costs the merchant if it takes money, in minor units.
    pub fee: i64,
    /// Who asked, and is told.
    pub origin: OriginKind,
    /// Whose payment it is, and is told of refunds.
    pub payment_origin: OriginKind,
    /// Where it goes.
    pub connector: Connector,
    /// The payment's first attempt; itself, if this is it.
    pub charge: AttemptId,
    /// What the acquirer called the first attempt.
    pub charge_reference: Option<Arc<str>>,
    /// The transaction it names; itself, if it is the first.
    pub named: AttemptId,
    /// Who captured money is for, unless it is the usual.
    pub split: Option<SplitPlan>,
    /// The one-time token it was made with.
    pub token: Option<TokenId>,
    /// The stored card that pays, or that is stored if it succeeds.
    pub method: Option<PaymentMethodId>,
    /// Of an authorisation: what is done by itself a while after it is approved.
    pub delay: Option<Delay>,
    /// Of a capture or refund that is tried again where it fails for now: what the acquirer is told it is, this time.
    pub tried_as: Option<AttemptId>,
    /// The claim to finish with it.
    pub asked: Option<Asked>,
}

impl Attempt {
    /// The first attempt of `payment`.
    pub fn first(payment: &PaymentRow, asked: Option<Asked>) -> Self {
        Self {
            account_id: payment.account_id,
            payment_id: payment.id,
            id: payment.attempt_id,
            kind: payment.mode.into(),
            amount: payment.money(),
            fee: payment.fee,
            origin: payment.origin,
            payment_origin: payment.origin,
            connector: payment.connector,
            charge: payment.attempt_id,
            charge_reference: None,
            named: payment.attempt_id,
            split: payment.split.clone(),
            token: payment.token,
            method: payment.method_id,
            delay: payment.delay,
            tried_as: None,
            asked,
        }
    }

    /// A later attempt of `payment`.
    pub fn later(payment: &PaymentRow, row: &AttemptRow, asked: Option<Asked>) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            amount: row.money(),
            fee: row.fee,
            origin: row.origin,
            charge_reference: payment.said().and_then(|said| said.reference).map(Arc::from),
            named: row.named,
            ..Self::first(payment, asked)
        }
    }

    /// The same, to be tried under this id now and under others later.
    #[must_use]
    pub(crate) fn tried_as(self, try_id: Option<AttemptId>) -> Self {
        Self { tried_as: try_id, ..self }
    }

    /// What the acquirer knows it as.
    pub(crate) fn outside_id(&self) -> AttemptId {
        self.tried_as.unwrap_or(self.id)
    }

    /// The payment's key.
    pub fn payment_key(&self) -> (AccountId, PaymentId) {
        (self.account_id, self.payment_id)
    }

    /// The key of its own row, if it has one: first attempts are part of the payment's.
    pub fn row_key(&self) -> Option<(AccountId, AttemptId)> {
        (self.operation().is_some() || self.kind == AttemptKind::Chargeback).then_some((self.account_id, self.id))
    }

    /// The key of the capture that it gives money back from, if it names one.
    pub fn named_capture_key(&self) -> Option<(AccountId, AttemptId)> {
        (self.kind == AttemptKind::Refund && self.named != self.charge).then_some((self.account_id, self.named))
    }

    /// Which operation it is; `None` for a first attempt.
    pub fn operation(&self) -> Option<Operation> {
        match self.kind {
            AttemptKind::Purchase
            | AttemptKind::Authorise
            | AttemptKind::Verify
            | AttemptKind::Payout
            | AttemptKind::Chargeback => None,
            AttemptKind::Capture => Some(Operation::Capture),
            AttemptKind::Cancel => Some(Operation::Cancel),
            AttemptKind::Refund => Some(Operation::Refund),
        }
    }

    /// As the acquirer is asked about it.
    pub fn reference(&self) -> AttemptRef {
        AttemptRef {
            account_id: self.account_id,
            attempt_id: self.outside_id(),
            kind: self.kind,
            amount: self.amount,
            charge_reference: self.charge_reference.clone(),
        }
    }

    /// As the acquirer is asked to carry it out, for a later attempt.
    pub fn follow_up(&self) -> FollowUpAsk {
        FollowUpAsk {
            account_id: self.account_id,
            attempt_id: self.outside_id(),
            kind: self.kind,
            amount: self.amount,
            charge: self.charge,
            charge_reference: self.charge_reference.clone(),
        }
    }

    /// Why its transfers are made.
    pub(crate) fn cause(&self) -> Cause {
        Cause {
            account_id: self.account_id,
            id: self.id.uuid(),
            subject: self.payment_id.uuid(),
            request_id: self.asked.as_ref().map(|asked| asked.request_id.clone()),
        }
    }

    pub(crate) fn hold(&self) -> AuthoriseHold {
        AuthoriseHold { merchant: self.account_id, connector: self.connector.owner(), amount: self.amount }
    }

    pub(crate) fn release(&self) -> HoldRelease {
        HoldRelease { merchant: self.account_id, connector: self.connector.owner(), amount: self.amount }
    }

    pub(crate) fn capture(&self) -> Capture {
        let split = match &self.split {
            Some(plan) => plan.share(self.amount),
            None => Split::charge(self.account_id, self.amount, self.fee),
        };
        Capture { connector: self.connector.owner(), split }
    }

    pub(crate) fn refund_start(&self, negative_limit: i64) -> RefundStart {
        RefundStart { merchant: self.account_id, split: Split::all_available(self.account_id, self.amount), negative_limit }
    }

    pub(crate) fn refund_done(&self) -> RefundDone {
        RefundDone { merchant: self.account_id, connector: self.connector.owner(), amount: self.amount }
    }

    pub(crate) fn refund_failed(&self) -> RefundFailed {
        RefundFailed { merchant: self.account_id, split: Split::all_available(self.account_id, self.amount) }
    }
}
