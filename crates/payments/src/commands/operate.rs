//! The first step of a capture, cancel or refund: judged, reserved and durable before anybody outside hears of it.

use std::sync::Arc;

use db::{Command, Keys, Rows};
use idempotency::Claim;
use kernel::{AccountId, AttemptId, Money, PaymentId, Timestamp};
use ledger::recipes::RefundStart;
use ledger::{Cause, PostRefusal, Split};
use messaging::Family;

use super::{Begun, claim};
use crate::asks::Target;
use crate::attempt::{Asked, Attempt};
use crate::delays;
use crate::earlier::EarlierTry;
use crate::error::{AmountRefusal, Refusal};
use crate::origin::Origins;
use crate::retries;
use crate::rows::{AttemptRow, PaymentRow};
use crate::rules::{Operation, Standing};
use crate::types::{AttemptKind, AttemptState, OriginKind, PaymentState, ReplyForm, Terms};

/// What is to be done to a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    Capture(Money),
    /// Everything that is left.
    CaptureRest,
    Cancel,
    /// `None`: everything that is left.
    Refund(Option<Money>),
    /// Cancel what is only held, else refund.
    CancelOrRefund(Option<Money>),
}

impl Want {
    const fn form(self) -> ReplyForm {
        match self {
            Self::Capture(_) | Self::CaptureRest => ReplyForm::Capture,
            Self::Cancel => ReplyForm::Cancel,
            Self::Refund(_) => ReplyForm::Refund,
            Self::CancelOrRefund(_) => ReplyForm::CancelOrRefund,
        }
    }

    const fn amount(self) -> Option<Money> {
        match self {
            Self::Capture(amount) => Some(amount),
            Self::CaptureRest | Self::Cancel => None,
            Self::Refund(amount) | Self::CancelOrRefund(amount) => amount,
        }
    }
}

/// Captures, cancels or refunds, up to the call of the acquirer.
#[derive(Clone, Debug)]
pub(crate) struct BeginOperation {
    pub(crate) claim: Claim,
    pub(crate) terms: Terms,
    /// `None`: the id was malformed.
    pub(crate) payment: Option<PaymentId>,
    pub(crate) target: Target,
    pub(crate) want: Want,
    /// The fresh id of the attempt.
    pub(crate) attempt_id: AttemptId,
    pub(crate) details: Option<Arc<[u8]>>,
    /// Who asks.
    pub(crate) origin: OriginKind,
    /// It is tried again where it fails for now; of a cancel it means nothing.
    pub(crate) retried: bool,
    /// What was seen to wait for its next try of this payment: a cancel ends the captures among it, if they still wait.
    pub(crate) stops: Vec<AttemptId>,
    pub(crate) origins: Origins,
}

/// The transaction an operation names.
#[derive(Clone, Copy, Debug)]
struct Named {
    id: AttemptId,
    kind: AttemptKind,
    state: AttemptState,
    /// Of a capture: what no refund has given back or reserved, in minor units.
    left: Option<i64>,
}

/// What will be done.
#[derive(Clone, Copy, Debug)]
struct Plan {
    operation: Operation,
    minor: i64,
    named: Named,
}

impl BeginOperation {
    fn payment_key(&self) -> Option<(AccountId, PaymentId)> {
        self.payment.map(|payment| (self.terms.account_id, payment))
    }

    pub(crate) fn asked(&self) -> Asked {
        Asked::by(&self.claim)
    }

    /// Whether it may end what waits for its next try: only what a merchant himself cancels.
    pub(crate) fn may_stop(&self) -> Option<(AccountId, PaymentId)> {
        let cancels = matches!(self.want, Want::Cancel | Want::CancelOrRefund(_));
        self.payment_key().filter(|_| cancels && self.origin == OriginKind::Api)
    }

    /// How the payment stands for what is asked: before a cancel the captures end that wait for their next try. If it is refused all the
    /// same, they have not.
    fn standing(&self, rows: &mut Rows, payment: &PaymentRow, operation: Operation, now: Timestamp) -> Standing {
        let key = (payment.account_id, payment.id);
        if operation == Operation::Cancel {
            self.stops.iter().for_each(|waiting| retries::stop(rows, key, *waiting, &self.origins, now));
        }
        rows.must::<PaymentRow>(&key).standing()
    }

    /// The row of the transaction that is named, unless it is the payment's first one.
    fn named_key(&self) -> Option<(AccountId, AttemptId)> {
        match self.target {
            Target::Payment | Target::Transaction(None) => None,
            Target::Transaction(Some(transaction)) => Some((self.terms.account_id, transaction)),
        }
    }

    fn named(&self, rows: &mut Rows, payment: &PaymentRow) -> Result<Named, Refusal> {
        let first = Named { id: payment.attempt_id, kind: payment.mode.into(), state: payment.attempt, left: None };
        match self.target {
            Target::Payment => return Ok(first),
            Target::Transaction(Some(transaction)) if transaction == payment.attempt_id => return Ok(first),
            Target::Transaction(_) => {}
        }
        let tried = |one: &&EarlierTry| self.target == Target::Transaction(Some(one.id));
        if let Some(tried) = payment.earlier_tries().iter().find(tried) {
            return Ok(Named { id: tried.id, state: tried.state, ..first });
        }
        let row = self.named_key().and_then(|key| rows.get::<AttemptRow>(&key));
        let row = row.filter(|row| row.payment_id == payment.id && row.state != AttemptState::NotSent);
        let row = row.ok_or(Refusal::TransactionNotFound)?;
        let left = (row.kind == AttemptKind::Capture).then_some(row.amount - row.returned);
        Ok(Named { id: row.id, kind: row.kind, state: row.state, left })
    }

    /// What is asked for, judged by the type of the transaction it names.
    fn operation(&self, payment: &PaymentRow, named: Named) -> Result<Operation, Refusal> {
        let holds = named.kind == AttemptKind::Authorise;
        let paid = matches!(named.kind, AttemptKind::Purchase | AttemptKind::Capture | AttemptKind::Authorise);
        let operation = match self.want {
            Want::Capture(_) | Want::CaptureRest => Operation::Capture,
            Want::Cancel => Operation::Cancel,
            Want::CancelOrRefund(_) if holds && payment.standing().underlying() == PaymentState::Authorised => Operation::Cancel,
            Want::Refund(_) | Want::CancelOrRefund(_) => Operation::Refund,
        };
        let fits = match operation {
            Operation::Capture | Operation::Cancel => holds,
            Operation::Refund => paid,
        };
        if fits {
            Ok(operation)
        } else if payment.standing().permits_nothing() {
            Err(Refusal::InvalidStatus) // naming another transaction would not help
        } else {
            Err(Refusal::InvalidTransactionType)
        }
    }

    fn plan(&self, standing: &Standing, operation: Operation, named: Named, now: Timestamp) -> Result<Plan, Refusal> {
        if named.state != AttemptState::Succeeded {
            return Err(Refusal::InvalidStatus);
        }
        let minor = match (operation, self.want.amount()) {
            (Operation::Capture, Some(amount)) => standing.plan_capture(amount, now)?,
            (Operation::Capture, None) => standing.plan_capture(standing.rest(), now)?,
            (Operation::Cancel, amount) => {
                let whole = standing.plan_cancel(now)?;
                if amount.is_some_and(|amount| amount != standing.amount) {
                    return Err(AmountRefusal::CancelsWhole(standing.amount).into());
                }
                whole
            }
            (Operation::Refund, amount) => standing.plan_refund(amount, named.left)?,
        };
        Ok(Plan { operation, minor, named })
    }

    fn row(&self, payment: &PaymentRow, plan: &Plan, now: Timestamp) -> AttemptRow {
        AttemptRow {
            account_id: payment.account_id,
            id: self.attempt_id,
            payment_id: payment.id,
            kind: plan.operation.kind(),
            origin: self.origin,
            form: self.want.form(),
            named: plan.named.id,
            currency: payment.currency,
            amount: plan.minor,
            fee: match plan.operation {
                Operation::Capture if payment.split.is_none() => self.terms.fee.fee(plan.minor),
                Operation::Capture | Operation::Cancel | Operation::Refund => 0,
            },
            claim: Some(self.claim.scope.hash),
            details: self.details.clone(),
            created_at: now,
            state: AttemptState::Sending,
            response: None,
            returned: 0,
            updated_at: now,
        }
    }

    /// Sets the amount aside: in the payment, in the capture a refund names, and for a refund in the merchant's money.
    fn reserve(&self, rows: &mut Rows, plan: &Plan, attempt: &Attempt, now: Timestamp) -> Result<(), Refusal> {
        let payment = rows.must_mut::<PaymentRow>(&attempt.payment_key());
        let mut standing = payment.standing();
        standing.reserve(plan.operation, plan.minor);
        payment.adopt(&standing, now);
        if plan.operation != Operation::Refund {
            return Ok(());
        }
        if let Some(capture) = attempt.named_capture_key() {
            rows.must_mut::<AttemptRow>(&capture).returned += plan.minor;
        }
        match ledger::post(rows, &attempt.cause(), &attempt.refund_start(self.terms.negative_limit), now) {
            Ok(_) => Ok(()),
            Err(PostRefusal::BelowFloor { .. }) => Err(AmountRefusal::BelowFloor.into()),
            Err(defect) => panic!("a refund within the payment's bounds can be booked: {defect}"),
        }
    }
}

impl Command for BeginOperation {
    type Reply = Begun<Attempt>;
    type Refusal = Refusal;

    fn keys(&self, keys: &mut Keys<'_>) {
        idempotency::claim_keys(keys, &self.claim);
        let Some(payment) = self.payment_key() else { return };
        keys.row::<PaymentRow>(payment);
        keys.fresh::<AttemptRow>((self.terms.account_id, self.attempt_id));
        if let Some(named) = self.named_key() {
            keys.row::<AttemptRow>(named);
        }
        if self.origin == OriginKind::Delay {
            delays::begin_keys(keys, payment);
        }
        if self.retried {
            retries::begin_keys(keys, (self.terms.account_id, self.attempt_id));
        }
        if !self.stops.is_empty() {
            self.stops.iter().for_each(|waiting| retries::stop_keys(keys, payment, *waiting));
            self.origins.herald().keys(payment.0, Family::Payment, keys);
        }
        // Without an amount the currency is not known yet, and the accounts are found when they are touched.
        if let Want::Refund(Some(amount)) | Want::CancelOrRefund(Some(amount)) = self.want {
            let (merchant, id, subject) = (self.terms.account_id, self.attempt_id.uuid(), payment.1.uuid());
            let start = RefundStart { merchant, split: Split::all_available(merchant, amount), negative_limit: 0 };
            ledger::keys(keys, &Cause { account_id: merchant, id, subject, request_id: None }, &start);
        }
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Begun<Attempt>, Refusal> {
        if let Err(known) = claim(rows, &self.claim, now) {
            return Ok(Begun::Taken(known));
        }
        let payment = self.payment_key().and_then(|key| rows.get::<PaymentRow>(&key)).cloned();
        let payment = payment.filter(|payment| payment.attempt != AttemptState::NotSent).ok_or(Refusal::PaymentNotFound)?;
        let named = self.named(rows, &payment)?;
        let operation = self.operation(&payment, named)?;
        let standing = self.standing(rows, &payment, operation, now);
        let plan = self.plan(&standing, operation, named, now)?;
        let row = self.row(&payment, &plan, now);
        let attempt = Attempt::later(&payment, &row, Some(self.asked()));
        self.reserve(rows, &plan, &attempt, now)?;
        if self.origin == OriginKind::Delay {
            delays::begin(rows, attempt.payment_key(), now)?;
        }
        rows.in_time(row.id);
        rows.append(row);
        if !self.retried || plan.operation == Operation::Cancel {
            return Ok(Begun::Go(attempt));
        }
        let attempt = attempt.tried_as(Some(self.attempt_id));
        retries::begin(rows, &attempt, now);
        Ok(Begun::Go(attempt))
    }
}
