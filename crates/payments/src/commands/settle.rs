//! The last step of an attempt: result, postings, recorded reply and the product's own change in one commit.

use db::{Command, Keys, Rows};
use idempotency::{HoldRefusal, Recorded, Reply};
use kernel::{Outcome, Timestamp};
use ledger::recipes::Recipe;
use messaging::Family;

use crate::announce::Herald;
use crate::attempt::Attempt;
use crate::challenges::Challenges;
use crate::delays;
use crate::earlier::{Earlier, unreachable};
use crate::methods;
use crate::origin::{Ended, Origins};
use crate::payouts;
use crate::retries;
use crate::rows::{AskingRow, AttemptRow, ChallengeRow, CheckoutSessionRow, PaymentRow};
use crate::rules::{CHALLENGE_SECONDS, Operation, Verdict};
use crate::tokens;
use crate::types::{AttemptKind, AttemptState, Response};

/// What is known for certain about an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The acquirer did it.
    Approved(Response),
    /// The acquirer refused.
    Declined(Response),
    /// The acquirer failed, and nothing happened there.
    Errored(Response),
    /// It never left this house.
    NeverSent,
    /// The acquirer does not know it and has promised never to act on it.
    Fenced,
    /// The acquirer waits for the payer to prove that the card is his.
    AwaitingPayer(Response),
    /// The payer did not in time.
    Expired(Response),
}

impl Ending {
    /// What `outcome` makes certain; `None` when it leaves everything open.
    pub fn of(outcome: &Outcome) -> Option<Self> {
        let response = Response::of(outcome);
        match outcome {
            Outcome::Approved(_) => response.map(Self::Approved),
            Outcome::Declined(_) => response.map(Self::Declined),
            Outcome::Failed { .. } => response.map(Self::Errored),
            Outcome::ActionRequired { .. } => response.map(Self::AwaitingPayer),
            Outcome::NotSent { .. } => Some(Self::NeverSent),
            Outcome::Pending | Outcome::Unknown { .. } => None,
        }
    }

    pub(crate) const fn ended(&self) -> Ended {
        match self {
            Self::Approved(_) => Ended::Approved,
            Self::Declined(_) => Ended::Declined,
            Self::Errored(_) => Ended::Errored,
            Self::NeverSent | Self::Fenced => Ended::NotSent,
            Self::AwaitingPayer(_) => Ended::AwaitingPayer,
            Self::Expired(_) => Ended::Expired,
        }
    }

    pub(crate) const fn state(&self) -> AttemptState {
        self.ended().state()
    }

    pub(crate) fn response(&self) -> Option<&Response> {
        match self {
            Self::Approved(response)
            | Self::Declined(response)
            | Self::Errored(response)
            | Self::AwaitingPayer(response)
            | Self::Expired(response) => Some(response),
            Self::NeverSent | Self::Fenced => None,
        }
    }
}

impl Ended {
    pub(crate) const fn state(self) -> AttemptState {
        match self {
            Self::Approved => AttemptState::Succeeded,
            Self::Declined => AttemptState::Declined,
            Self::Errored => AttemptState::Errored,
            Self::NotSent => AttemptState::NotSent,
            Self::AwaitingPayer => AttemptState::AwaitingPayer,
            Self::Expired => AttemptState::Expired,
            Self::Waiting { .. } => AttemptState::Waiting,
        }
    }
}

/// What a settled attempt leaves for whoever waits.
#[derive(Clone, Debug)]
pub struct Finished {
    /// What became of it.
    pub ended: Ended,
    /// What the request that asked is answered.
    pub reply: Option<Reply>,
    /// The same as it was recorded, if the request had a claim.
    pub(crate) recorded: Option<Recorded>,
}

/// What a charge is refused with that wants its payer where nobody is.
const AUTHENTICATION_REQUIRED: &str = "AUTHENTICATION_REQUIRED";

/// Enters what is known for certain about an attempt. Where it wants a payer and nobody is there, it is refused. Repeating it is
/// harmless: `None` says that it was settled before.
pub(crate) fn settle(rows: &mut Rows, attempt: &Attempt, ending: &Ending, origins: &Origins, now: Timestamp) -> Option<Ended> {
    let alone;
    let ending = match ending {
        Ending::AwaitingPayer(said) if attempt.origin.is_off_session() => {
            let reference = said.parts().and_then(|said| said.reference);
            alone = Ending::Declined(Response::notified(AUTHENTICATION_REQUIRED, reference));
            &alone
        }
        ending => ending,
    };
    let ended = match attempt.operation() {
        None if attempt.kind == AttemptKind::Payout => payouts::settle(rows, attempt, ending, now)?,
        None => settle_first(rows, attempt, ending, origins, now)?,
        Some(operation) => settle_later(rows, attempt, operation, ending, now)?,
    };
    if attempt.kind == AttemptKind::Refund && ended == Ended::Approved {
        origins.of(attempt.payment_origin).refunded(rows, attempt, now);
    }
    Some(ended)
}

fn settle_first(rows: &mut Rows, attempt: &Attempt, ending: &Ending, origins: &Origins, now: Timestamp) -> Option<Ended> {
    let key = attempt.payment_key();
    let waits = |payment: &&mut PaymentRow| payment.attempt_id == attempt.id && payment.attempt.is_unsettled();
    let payment = rows.get_mut::<PaymentRow>(&key).filter(waits)?;
    if payment.attempt == AttemptState::AwaitingPayer && ending.ended() == Ended::AwaitingPayer {
        return None;
    }
    let mut standing = payment.standing();
    // Where an acquirer refused before, the payment is refused: that a later one could not do more undoes nothing.
    let refused_before = payment.earlier.as_ref().is_some_and(Earlier::has_decline);
    let ended = match ending.ended() {
        Ended::NotSent if refused_before => Ended::Errored,
        ended => ended,
    };
    match ended {
        Ended::Approved => standing.judge(Verdict::Approved, now),
        Ended::Declined => standing.judge(Verdict::Declined, now),
        Ended::Errored if refused_before => standing.judge(Verdict::Declined, now),
        Ended::Errored => standing.judge(Verdict::Errored, now),
        Ended::AwaitingPayer => standing.judge(Verdict::AwaitingPayer, now),
        Ended::Expired => standing.judge(Verdict::Expired, now),
        Ended::NotSent | Ended::Waiting { .. } => {} // only operations wait
    }
    payment.adopt(&standing, now);
    payment.attempt = ended.state();
    let proven = payment.said().and_then(|said| said.eci).map(str::to_owned);
    payment.response = ending.response().cloned().or_else(|| if ended == Ended::Errored { unreachable() } else { None });
    if let (Some(said), Some(eci)) =
        (&payment.response, proven.filter(|_| !matches!(ended, Ended::AwaitingPayer | Ended::Expired)))
    {
        payment.response = Some(said.authenticated(&eci));
    }
    payment.answered_at = Some(now);
    let session = payment.checkout_session;
    if ended != Ended::AwaitingPayer {
        settle_card(rows, origins.herald(), attempt, ended, now);
    }
    match ended {
        Ended::NotSent if *ending == Ending::NeverSent => drop(rows.delete::<PaymentRow>(&key)),
        Ended::AwaitingPayer => await_payer(rows, attempt, origins.challenges(), now),
        Ended::Approved | Ended::Declined | Ended::Errored | Ended::NotSent | Ended::Expired | Ended::Waiting { .. } => {}
    }
    if !matches!(ended, Ended::Approved | Ended::AwaitingPayer)
        && let Some(session) = session.and_then(|session| rows.get_mut::<CheckoutSessionRow>(&(attempt.account_id, session)))
    {
        session.payment_id = None; // the session may try again
    }
    if ending.ended() == Ended::Approved {
        match attempt.kind {
            AttemptKind::Purchase => post(rows, attempt, &attempt.capture(), now),
            AttemptKind::Authorise => {
                post(rows, attempt, &attempt.hold(), now);
                delays::schedule(rows, attempt, now);
            }
            AttemptKind::Verify
            | AttemptKind::Capture
            | AttemptKind::Cancel
            | AttemptKind::Refund
            | AttemptKind::Payout
            | AttemptKind::Chargeback => {}
        }
    }
    Some(ended)
}

/// Opens the page on which the payer proves that the card is his. Opened anew, because his proof was lost on its way, it gives him
/// no more time.
fn await_payer(rows: &mut Rows, attempt: &Attempt, challenges: &Challenges, now: Timestamp) {
    let made_at = rows.must::<PaymentRow>(&attempt.payment_key()).created_at;
    if let Some(challenge) = rows.get_mut::<ChallengeRow>(&attempt.payment_key()) {
        challenge.expires_at = Some(made_at.plus_seconds(CHALLENGE_SECONDS));
        return;
    }
    let expires_at = Some(now.plus_seconds(CHALLENGE_SECONDS));
    let token_hash = challenges.token_hash(&challenges.token(attempt.id));
    let (account_id, payment_id) = attempt.payment_key();
    rows.insert(ChallengeRow { account_id, payment_id, token_hash, tries: 0, expires_at });
}

/// The card's own part: a token is used up or given back, a stored method was used, or is stored now, or is not.
fn settle_card(rows: &mut Rows, herald: &Herald, attempt: &Attempt, ended: Ended, now: Timestamp) {
    if let Some(token) = attempt.token {
        tokens::settle(rows, attempt.account_id, token, attempt.payment_id, ended != Ended::NotSent, now);
    }
    let Some(method) = attempt.method else { return };
    let kept = methods::settle(rows, herald, attempt, method, ended, now);
    let payment = rows.must_mut::<PaymentRow>(&attempt.payment_key());
    payment.method_id = kept.map(|(id, _)| id);
    payment.vaulted_token = kept.and_then(|(_, vaulted_token)| vaulted_token);
}

fn settle_later(rows: &mut Rows, attempt: &Attempt, operation: Operation, ending: &Ending, now: Timestamp) -> Option<Ended> {
    let before = rows.get::<AttemptRow>(&attempt.row_key()?).map(|row| row.state).filter(|state| state.is_open())?;
    if !retries::is_current(rows, attempt) {
        return None;
    }
    let mut standing = retries::standing(rows, attempt);
    match retries::after(rows, attempt, operation, ending, &standing, now) {
        retries::After::Over(ending) => return Some(end_later(rows, attempt, operation, &ending, now)),
        retries::After::Waits { first: false } => {}
        retries::After::Waits { first: true } => {
            let retried = standing.retries;
            standing.keep_trying(operation);
            rows.must_mut::<PaymentRow>(&attempt.payment_key()).adopt(&standing, now);
            retries::keep(rows, attempt.payment_key(), retried, &standing, now);
        }
    }
    enter_state(rows, attempt, AttemptState::Waiting, ending.response().cloned(), now);
    Some(Ended::Waiting { was_pending: before == AttemptState::Unknown })
}

fn enter_state(rows: &mut Rows, attempt: &Attempt, state: AttemptState, response: Option<Response>, now: Timestamp) {
    let row = rows.must_mut::<AttemptRow>(&(attempt.account_id, attempt.id));
    row.state = state;
    row.response = response;
    row.updated_at = now;
}

/// A capture, cancel or refund is over: what it reserved becomes fact, or is given back.
pub(crate) fn end_later(rows: &mut Rows, attempt: &Attempt, operation: Operation, ending: &Ending, now: Timestamp) -> Ended {
    enter_state(rows, attempt, ending.state(), ending.response().cloned(), now);
    let mut standing = retries::standing(rows, attempt);
    let (retried, approved) = (standing.retries, ending.ended() == Ended::Approved);
    if approved {
        standing.complete(operation, attempt.amount.minor());
    } else {
        standing.give_back(operation, attempt.amount.minor());
    }
    if retries::was_tried_again(rows, attempt) {
        standing.stop_trying(operation, !approved);
    }
    rows.must_mut::<PaymentRow>(&attempt.payment_key()).adopt(&standing, now);
    retries::keep(rows, attempt.payment_key(), retried, &standing, now);
    match (operation, approved) {
        (Operation::Capture, true) => {
            post(rows, attempt, &attempt.release(), now);
            post(rows, attempt, &attempt.capture(), now);
        }
        (Operation::Cancel, true) => post(rows, attempt, &attempt.release(), now),
        (Operation::Refund, true) => post(rows, attempt, &attempt.refund_done(), now),
        (Operation::Refund, false) => {
            if let Some(capture) = attempt.named_capture_key() {
                rows.must_mut::<AttemptRow>(&capture).returned -= attempt.amount.minor();
            }
            post(rows, attempt, &attempt.refund_failed(), now);
        }
        (Operation::Capture | Operation::Cancel, false) => {}
    }
    ending.ended()
}

/// These recipes only move what the intent or the acquirer has made sure of, so a refusal is a defect; the panic keeps the command from
/// writing anything, and the attempt stays open for all to see.
pub(crate) fn post<R: Recipe>(rows: &mut Rows, attempt: &Attempt, recipe: &R, now: Timestamp) {
    ledger::post(rows, &attempt.cause(), recipe, now).expect("amounts within bounds, from accounts that hold them");
}

pub(crate) fn settle_keys(keys: &mut Keys<'_>, attempt: &Attempt, ending: &Ending, origins: &Origins) {
    if attempt.kind == AttemptKind::Payout {
        return payouts::settle_keys(keys, attempt, ending);
    }
    keys.row::<PaymentRow>(attempt.payment_key());
    if let Some(row) = attempt.row_key() {
        keys.row::<AttemptRow>(row);
    }
    retries::keys(keys, attempt);
    if ending.ended() == Ended::AwaitingPayer {
        keys.row::<ChallengeRow>(attempt.payment_key());
    }
    if let Some(token) = attempt.token {
        tokens::settle_keys(keys, attempt.account_id, token);
    }
    if let Some(method) = attempt.method {
        methods::settle_keys(keys, attempt.account_id, method);
        origins.herald().keys(attempt.account_id, Family::Enrollment, keys);
    }
    let approved = ending.ended() == Ended::Approved;
    let cause = attempt.cause();
    match (attempt.kind, approved) {
        (AttemptKind::Purchase, true) => ledger::keys(keys, &cause, &attempt.capture()),
        (AttemptKind::Authorise, true) => {
            ledger::keys(keys, &cause, &attempt.hold());
            delays::schedule_keys(keys, attempt);
        }
        (AttemptKind::Capture, true) => {
            ledger::keys(keys, &cause, &attempt.release());
            ledger::keys(keys, &cause, &attempt.capture());
        }
        (AttemptKind::Cancel, true) => ledger::keys(keys, &cause, &attempt.release()),
        (AttemptKind::Refund, true) => {
            ledger::keys(keys, &cause, &attempt.refund_done());
            origins.of(attempt.payment_origin).keys(attempt, keys);
        }
        (AttemptKind::Refund, false) => {
            ledger::keys(keys, &cause, &attempt.refund_failed());
            if let Some(capture) = attempt.named_capture_key() {
                keys.row::<AttemptRow>(capture);
            }
        }
        (AttemptKind::Verify | AttemptKind::Payout | AttemptKind::Chargeback, _)
        | (AttemptKind::Purchase | AttemptKind::Authorise | AttemptKind::Capture | AttemptKind::Cancel, false) => {}
    }
}

/// Lets the product that asked finish, and the claim with it.
///
/// # Errors
/// [`HoldRefusal`] when the claim is no longer this process's; nothing of the decision may stand then.
pub(crate) fn conclude(
    rows: &mut Rows,
    attempt: &Attempt,
    ended: Ended,
    origins: &Origins,
    now: Timestamp,
) -> Result<Finished, HoldRefusal> {
    let reply = origins.of(attempt.origin).settled(rows, attempt, ended, now);
    let over_at = match ended {
        // A repeat while it is tried again must find its key, however long that takes.
        Ended::Waiting { .. } => retries::over_by(rows, attempt),
        _ => now,
    };
    let recorded = match (&attempt.asked, &reply) {
        (Some(asked), Some(reply)) => Some(idempotency::finish(rows, &asked.scope, reply, over_at)?),
        (Some(asked), None) => {
            idempotency::forget(rows, &asked.scope)?;
            None
        }
        (None, _) => None,
    };
    Ok(Finished { ended, reply, recorded })
}

/// Names the rows that [`conclude`] touches, but for the claim.
pub(crate) fn conclude_keys(keys: &mut Keys<'_>, attempt: &Attempt, origins: &Origins) {
    origins.of(attempt.origin).keys(attempt, keys);
}

/// Settles an attempt, whoever learned its outcome: the request itself, the resolver, or start-up.
#[derive(Clone, Debug)]
pub(crate) struct Settle {
    pub(crate) attempt: Attempt,
    pub(crate) ending: Ending,
    /// It is being asked for: the question is answered with it, and its claim, which nobody works on, is this process's to finish.
    pub(crate) asked_for: bool,
    pub(crate) origins: Origins,
}

impl Command for Settle {
    /// `None`: it was settled before.
    type Reply = Option<Finished>;
    type Refusal = HoldRefusal;

    fn keys(&self, keys: &mut Keys<'_>) {
        settle_keys(keys, &self.attempt, &self.ending, &self.origins);
        conclude_keys(keys, &self.attempt, &self.origins);
        if let Some(asked) = &self.attempt.asked {
            idempotency::held_keys(keys, &asked.scope);
        }
        if self.asked_for {
            keys.row::<AskingRow>((self.attempt.account_id, self.attempt.id));
        }
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Option<Finished>, HoldRefusal> {
        let attempt = &self.attempt;
        // What was learned of an earlier try answers nothing that is asked of this one.
        if self.asked_for && retries::is_current(rows, attempt) {
            rows.delete::<AskingRow>(&(attempt.account_id, attempt.id));
        }
        let Some(ended) = settle(rows, attempt, &self.ending, &self.origins, now) else { return Ok(None) };
        if let Some(asked) = attempt.asked.as_ref().filter(|_| self.asked_for) {
            idempotency::take_over(rows, &asked.scope)?;
        }
        conclude(rows, attempt, ended, &self.origins, now).map(Some)
    }
}
