//! What the sandbox acquirer does with a request, durable before it answers.

use std::convert::Infallible;
use std::sync::Arc;

use db::{Command, Keys, Rows};
use kernel::{AttemptId, Timestamp};
use payments::{AttemptRef, Connector, FollowUpAsk};
use uuid::Uuid;

use super::cards::Verdict;
use super::rows::{Operation, ReceivedRow};

/// What is answered: the request's own id, what was made of it, and whether its payer was authenticated.
pub(crate) type Answer = (Uuid, Verdict, bool);

/// A repeat is counted and answered as before.
fn again(rows: &mut Rows, attempt: AttemptId) -> Option<Answer> {
    let row = rows.get_mut::<ReceivedRow>(&(attempt,))?;
    row.calls += 1;
    Some((row.id, row.verdict, row.after_challenge.is_some()))
}

/// A purchase, authorisation or card check: one insert, unless the attempt was seen before.
#[derive(Debug)]
pub(crate) struct ReceiveCharge {
    /// The row as it will be, but for the time.
    pub(crate) row: ReceivedRow,
}

impl Command for ReceiveCharge {
    type Reply = Answer;
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.fresh::<ReceivedRow>((self.row.attempt_id,));
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Answer, Infallible> {
        if let Some(answer) = again(rows, self.row.attempt_id) {
            return Ok(answer);
        }
        rows.insert(ReceivedRow { created_at: now, ..self.row.clone() });
        Ok((self.row.id, self.row.verdict, self.row.after_challenge.is_some()))
    }
}

/// The payer of a charge has proven that the card is his: it goes on.
#[derive(Debug)]
pub(crate) struct ReceiveProof {
    pub(crate) attempt: AttemptId,
}

/// It never heard of that charge.
#[derive(Debug)]
pub(crate) struct NoSuchCharge;

impl Command for ReceiveProof {
    type Reply = Answer;
    type Refusal = NoSuchCharge;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<ReceivedRow>((self.attempt,));
    }

    fn decide(&self, rows: &mut Rows, _now: Timestamp) -> Result<Answer, NoSuchCharge> {
        let row = rows.get_mut::<ReceivedRow>(&(self.attempt,)).ok_or(NoSuchCharge)?;
        row.calls += 1;
        if let (Verdict::ChallengeRequired, Some(verdict)) = (row.verdict, row.after_challenge) {
            row.verdict = verdict;
            row.captured = row.captured_at_once();
        }
        Ok((row.id, row.verdict, row.after_challenge.is_some()))
    }
}

/// A capture, void or refund of an earlier charge.
#[derive(Debug)]
pub(crate) struct ReceiveFollowUp {
    pub(crate) id: Uuid,
    pub(crate) connector: Connector,
    pub(crate) ask: FollowUpAsk,
}

impl ReceiveFollowUp {
    /// Does it to the charge, if the charge allows it.
    fn carry_out(&self, rows: &mut Rows) -> Verdict {
        let (operation, amount) = (Operation::from(self.ask.kind), self.ask.amount);
        let Some(charge) = rows.get_mut::<ReceivedRow>(&(self.ask.charge,)) else { return Verdict::OutOfBounds };
        if charge.currency != Some(amount.currency()) || !amount.is_positive() {
            return Verdict::OutOfBounds;
        }
        let minor = amount.minor();
        let (held, paid) = (charge.authorised() - charge.captured - charge.voided, charge.captured - charge.refunded);
        match (operation, charge.operation) {
            (Operation::Capture, Operation::Authorise) if minor <= held => charge.captured += minor,
            (Operation::Void, Operation::Authorise) if minor <= held => charge.voided += minor,
            (Operation::Refund, Operation::Authorise | Operation::Purchase) if minor <= paid => charge.refunded += minor,
            _ => return Verdict::OutOfBounds,
        }
        Verdict::Succeeded
    }
}

impl Command for ReceiveFollowUp {
    type Reply = Answer;
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.fresh::<ReceivedRow>((self.ask.attempt_id,));
        keys.row::<ReceivedRow>((self.ask.charge,));
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Answer, Infallible> {
        if let Some(answer) = again(rows, self.ask.attempt_id) {
            return Ok(answer);
        }
        let verdict = self.carry_out(rows);
        rows.insert(ReceivedRow {
            attempt_id: self.ask.attempt_id,
            id: self.id,
            account_id: self.ask.account_id,
            payment_id: None,
            charge: Some(self.ask.charge),
            connector: self.connector,
            operation: self.ask.kind.into(),
            merchant_order_id: None,
            currency: Some(self.ask.amount.currency()),
            amount: self.ask.amount.minor(),
            last4: None,
            verdict,
            after_challenge: None,
            created_at: now,
            calls: 1,
            captured: 0,
            refunded: 0,
            voided: 0,
        });
        Ok((self.id, verdict, false))
    }
}

/// Makes sure that an attempt which never came will be refused if it still comes.
#[derive(Debug)]
pub(crate) struct Fence {
    pub(crate) id: Uuid,
    pub(crate) connector: Connector,
    pub(crate) attempt: AttemptRef,
}

impl Command for Fence {
    /// What it made of the attempt, if that had come before.
    type Reply = Answer;
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<ReceivedRow>((self.attempt.attempt_id,));
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Answer, Infallible> {
        if let Some(row) = rows.get::<ReceivedRow>(&(self.attempt.attempt_id,)) {
            return Ok((row.id, row.verdict, false));
        }
        rows.insert(ReceivedRow {
            attempt_id: self.attempt.attempt_id,
            id: self.id,
            account_id: self.attempt.account_id,
            payment_id: None,
            charge: None,
            connector: self.connector,
            operation: Operation::Fence,
            merchant_order_id: None::<Arc<str>>,
            currency: None,
            amount: 0,
            last4: None,
            verdict: Verdict::Fenced,
            after_challenge: None,
            created_at: now,
            calls: 0,
            captured: 0,
            refunded: 0,
            voided: 0,
        });
        Ok((self.id, Verdict::Fenced, false))
    }
}
