//! The money rules of a payment: pure, total, every refusal named.

use kernel::sabotage::{Defect, is_planted};
use kernel::{Decline, Money, Outcome, Timestamp};

use crate::error::{AmountRefusal, Refusal};
use crate::types::{AttemptKind, CardAsk, Mode, PaymentState};

/// An authorisation that nobody captured lapses after this long (spec of the payments API: seven days).
pub const HOLD_SECONDS: i64 = 7 * 24 * 60 * 60;
/// A payer has this long to prove that a card is his (spec of the payments API: fifteen minutes).
pub const CHALLENGE_SECONDS: i64 = 15 * 60;
/// Wrong codes after which a payer is refused.
pub const CHALLENGE_TRIES_MAX: u32 = 3;
/// A checkout session can be used this long.
pub const SESSION_SECONDS: i64 = 5 * 60 * 60;

/// What can be done to a payment after it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Take held money.
    Capture,
    /// Let the hold go.
    Cancel,
    /// Give money back.
    Refund,
}

impl Operation {
    /// The attempt that carries it out.
    pub const fn kind(self) -> AttemptKind {
        match self {
            Self::Capture => AttemptKind::Capture,
            Self::Cancel => AttemptKind::Cancel,
            Self::Refund => AttemptKind::Refund,
        }
    }
}

/// The status machine: whether `operation` may be asked for in `state`. How much is another question, and where the state speaks of what
/// is tried again, so is whether anything is held or paid: [`Standing::permits`].
pub const fn allows(state: PaymentState, operation: Operation) -> bool {
    use Operation::{Cancel, Capture, Refund};
    match state {
        PaymentState::Authorised => matches!(operation, Capture | Cancel),
        PaymentState::PartlyCaptured
        | PaymentState::PartlyRefunded
        | PaymentState::CaptureRetried
        | PaymentState::RefundRetried => matches!(operation, Capture | Refund),
        PaymentState::CaptureFailed => matches!(operation, Capture | Cancel | Refund),
        PaymentState::Approved | PaymentState::Captured => matches!(operation, Refund),
        PaymentState::Created
        | PaymentState::Unconfirmed
        | PaymentState::Refunded
        | PaymentState::Cancelled
        | PaymentState::Verified
        | PaymentState::Declined
        | PaymentState::Errored
        | PaymentState::AwaitingPayer
        | PaymentState::Expired
        | PaymentState::Disputed
        | PaymentState::ChargedBack => false,
    }
}

/// What can be said of a card without asking anybody; `None` when an acquirer must be asked.
pub fn judge_card(card: &CardAsk, now: Timestamp) -> Option<Outcome> {
    let code = if !card.number.luhn() {
        "INVALID_CARD_NUMBER"
    } else if card.expiry.is_past(now) {
        "EXPIRED_CARD"
    } else {
        return None;
    };
    Some(Outcome::Declined(Decline { reference: None, code: code.into(), hard: true, iso: None }))
}

/// What an acquirer's answer to the first attempt means for the payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It did what it was asked.
    Approved,
    /// It refused.
    Declined,
    /// It failed for good.
    Errored,
    /// It wants the payer to prove that the card is his.
    AwaitingPayer,
    /// He did not in time.
    Expired,
}

/// What of a payment failed and is tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retries {
    /// Captures that wait for their next try or are in it.
    pub captures: u32,
    /// Refunds likewise.
    pub refunds: u32,
    /// A capture failed at every try, and nothing has gone through since.
    pub capture_failed: bool,
}

/// The part of a payment that rules look at, all amounts in minor units of one currency.
///
/// Always `captured + capturing <= amount` and `refunded + refunding <= captured`. A purchase counts as captured in full the moment it
/// is approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What it is meant to do.
    pub mode: Mode,
    /// Where it stands.
    pub state: PaymentState,
    /// What was asked for, and held if it is an authorisation.
    pub amount: Money,
    /// Taken for good.
    pub captured: i64,
    /// Reserved by captures and cancels under way; a cancel reserves everything.
    pub capturing: i64,
    /// Given back for good.
    pub refunded: i64,
    /// Reserved by refunds under way.
    pub refunding: i64,
    /// When the hold lapses; nothing is held when absent.
    pub hold_until: Option<Timestamp>,
    /// What is tried again.
    pub retries: Retries,
}

impl Standing {
    /// A payment whose intent was just written.
    pub const fn created(mode: Mode, amount: Money) -> Self {
        Self {
            mode,
            state: PaymentState::Created,
            amount,
            captured: 0,
            capturing: 0,
            refunded: 0,
            refunding: 0,
            hold_until: None,
            retries: Retries { captures: 0, refunds: 0, capture_failed: false },
        }
    }

    /// Enters what the acquirer said to the first attempt.
    pub fn judge(&mut self, verdict: Verdict, now: Timestamp) {
        self.state = match (verdict, self.mode) {
            (Verdict::Declined, _) => PaymentState::Declined,
            (Verdict::Errored, _) => PaymentState::Errored,
            (Verdict::AwaitingPayer, _) => PaymentState::AwaitingPayer,
            (Verdict::Expired, _) => PaymentState::Expired,
            (Verdict::Approved, Mode::Verify) => PaymentState::Verified,
            (Verdict::Approved, Mode::Purchase) => {
                self.captured = self.amount.minor();
                PaymentState::Approved
            }
            (Verdict::Approved, Mode::Authorise) => {
                self.hold_until = Some(now.plus_seconds(HOLD_SECONDS));
                PaymentState::Authorised
            }
        };
    }

    /// What is still held and neither captured nor reserved.
    pub const fn capturable(&self) -> i64 {
        self.amount.minor() - self.captured - self.capturing
    }

    /// [`Standing::capturable`] as an amount.
    pub const fn rest(&self) -> Money {
        Money::new(self.capturable(), self.amount.currency())
    }

    /// What was paid and is neither given back nor reserved.
    pub fn refundable(&self) -> i64 {
        let under_way = if is_planted(Defect::RefundsUnderWayForgotten) { 0 } else { self.refunding };
        self.captured - self.refunded - under_way
    }

    /// Where it stands but for what is tried again.
    pub fn underlying(&self) -> PaymentState {
        if self.state.is_retried() { self.state_by_totals() } else { self.state }
    }

    /// Whether `operation` may be asked for now. What is tried again adds nothing to what amounts allow.
    pub fn permits(&self, operation: Operation) -> bool {
        allows(self.state, operation) && allows(self.underlying(), operation)
    }

    /// Whether no operation may be asked for in this state, whatever transaction it names.
    pub fn permits_nothing(&self) -> bool {
        ![Operation::Capture, Operation::Cancel, Operation::Refund].into_iter().any(|operation| self.permits(operation))
    }

    fn hold_is_open(&self, now: Timestamp) -> bool {
        self.hold_until.is_some_and(|until| now < until)
    }

    /// How much a capture of `amount` takes.
    ///
    /// # Errors
    /// [`Refusal::InvalidStatus`] when nothing can be captured any more, [`Refusal::InvalidAmount`] when not that much.
    pub fn plan_capture(&self, amount: Money, now: Timestamp) -> Result<i64, Refusal> {
        if !self.permits(Operation::Capture) || !self.hold_is_open(now) {
            return Err(Refusal::InvalidStatus);
        }
        self.within(amount, self.capturable())
    }

    /// How much a cancel lets go: the whole hold.
    ///
    /// # Errors
    /// [`Refusal::InvalidStatus`] unless the hold is whole and nothing is under way.
    pub fn plan_cancel(&self, now: Timestamp) -> Result<i64, Refusal> {
        if !self.permits(Operation::Cancel) || !self.hold_is_open(now) || self.capturing > 0 {
            return Err(Refusal::InvalidStatus);
        }
        Ok(self.amount.minor())
    }

    /// How much a refund gives back: `amount`, or everything that is left. `transaction_left` is the rest of the one capture it names,
    /// if it names one.
    ///
    /// # Errors
    /// [`Refusal::InvalidStatus`] when nothing can be given back in this state, [`Refusal::InvalidAmount`] when not that much.
    pub fn plan_refund(&self, amount: Option<Money>, transaction_left: Option<i64>) -> Result<i64, Refusal> {
        if !self.permits(Operation::Refund) {
            return Err(Refusal::InvalidStatus);
        }
        let left = transaction_left.map_or(self.refundable(), |left| left.min(self.refundable()));
        self.within(amount.unwrap_or(Money::new(left, self.amount.currency())), left)
    }

    fn within(&self, amount: Money, most: i64) -> Result<i64, Refusal> {
        if amount.currency() != self.amount.currency() {
            return Err(AmountRefusal::OtherCurrency(self.amount.currency()).into());
        }
        if !amount.is_positive() || amount.minor() > most {
            return Err(AmountRefusal::MoreThanLeft(Money::new(most, self.amount.currency())).into());
        }
        Ok(amount.minor())
    }

    /// Sets `minor` aside for an operation that is about to be asked for, so that parallel ones cannot exceed the total together.
    pub fn reserve(&mut self, operation: Operation, minor: i64) {
        match operation {
            Operation::Capture | Operation::Cancel => self.capturing += minor,
            Operation::Refund => self.refunding += minor,
        }
        self.check();
    }

    /// Gives a reservation back: the operation was refused, or proven never to have happened.
    pub fn give_back(&mut self, operation: Operation, minor: i64) {
        match operation {
            Operation::Capture | Operation::Cancel => self.capturing -= minor,
            Operation::Refund => self.refunding -= minor,
        }
        self.check();
    }

    /// Turns a reservation into fact.
    pub fn complete(&mut self, operation: Operation, minor: i64) {
        self.give_back(operation, minor);
        match operation {
            Operation::Capture => self.captured += minor,
            Operation::Cancel => self.hold_until = None,
            Operation::Refund => self.refunded += minor,
        }
        if self.captured == self.amount.minor() {
            self.hold_until = None;
        }
        self.retries.capture_failed = false;
        self.follow();
        self.check();
    }

    /// What a lapsed hold lets go at `now`; `None` while it is good, or while a capture is under way that may still succeed.
    pub fn lapsing(&self, now: Timestamp) -> Option<i64> {
        (self.hold_until.is_some_and(|until| until <= now) && self.capturing == 0).then(|| self.amount.minor() - self.captured)
    }

    /// Ends a hold that ran out.
    pub fn lapse(&mut self) {
        self.hold_until = None;
        self.retries.capture_failed = false;
        self.follow();
        self.check();
    }

    /// Whether a capture or refund that failed may still be tried again at `at`: a capture while the hold stands, and nothing when the
    /// payer's bank has kept the money.
    pub fn may_try_again(&self, operation: Operation, at: Timestamp) -> bool {
        let is_lost = self.state == PaymentState::ChargedBack;
        match operation {
            Operation::Capture => !is_lost && self.hold_is_open(at),
            Operation::Refund => !is_lost,
            Operation::Cancel => false,
        }
    }

    /// Whether the payer's bank has the money, and it is not decided who keeps it: nothing is tried until then.
    pub const fn is_disputed(&self) -> bool {
        matches!(self.state, PaymentState::Disputed)
    }

    /// A capture or refund failed for the first time and is tried again; what it reserved stays reserved.
    pub fn keep_trying(&mut self, operation: Operation) {
        *self.retries.of(operation) += 1;
        self.follow();
    }

    /// What was tried again is over, and has `failed` for good or gone through; its reservation is settled already.
    pub fn stop_trying(&mut self, operation: Operation, failed: bool) {
        *self.retries.of(operation) -= 1;
        self.retries.capture_failed |= failed && operation == Operation::Capture;
        self.follow();
    }

    /// Brings the state into line with the totals, except that a dispute stands until it is over, and a lost one for good: what was
    /// under way when the payer's bank took its money back opens no second way to give that money away.
    fn follow(&mut self) {
        if !matches!(self.state, PaymentState::Disputed | PaymentState::ChargedBack) {
            self.state = self.state_undisputed();
        }
    }

    /// Where a payment that went through stands when no dispute is open or lost. What is tried again is shown before what has failed, and a
    /// capture before a refund: with it the merchant's money is still to come.
    pub fn state_undisputed(&self) -> PaymentState {
        match self.retries {
            Retries { captures: 1.., .. } => PaymentState::CaptureRetried,
            Retries { refunds: 1.., .. } => PaymentState::RefundRetried,
            Retries { capture_failed: true, .. } if self.hold_until.is_some() => PaymentState::CaptureFailed,
            Retries { .. } => self.state_by_totals(),
        }
    }

    /// Whether a payer's bank can take it back now.
    pub fn can_be_disputed(&self) -> bool {
        self.permits(Operation::Refund) || self.underlying() == PaymentState::Refunded
    }

    /// How much of it a payer's bank takes back; `None` when it cannot be disputed now, or not that much. Banks dispute what was paid,
    /// whatever was given back of it since: that is for the merchant to show.
    pub fn plan_dispute(&self, amount: Money) -> Option<i64> {
        let fits = amount.currency() == self.amount.currency() && amount.is_positive() && amount.minor() <= self.captured;
        (self.can_be_disputed() && fits).then(|| amount.minor())
    }

    /// Whether it can be disputed like that once what is under way has gone through.
    pub fn may_yet_be_disputed(&self, amount: Money) -> bool {
        if self.capturing == 0 {
            return false;
        }
        let mut then = *self;
        then.complete(Operation::Capture, self.capturing);
        then.plan_dispute(amount).is_some()
    }

    /// Where a payment that went through stands, by its totals alone.
    pub fn state_by_totals(&self) -> PaymentState {
        if self.mode == Mode::Verify {
            return PaymentState::Verified;
        }
        if self.captured == 0 {
            return if self.hold_until.is_some() { PaymentState::Authorised } else { PaymentState::Cancelled };
        }
        if self.refunded == self.captured {
            PaymentState::Refunded
        } else if self.refunded > 0 {
            PaymentState::PartlyRefunded
        } else if self.mode == Mode::Purchase {
            PaymentState::Approved
        } else if self.captured == self.amount.minor() {
            PaymentState::Captured
        } else {
            PaymentState::PartlyCaptured
        }
    }

    /// INVARIANT: never more captured than held, never more given back than captured; guarded by
    /// `rules::tests::totals_stay_within_bounds_whatever_happens`.
    fn check(&self) {
        assert!(self.captured >= 0 && self.capturing >= 0 && self.capturable() >= 0, "captures exceed what was authorised");
        assert!(self.refunded >= 0 && self.refunding >= 0 && self.refundable() >= 0, "refunds exceed what was captured");
    }
}

impl Retries {
    fn of(&mut self, operation: Operation) -> &mut u32 {
        match operation {
            Operation::Capture | Operation::Cancel => &mut self.captures,
            Operation::Refund => &mut self.refunds,
        }
    }
}

#[cfg(test)]
mod tests;
