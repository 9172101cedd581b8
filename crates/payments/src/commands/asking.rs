//! Open questions: an attempt whose outcome is unknown has a row that says when to ask next, until the outcome is known.

use std::convert::Infallible;

use db::{Command, Keys, Rows};
use idempotency::HoldRefusal;
use kernel::outcome::next_ask;
use kernel::{AccountId, AttemptId, Timestamp};

use crate::attempt::Attempt;
use crate::origin::Origins;
use crate::payouts;
use crate::rows::{AskingRow, AttemptRow, PaymentRow};
use crate::types::{AttemptKind, AttemptState, PaymentState};

type AskingKey = (AccountId, AttemptId);

fn question_keys(keys: &mut Keys<'_>, attempt: &Attempt, origins: &Origins) {
    origins.of(attempt.origin).keys(attempt, keys);
    if attempt.kind == AttemptKind::Payout {
        payouts::keys(keys, attempt);
    } else {
        keys.row::<PaymentRow>(attempt.payment_key());
    }
    if let Some(row) = attempt.row_key() {
        keys.row::<AttemptRow>(row);
    }
    if let Some(asked) = &attempt.asked {
        idempotency::held_keys(keys, &asked.scope);
    }
    keys.row::<AskingRow>((attempt.account_id, attempt.id));
}

/// Notes that an attempt must be asked for from `first_ask_at` on. `false`: it is settled, there is nothing to ask.
pub(crate) fn question(rows: &mut Rows, attempt: &Attempt, origins: &Origins, first_ask_at: Timestamp, now: Timestamp) -> bool {
    let before = match attempt.row_key() {
        None if attempt.kind == AttemptKind::Payout => {
            let Some(before) = payouts::doubt(rows, attempt, now) else { return false };
            before
        }
        None => {
            let payment = rows.get_mut::<PaymentRow>(&attempt.payment_key());
            let waits = |payment: &&mut PaymentRow| payment.attempt_id == attempt.id && payment.attempt.is_open();
            let Some(payment) = payment.filter(waits) else { return false };
            payment.state = PaymentState::Unconfirmed;
            payment.touch(now);
            std::mem::replace(&mut payment.attempt, AttemptState::Unknown)
        }
        Some(row) => {
            let row = rows.get_mut::<AttemptRow>(&row).filter(|row| row.state.is_open());
            let Some(row) = row else { return false };
            row.updated_at = now;
            std::mem::replace(&mut row.state, AttemptState::Unknown)
        }
    };
    if before != AttemptState::Unknown {
        origins.of(attempt.origin).doubted(rows, attempt, now);
    }
    let key = (attempt.account_id, attempt.id);
    if let Some(asking) = rows.get_mut::<AskingRow>(&key) {
        asking.next_ask_at = asking.next_ask_at.min(first_ask_at);
        return true;
    }
    rows.insert(AskingRow {
        account_id: attempt.account_id,
        attempt_id: attempt.id,
        payment_id: attempt.payment_id,
        claim: attempt.asked.as_ref().map(|asked| asked.scope.hash),
        since: now,
        next_ask_at: first_ask_at,
        asks: 0,
        missing_since: None,
    });
    true
}

/// The request gives up waiting: from now on the resolver asks, and the key stays in process.
#[derive(Clone, Debug)]
pub(crate) struct KeepAsking {
    pub(crate) attempt: Attempt,
    pub(crate) origins: Origins,
}

impl Command for KeepAsking {
    /// `false`: it was settled meanwhile.
    type Reply = bool;
    type Refusal = HoldRefusal;

    fn keys(&self, keys: &mut Keys<'_>) {
        question_keys(keys, &self.attempt, &self.origins);
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<bool, HoldRefusal> {
        let open = question(rows, &self.attempt, &self.origins, now.plus_seconds(i64::from(next_ask(0))), now);
        if let Some(asked) = self.attempt.asked.as_ref().filter(|_| open) {
            idempotency::mark_unknown(rows, &asked.scope)?;
        }
        Ok(open)
    }
}

/// Takes over what a dead process left unfinished: it is asked for at once.
#[derive(Debug)]
pub(crate) struct Adopt {
    pub(crate) attempt: Attempt,
    pub(crate) origins: Origins,
}

impl Command for Adopt {
    /// `false`: it was settled after all.
    type Reply = bool;
    type Refusal = HoldRefusal;

    fn keys(&self, keys: &mut Keys<'_>) {
        question_keys(keys, &self.attempt, &self.origins);
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<bool, HoldRefusal> {
        let open = question(rows, &self.attempt, &self.origins, now, now);
        if let Some(asked) = self.attempt.asked.as_ref().filter(|_| open) {
            idempotency::take_over(rows, &asked.scope)?;
            idempotency::mark_unknown(rows, &asked.scope)?;
        }
        Ok(open)
    }
}

/// Claims a question that is due: of several processes one asks, and the next time is set before it does.
#[derive(Debug)]
pub(crate) struct TakeQuestion {
    pub(crate) key: AskingKey,
    /// When it was due, as the asker read it: another time means that somebody else was quicker.
    pub(crate) due: Timestamp,
}

impl Command for TakeQuestion {
    /// From when on it is this process's to ask; `None` when it is not.
    type Reply = Option<Timestamp>;
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<AskingRow>(self.key);
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Option<Timestamp>, Infallible> {
        let Some(asking) = rows.get_mut::<AskingRow>(&self.key).filter(|asking| asking.next_ask_at == self.due) else {
            return Ok(None);
        };
        asking.asks += 1;
        asking.next_ask_at = now.plus_seconds(i64::from(next_ask(asking.asks)));
        Ok(Some(now))
    }
}

/// Notes that the acquirer does not know the attempt, where it cannot promise to refuse it should it arrive late.
#[derive(Debug)]
pub(crate) struct NoteMissing {
    pub(crate) key: AskingKey,
    /// When it was asked: the answer says nothing about any later time, however long it took to get here.
    pub(crate) asked_at: Timestamp,
}

impl Command for NoteMissing {
    /// How many seconds after its first such answer it was asked and gave this one: negative for the first, `None` when nobody asks any
    /// more.
    type Reply = Option<i64>;
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<AskingRow>(self.key);
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Option<i64>, Infallible> {
        let asking = rows.get_mut::<AskingRow>(&self.key);
        Ok(asking.map(|asking| self.asked_at.seconds_since(*asking.missing_since.get_or_insert(now))))
    }
}
