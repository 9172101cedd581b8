//! The decisions about operations that are tried again.

use std::convert::Infallible;

use db::{Command, Keys, Rows};
use kernel::{AccountId, AttemptId, PaymentId, Timestamp};

use super::rows::{RetriedRow, RetriesRow};
use super::rules::{self, is_for_now, next_try_at};
use crate::attempt::Attempt;
use crate::commands::{Ending, end_later};
use crate::earlier::{Earlier, EarlierTry, unreachable};
use crate::origin::Origins;
use crate::rows::{AskingRow, AttemptRow, PaymentRow};
use crate::rules::{Operation, Retries, Standing};
use crate::types::{AttemptKind, AttemptState, PaymentState};

/// For how long whoever makes a try is left alone with it; then it is asked what became of it. Longer than an acquirer is waited for.
const LEASE_SECONDS: i64 = 120;

type Key = (AccountId, AttemptId);
type PaymentKey = (AccountId, PaymentId);

fn key(attempt: &Attempt) -> Key {
    (attempt.account_id, attempt.id)
}

/// Names the row that [`begin`] writes.
pub(crate) fn begin_keys(keys: &mut Keys<'_>, key: Key) {
    keys.fresh::<RetriedRow>(key);
}

/// The operation is to be tried again where it fails for now.
pub(crate) fn begin(rows: &mut Rows, attempt: &Attempt, now: Timestamp) {
    rows.append(RetriedRow {
        account_id: attempt.account_id,
        attempt_id: attempt.id,
        payment_id: attempt.payment_id,
        first_try_at: now,
        try_id: attempt.outside_id(),
        began_at: now,
        due_at: None,
        earlier: None,
        updated_at: now,
    });
}

/// Names the rows that settling a try touches besides those of any operation.
pub(crate) fn keys(keys: &mut Keys<'_>, attempt: &Attempt) {
    if attempt.tried_as.is_some() {
        keys.row::<RetriedRow>(key(attempt));
        keys.row::<RetriesRow>(attempt.payment_key());
    }
}

/// Whether this is the try that is under way: what was learned of an earlier one is settled already.
pub(crate) fn is_current(rows: &mut Rows, attempt: &Attempt) -> bool {
    match attempt.tried_as {
        Some(try_id) => rows.get::<RetriedRow>(&key(attempt)).is_some_and(|row| row.try_id == try_id),
        None => true,
    }
}

/// Whether the operation failed before and was tried again.
pub(crate) fn was_tried_again(rows: &mut Rows, attempt: &Attempt) -> bool {
    attempt.tried_as.is_some() && rows.get::<RetriedRow>(&key(attempt)).is_some_and(|row| row.earlier.is_some())
}

/// How the payment of an operation stands, with what is tried again of it.
pub(crate) fn standing(rows: &mut Rows, attempt: &Attempt) -> Standing {
    let key = attempt.payment_key();
    if attempt.tried_as.is_some() { with_retries(rows, key) } else { standing_of(rows, key) }
}

/// As [`standing`], where nothing that is tried again is touched. Most payments have no such thing, and their state says so.
pub(crate) fn standing_of(rows: &mut Rows, key: PaymentKey) -> Standing {
    let standing = rows.must::<PaymentRow>(&key).standing();
    let may_hide_some = standing.state == PaymentState::Disputed;
    if standing.state.is_retried() || may_hide_some { with_retries(rows, key) } else { standing }
}

fn with_retries(rows: &mut Rows, key: PaymentKey) -> Standing {
    let retries = rows.get::<RetriesRow>(&key).map(RetriesRow::retries).unwrap_or_default();
    Standing { retries, ..rows.must::<PaymentRow>(&key).standing() }
}

/// Takes over what the rules made of what is tried again; `before` as it was.
pub(crate) fn keep(rows: &mut Rows, payment: PaymentKey, before: Retries, standing: &Standing, now: Timestamp) {
    let Retries { captures, refunds, capture_failed } = standing.retries;
    if before == standing.retries {
        return;
    }
    if let Some(row) = rows.get_mut::<RetriesRow>(&payment) {
        (row.captures, row.refunds, row.capture_failed) = (captures, refunds, capture_failed);
        return;
    }
    let (account_id, payment_id) = payment;
    rows.insert(RetriesRow { account_id, payment_id, created_at: now, captures, refunds, capture_failed });
}

/// When an operation that waits for its next try is over at the latest.
pub(crate) fn over_by(rows: &mut Rows, attempt: &Attempt) -> Timestamp {
    rules::over_by(rows.must::<RetriedRow>(&key(attempt)).first_try_at)
}

/// What follows the end of a try.
pub(crate) enum After {
    /// The operation is over, with this.
    Over(Ending),
    /// It waits for its next try.
    Waits {
        /// It does so for the first time.
        first: bool,
    },
}

/// Enters how the try that is under way has ended. An operation that nobody asked to try again is over.
pub(crate) fn after(
    rows: &mut Rows,
    attempt: &Attempt,
    operation: Operation,
    ending: &Ending,
    standing: &Standing,
    now: Timestamp,
) -> After {
    if attempt.tried_as.is_none() {
        return After::Over(ending.clone());
    }
    let row = rows.must_mut::<RetriedRow>(&key(attempt));
    row.updated_at = now;
    let next = next_try_at(operation, standing, row.first_try_at, now).filter(|_| is_for_now(ending));
    let first = row.earlier.is_none();
    if !is_for_now(ending) || (first && next.is_none()) {
        return After::Over(ending.clone());
    }
    let failed = EarlierTry {
        id: row.try_id,
        connector: attempt.connector,
        state: ending.state(),
        response: ending.response().cloned().or_else(unreachable),
        began_at: row.began_at,
        ended_at: now,
    };
    row.earlier = Some(Earlier::with(row.earlier.as_ref(), failed));
    row.due_at = next;
    if next.is_some() { After::Waits { first } } else { After::Over(row.last_word()) }
}

impl RetriedRow {
    /// How the operation ends that came to nothing at every try: with what was said last.
    fn last_word(&self) -> Ending {
        let last = self.earlier_tries().last().and_then(|last| Some((last.state, last.response.clone()?)));
        match last {
            Some((AttemptState::Declined, response)) => Ending::Declined(response),
            Some((_, response)) => Ending::Errored(response),
            None => Ending::Fenced,
        }
    }
}

/// Names the rows that [`stop`] touches besides the payment's own.
pub(crate) fn stop_keys(keys: &mut Keys<'_>, payment: PaymentKey, operation: AttemptId) {
    keys.row::<RetriedRow>((payment.0, operation));
    keys.row::<AttemptRow>((payment.0, operation));
    keys.row::<RetriesRow>(payment);
}

/// Ends a capture of this payment that waits for its next try: nothing is under way at the acquirer then, and no try begins any more.
/// Of one that does not wait nothing is changed: what became of its last try is not certain.
pub(crate) fn stop(rows: &mut Rows, payment: PaymentKey, operation: AttemptId, origins: &Origins, now: Timestamp) {
    let key = (payment.0, operation);
    let waits =
        |row: &&AttemptRow| row.payment_id == payment.1 && row.kind == AttemptKind::Capture && row.state == AttemptState::Waiting;
    let Some(operation) = rows.get::<AttemptRow>(&key).filter(waits).cloned() else { return };
    let Some(try_id) = rows.get::<RetriedRow>(&key).filter(|row| row.due_at.is_some()).map(|row| row.try_id) else { return };
    let attempt = Attempt::later(rows.must::<PaymentRow>(&payment), &operation, None).tried_as(Some(try_id));
    give_up(rows, &attempt, Operation::Capture, origins, now);
}

/// An operation that waits is over, with what was said of it last.
fn give_up(rows: &mut Rows, attempt: &Attempt, operation: Operation, origins: &Origins, now: Timestamp) {
    let row = rows.must_mut::<RetriedRow>(&key(attempt));
    (row.due_at, row.updated_at) = (None, now);
    let ending = row.last_word();
    let ended = end_later(rows, attempt, operation, &ending, now);
    // Who asked was answered when it began to wait: only others are told.
    let _answered = origins.of(attempt.origin).settled(rows, attempt, ended, now);
}

/// Takes an operation whose time has come: of several processes one does. The next try gets its id, and what becomes of it is a question
/// from now on. What cannot be tried any more ends here.
#[derive(Debug)]
pub(super) struct Take {
    pub(super) key: Key,
    /// When it was due, as the scheduler read it: another time means that somebody else was quicker.
    pub(super) due: Timestamp,
    /// The fresh id of the try.
    pub(super) try_id: AttemptId,
    pub(super) origins: Origins,
}

impl Command for Take {
    /// The try to be made, if it is this process's.
    type Reply = Option<Attempt>;
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<RetriedRow>(self.key);
        keys.row::<AttemptRow>(self.key);
        keys.fresh::<AskingRow>(self.key);
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Option<Attempt>, Infallible> {
        if rows.get::<RetriedRow>(&self.key).is_none_or(|row| row.due_at != Some(self.due)) {
            return Ok(None);
        }
        let operation = rows.must::<AttemptRow>(&self.key).clone();
        let payment = rows.must::<PaymentRow>(&(self.key.0, operation.payment_id)).clone();
        let attempt = Attempt::later(&payment, &operation, None).tried_as(Some(self.try_id));
        let Some(kind) = attempt.operation().filter(|_| operation.state == AttemptState::Waiting) else { return Ok(None) };
        let standing = payment.standing();
        let row = rows.must_mut::<RetriedRow>(&self.key);
        row.updated_at = now;
        row.due_at = next_try_at(kind, &standing, row.first_try_at, now).filter(|_| standing.is_disputed());
        if row.due_at.is_some() {
            return Ok(None);
        }
        if standing.is_disputed() || !standing.may_try_again(kind, now) {
            give_up(rows, &attempt, kind, &self.origins, now);
            return Ok(None);
        }
        row.try_id = self.try_id;
        row.began_at = now;
        rows.must_mut::<AttemptRow>(&self.key).state = AttemptState::Unknown;
        rows.append(AskingRow {
            account_id: self.key.0,
            attempt_id: self.key.1,
            payment_id: operation.payment_id,
            claim: None,
            since: now,
            next_ask_at: now.plus_seconds(LEASE_SECONDS),
            asks: 0,
            missing_since: None,
        });
        Ok(Some(attempt))
    }
}
