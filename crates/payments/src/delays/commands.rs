//! The decisions about delays.

use std::convert::Infallible;

use db::{Command, Keys, Rows};
use kernel::{AccountId, PaymentId, Timestamp};

use super::rows::DelayedRow;
use super::rules::{self, Next, WAIT_SECONDS};
use super::types::DelayedStep;
use crate::attempt::Attempt;
use crate::error::Refusal;
use crate::rows::PaymentRow;

/// For how long whoever takes a delay that is over has it for itself.
const LEASE_SECONDS: i64 = 30;

type Key = (AccountId, PaymentId);

/// Names the row that [`schedule`] writes.
pub(crate) fn schedule_keys(keys: &mut Keys<'_>, attempt: &Attempt) {
    if attempt.delay.is_some() {
        keys.fresh::<DelayedRow>(attempt.payment_key());
    }
}

/// The authorisation is approved: its delay begins, if it has one.
pub(crate) fn schedule(rows: &mut Rows, attempt: &Attempt, now: Timestamp) {
    let Some(delay) = attempt.delay else { return };
    let hold_until = rows.must::<PaymentRow>(&attempt.payment_key()).hold_until;
    let (account_id, payment_id) = attempt.payment_key();
    rows.insert(DelayedRow {
        account_id,
        payment_id,
        step: delay.step(),
        created_at: now,
        due_at: Some(rules::due_at(delay, hold_until, now)),
        tries: 0,
        updated_at: now,
    });
}

/// Takes a delay that is over: of several processes one does. Where there is nothing left to do it ends here.
#[derive(Debug)]
pub(super) struct Take {
    pub(super) key: Key,
    /// When it was due, as the scheduler read it: another time means that somebody else was quicker.
    pub(super) due: Timestamp,
}

/// What is to be asked for.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) step: DelayedStep,
    pub(super) payment: PaymentRow,
}

impl Command for Take {
    type Reply = Option<Due>;
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<DelayedRow>(self.key);
        keys.row::<PaymentRow>(self.key);
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Option<Due>, Infallible> {
        let payment = rows.get::<PaymentRow>(&self.key).cloned();
        let row = rows.get_mut::<DelayedRow>(&self.key).filter(|row| row.due_at == Some(self.due));
        let Some((row, payment)) = row.zip(payment) else { return Ok(None) };
        row.updated_at = now;
        let next = rules::next(row.step, &payment.standing(), now);
        row.due_at = match next {
            Next::Go => Some(now.plus_seconds(LEASE_SECONDS)),
            Next::Wait => Some(now.plus_seconds(WAIT_SECONDS)),
            Next::Over => None,
        };
        Ok((next == Next::Go).then_some(Due { step: row.step, payment }))
    }
}

/// Names the row that [`begin`] touches.
pub(crate) fn begin_keys(keys: &mut Keys<'_>, key: Key) {
    keys.row::<DelayedRow>(key);
}

/// Ends the waiting, in the commit that writes the intent of the operation.
///
/// # Errors
/// [`Refusal::InvalidStatus`] when it waits no more.
pub(crate) fn begin(rows: &mut Rows, key: Key, now: Timestamp) -> Result<(), Refusal> {
    let row = rows.get_mut::<DelayedRow>(&key).filter(|row| row.due_at.is_some()).ok_or(Refusal::InvalidStatus)?;
    row.due_at = None;
    row.updated_at = now;
    Ok(())
}
