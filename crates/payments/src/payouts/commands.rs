//! The decisions about payouts.

use std::sync::Arc;

use db::{Command, Keys, Rows};
use idempotency::{Claim, Reply};
use kernel::{AccountId, Decline, Outcome, PaymentId, PayoutId, Timestamp};
use ledger::PostRefusal;
use ledger::recipes::{PayoutDone, PayoutFailed, PayoutStart};

use super::rows::{PayoutReferenceRow, PayoutRow};
use crate::announce::Herald;
use crate::attempt::{Asked, Attempt};
use crate::commands::{Begun, Ending, Finished, claim, post};
use crate::error::Refusal;
use crate::facts::Faces;
use crate::origin::{Ended, JSON};
use crate::types::{AttemptKind, AttemptState, OriginKind, Response};

/// The response code of a payout that the merchant's money does not cover.
const INSUFFICIENT_FUNDS: &str = "INSUFFICIENT_FUNDS";

impl Attempt {
    /// The attempt of a payout.
    pub(crate) fn payout(payout: &PayoutRow, asked: Option<Asked>) -> Self {
        Self {
            account_id: payout.account_id,
            payment_id: PaymentId::from_uuid(payout.id.uuid()),
            id: payout.attempt_id,
            kind: AttemptKind::Payout,
            amount: payout.money(),
            fee: payout.fee,
            origin: OriginKind::Api,
            payment_origin: OriginKind::Api,
            connector: payout.connector,
            charge: payout.attempt_id,
            charge_reference: None,
            named: payout.attempt_id,
            split: None,
            token: None,
            method: None,
            delay: None,
            tried_as: None,
            asked,
        }
    }

    fn payout_start(&self) -> PayoutStart {
        PayoutStart { merchant: self.account_id, amount: self.amount, fee_minor: self.fee }
    }

    fn payout_done(&self) -> PayoutDone {
        PayoutDone { merchant: self.account_id, amount: self.amount, fee_minor: self.fee }
    }

    fn payout_failed(&self) -> PayoutFailed {
        PayoutFailed { merchant: self.account_id, amount: self.amount, fee_minor: self.fee }
    }
}

/// The row of the payout that `attempt` carries out.
pub(crate) fn key(attempt: &Attempt) -> (AccountId, PayoutId) {
    (attempt.account_id, PayoutId::from_uuid(attempt.payment_id.uuid()))
}

/// Names the payout that `attempt` carries out.
pub(crate) fn keys(keys: &mut Keys<'_>, attempt: &Attempt) {
    keys.row::<PayoutRow>(key(attempt));
}

/// Names the rows that [`settle`] touches.
pub(crate) fn settle_keys(keys: &mut Keys<'_>, attempt: &Attempt, ending: &Ending) {
    keys.row::<PayoutRow>(key(attempt));
    match ending.ended() {
        Ended::Approved => ledger::keys(keys, &attempt.cause(), &attempt.payout_done()),
        Ended::Declined | Ended::Errored | Ended::NotSent => ledger::keys(keys, &attempt.cause(), &attempt.payout_failed()),
        Ended::AwaitingPayer | Ended::Expired | Ended::Waiting { .. } => {}
    }
}

/// Notes that the outcome is unknown, and returns the state until then. `None`: it is settled.
pub(crate) fn doubt(rows: &mut Rows, attempt: &Attempt, now: Timestamp) -> Option<AttemptState> {
    let payout = rows.get_mut::<PayoutRow>(&key(attempt)).filter(|payout| payout.state.is_open())?;
    payout.updated_at = now;
    Some(std::mem::replace(&mut payout.state, AttemptState::Unknown))
}

/// Enters what is known for certain: the money has left, or returns to the merchant. `None`: it was settled before, or this is no end
/// of a payout: no payer is asked about one.
///
/// This is the one place where the status of a payout that was under way changes for good.
pub(crate) fn settle(rows: &mut Rows, attempt: &Attempt, ending: &Ending, now: Timestamp) -> Option<Ended> {
    let ended = ending.ended();
    if matches!(ended, Ended::AwaitingPayer | Ended::Expired) {
        return None;
    }
    let payout = rows.get_mut::<PayoutRow>(&key(attempt)).filter(|payout| payout.state.is_open())?;
    payout.state = ended.state();
    payout.response = ending.response().cloned();
    payout.updated_at = now;
    let reference = (payout.account_id, payout.merchant_reference.clone());
    if ended == Ended::Approved {
        post(rows, attempt, &attempt.payout_done(), now);
    } else {
        post(rows, attempt, &attempt.payout_failed(), now);
    }
    if ended == Ended::NotSent {
        rows.delete::<PayoutReferenceRow>(&reference); // the request may be repeated
    }
    Some(ended)
}

/// What the request that asked for a payout is answered.
pub(crate) fn reply(payout: &PayoutRow, faces: &Faces) -> Reply {
    Reply { status: 201, content_type: JSON.into(), location: None, body: (faces.payout)(payout).into() }
}

/// `POST /v1/payouts`: claims key and reference and sets the money aside, or finishes at once where there is not enough.
#[derive(Debug)]
pub(crate) struct BeginPayout {
    pub(crate) claim: Claim,
    /// The row as it will be, but for the time.
    pub(crate) payout: PayoutRow,
    pub(crate) herald: Herald,
}

impl BeginPayout {
    /// The attempt to be carried out once this is committed.
    pub(crate) fn attempt(&self) -> Attempt {
        Attempt::payout(&self.payout, Some(Asked::by(&self.claim)))
    }

    fn reference(&self) -> (AccountId, Arc<str>) {
        (self.payout.account_id, self.payout.merchant_reference.clone())
    }
}

impl Command for BeginPayout {
    type Reply = Begun<()>;
    type Refusal = Refusal;

    fn keys(&self, keys: &mut Keys<'_>) {
        idempotency::claim_keys(keys, &self.claim);
        keys.row::<PayoutReferenceRow>(self.reference());
        keys.fresh::<PayoutRow>((self.payout.account_id, self.payout.id));
        let attempt = self.attempt();
        ledger::keys(keys, &attempt.cause(), &attempt.payout_start());
        self.herald.attempt_keys(&attempt, keys);
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Begun<()>, Refusal> {
        if let Err(known) = claim(rows, &self.claim, now) {
            return Ok(Begun::Taken(known));
        }
        let (account_id, merchant_reference) = self.reference();
        if rows.get::<PayoutReferenceRow>(&self.reference()).is_some() {
            return Err(Refusal::ReferenceTaken);
        }
        rows.insert(PayoutReferenceRow { account_id, merchant_reference, payout_id: self.payout.id });
        rows.in_time(self.payout.id);
        let mut payout = PayoutRow { created_at: now, updated_at: now, ..self.payout.clone() };
        let attempt = self.attempt();
        match ledger::post(rows, &attempt.cause(), &attempt.payout_start(), now) {
            Ok(_) => {
                rows.append(payout);
                Ok(Begun::Go(()))
            }
            Err(PostRefusal::BelowFloor { .. }) => {
                payout.state = AttemptState::Declined;
                payout.response = not_covered();
                let reply = reply(&payout, &self.herald.faces);
                rows.append(payout);
                self.herald.payout(rows, &attempt, now);
                let recorded = idempotency::finish(rows, &self.claim.scope, &reply, now);
                let recorded = recorded.expect("the claim was made a moment ago, and the reply is small");
                Ok(Begun::Done(Finished { ended: Ended::Declined, reply: Some(reply), recorded: Some(recorded) }))
            }
            Err(defect) => panic!("an amount within bounds can be set aside: {defect}"),
        }
    }
}

fn not_covered() -> Option<Response> {
    Response::of(&Outcome::Declined(Decline { reference: None, code: INSUFFICIENT_FUNDS.into(), hard: false, iso: None }))
}
