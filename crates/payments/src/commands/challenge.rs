//! What a payer answers on the page of his challenge, and what happens when he does not.

use std::convert::Infallible;

use db::{Command, Keys, Rows};
use kernel::{AccountId, PaymentId, Timestamp};

use super::asking::question;
use super::settle::{Ending, conclude, conclude_keys, settle, settle_keys};
use crate::acquirer::Proof;
use crate::attempt::Attempt;
use crate::origin::Origins;
use crate::rows::{AskingRow, ChallengeRow, PaymentRow};
use crate::rules::CHALLENGE_TRIES_MAX;
use crate::types::{AttemptState, Response};

/// A charge that goes on is asked for after this long, should this process not live to hear the acquirer's word.
const ASKED_AFTER_SECONDS: i64 = 30;

/// What the payer did, as his code was read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Given {
    /// Typed a code, which proves this.
    Proof(Proof),
    /// Gave up.
    Cancel,
}

/// What is to be done about it.
#[derive(Debug)]
pub(crate) enum Judged {
    /// Nothing: it was wrong, refused, cancelled, too late, or answered before.
    Stays,
    /// The acquirer goes on with the charge.
    GoOn(Proof),
}

/// Takes a payer's answer.
#[derive(Debug)]
pub(crate) struct AnswerChallenge {
    /// The attempt that waits for him.
    pub(crate) attempt: Attempt,
    pub(crate) given: Given,
    pub(crate) origins: Origins,
}

impl AnswerChallenge {
    fn refuse(&self, rows: &mut Rows, code: &str, now: Timestamp) -> Judged {
        end(rows, &self.attempt, &Ending::Declined(Response::own(code)), &self.origins, now);
        Judged::Stays
    }
}

impl Command for AnswerChallenge {
    type Reply = Judged;
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        waiting_keys(keys, &self.attempt, &self.origins);
        keys.row::<AskingRow>((self.attempt.account_id, self.attempt.id));
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Judged, Infallible> {
        let Some(challenge) = waiting(rows, &self.attempt) else { return Ok(Judged::Stays) };
        if challenge.expires_at.is_none_or(|at| at <= now) {
            expire(rows, &self.attempt, &self.origins, now);
            return Ok(Judged::Stays);
        }
        Ok(match self.given {
            Given::Cancel => self.refuse(rows, "CANCELLED_BY_USER", now),
            Given::Proof(Proof::Refused) => self.refuse(rows, NOT_AUTHENTICATED, now),
            Given::Proof(Proof::Wrong) => {
                challenge.tries += 1;
                if challenge.tries < CHALLENGE_TRIES_MAX { Judged::Stays } else { self.refuse(rows, NOT_AUTHENTICATED, now) }
            }
            Given::Proof(proof @ (Proof::Authenticated | Proof::Attempted)) => {
                let payment = rows.must_mut::<PaymentRow>(&self.attempt.payment_key());
                // Its transaction was and is pending: nobody is told anything new.
                payment.attempt = AttemptState::Unknown;
                if let (Some(said), Some(eci)) = (&payment.response, proof.eci()) {
                    payment.response = Some(said.authenticated(eci));
                }
                // Nobody's claim leads here should this process die, so the question is opened before the acquirer is told.
                question(rows, &self.attempt, &self.origins, now.plus_seconds(ASKED_AFTER_SECONDS), now);
                Judged::GoOn(proof)
            }
        })
    }
}

/// What a payer who has not proven that the card is his is refused with.
pub(crate) const NOT_AUTHENTICATED: &str = "AUTHENTICATION_FAILED_THREE_D_SECURE";

/// Ends a payment whose payer did not come in time.
#[derive(Debug)]
pub(crate) struct ExpireChallenge {
    pub(crate) attempt: Attempt,
    pub(crate) origins: Origins,
}

impl Command for ExpireChallenge {
    type Reply = ();
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        waiting_keys(keys, &self.attempt, &self.origins);
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<(), Infallible> {
        let challenge = rows.get_mut::<ChallengeRow>(&self.attempt.payment_key());
        let Some(challenge) = challenge.filter(|challenge| challenge.expires_at.is_some_and(|at| at <= now)) else {
            return Ok(());
        };
        challenge.expires_at = None;
        if waiting(rows, &self.attempt).is_some() {
            expire(rows, &self.attempt, &self.origins, now);
        }
        Ok(())
    }
}

/// Looks later whether a challenge has to be ended: the acquirer that asks the payer did not give the charge up.
#[derive(Debug)]
pub(crate) struct ExpireLater {
    pub(crate) key: (AccountId, PaymentId),
    pub(crate) at: Timestamp,
}

impl Command for ExpireLater {
    type Reply = ();
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<ChallengeRow>(self.key);
    }

    fn decide(&self, rows: &mut Rows, _now: Timestamp) -> Result<(), Infallible> {
        if let Some(challenge) = rows.get_mut::<ChallengeRow>(&self.key).filter(|challenge| challenge.expires_at.is_some()) {
            challenge.expires_at = Some(self.at);
        }
        Ok(())
    }
}

fn waiting_keys(keys: &mut Keys<'_>, attempt: &Attempt, origins: &Origins) {
    keys.row::<PaymentRow>(attempt.payment_key());
    keys.row::<ChallengeRow>(attempt.payment_key());
    settle_keys(keys, attempt, &Ending::Declined(Response::own(NOT_AUTHENTICATED)), origins);
    conclude_keys(keys, attempt, origins);
}

/// The challenge of a payment that waits for its payer.
fn waiting<'a>(rows: &'a mut Rows, attempt: &Attempt) -> Option<&'a mut ChallengeRow> {
    let payment = rows.get::<PaymentRow>(&attempt.payment_key())?;
    if payment.attempt != AttemptState::AwaitingPayer {
        return None;
    }
    rows.get_mut::<ChallengeRow>(&attempt.payment_key())
}

fn expire(rows: &mut Rows, attempt: &Attempt, origins: &Origins, now: Timestamp) {
    end(rows, attempt, &Ending::Expired(Response::own("CHALLENGE_EXPIRED")), origins, now);
}

/// Settles an attempt that never went on; nobody's claim waits for it.
fn end(rows: &mut Rows, attempt: &Attempt, ending: &Ending, origins: &Origins, now: Timestamp) {
    let ended = settle(rows, attempt, ending, origins, now).expect("the attempt waits for its payer");
    conclude(rows, attempt, ended, origins, now).expect("there is no claim that could be lost");
}
