//! The first step of a payment: claim and intent, durable before anybody outside hears of it.

use std::sync::Arc;

use db::{Command, Keys, Rows};
use idempotency::Claim;
use kernel::{AccountId, AttemptId, CheckoutSessionId, Country, Money, PaymentId, Timestamp};

use super::settle::{Ending, conclude, conclude_keys, settle};
use super::{Begun, claim};
use crate::attempt::{Asked, Attempt};
use crate::delays::Delay;
use crate::error::{AmountRefusal, Refusal};
use crate::made_for::MadeFor;
use crate::methods::CardSource;
use crate::origin::Origins;
use crate::rows::{CheckoutSessionRow, PaymentRow};
use crate::rules::Standing;
use crate::types::{AttemptState, CardFace, Connector, Mode, OriginKind, SplitPlan, Workflow};

/// What a product wants charged, with the ids it made for it.
#[derive(Clone, Debug)]
pub struct Charge {
    /// The tenant.
    pub account_id: AccountId,
    /// The payment's fresh id.
    pub payment_id: PaymentId,
    /// The first attempt's fresh id.
    pub attempt_id: AttemptId,
    /// What the caller calls the order.
    pub merchant_order_id: Arc<str>,
    /// In the caller's words.
    pub description: Arc<str>,
    /// Where it is made.
    pub country: Country,
    /// How much; zero for [`Mode::Verify`] and only then.
    pub amount: Money,
    /// What a purchase costs the merchant, in minor units.
    pub fee: i64,
    /// What it is meant to do.
    pub mode: Mode,
    /// How the card came.
    pub workflow: Workflow,
    /// Whose payment it is.
    pub origin: OriginKind,
    /// Where it will be sent.
    pub connector: Connector,
    /// What may be shown of the card.
    pub card: Option<CardFace>,
    /// The checkout session it uses.
    pub checkout_session: Option<CheckoutSessionId>,
    /// The caller's idempotency key, as it is shown.
    pub idempotency_key: Option<Arc<str>>,
    /// Who the money is for, unless it is the usual: the merchant, less the fee.
    pub split: Option<SplitPlan>,
    /// Everything that is only echoed.
    pub details: Option<Arc<[u8]>>,
    /// What is done by itself a while after an authorisation is approved.
    pub delay: Option<Delay>,
    /// Whose card it is and where it came from.
    pub source: CardSource,
}

impl Charge {
    fn row(&self, now: Timestamp) -> PaymentRow {
        let standing = Standing::created(self.mode, self.amount);
        PaymentRow {
            account_id: self.account_id,
            id: self.payment_id,
            attempt_id: self.attempt_id,
            merchant_order_id: self.merchant_order_id.clone(),
            description: self.description.clone(),
            country: self.country,
            currency: self.amount.currency(),
            amount: self.amount.minor(),
            fee: self.fee,
            mode: self.mode,
            workflow: self.workflow,
            origin: self.origin,
            connector: self.connector,
            card: self.card.clone(),
            checkout_session: self.checkout_session,
            idempotency_key: self.idempotency_key.clone(),
            split: self.split.clone(),
            details: self.details.clone(),
            delay: self.delay,
            customer_id: self.source.customer,
            token: self.source.token,
            created_at: now,
            state: standing.state,
            earlier: None,
            attempt: AttemptState::Sending,
            response: None,
            answered_at: None,
            captured: standing.captured,
            capturing: standing.capturing,
            refunded: standing.refunded,
            refunding: standing.refunding,
            hold_until: standing.hold_until,
            method_id: self.source.method_id(),
            vaulted_token: self.source.method.map(|(_, vaulted_token)| vaulted_token),
            updated_at: now,
        }
    }

    /// The attempt it begins with, to be carried out once [`begin`] is committed.
    pub fn attempt(&self, asked: Option<Asked>) -> Attempt {
        Attempt {
            account_id: self.account_id,
            payment_id: self.payment_id,
            id: self.attempt_id,
            kind: self.mode.into(),
            amount: self.amount,
            fee: self.fee,
            origin: self.origin,
            payment_origin: self.origin,
            connector: self.connector,
            charge: self.attempt_id,
            charge_reference: None,
            named: self.attempt_id,
            split: self.split.clone(),
            token: self.source.token,
            method: self.source.method_id(),
            delay: self.delay,
            tried_as: None,
            asked,
        }
    }

    fn session_key(&self) -> Option<(AccountId, CheckoutSessionId)> {
        self.checkout_session.map(|session| (self.account_id, session))
    }
}

/// Names the rows that [`begin`] touches.
pub fn begin_keys(keys: &mut Keys<'_>, charge: &Charge) {
    keys.fresh::<PaymentRow>((charge.account_id, charge.payment_id));
    if let Some(session) = charge.session_key() {
        keys.row::<CheckoutSessionRow>(session);
    }
    charge.source.keys(keys, charge.account_id);
}

/// Writes the intent down: to be called inside the product's own decision, next to whatever the payment is for.
///
/// # Errors
/// [`Refusal::CheckoutSessionNotFound`] or [`Refusal::InvalidAmount`] when its checkout session does not allow it, and what
/// [`CardSource`] says when its card does not.
pub fn begin(rows: &mut Rows, charge: &Charge, now: Timestamp) -> Result<(), Refusal> {
    if let Some(key) = charge.session_key() {
        let session = rows.get_mut::<CheckoutSessionRow>(&key).ok_or(Refusal::CheckoutSessionNotFound)?;
        if !session.is_open(now) {
            return Err(Refusal::CheckoutSessionNotFound);
        }
        if let Some(fixed) = session.money().filter(|fixed| *fixed != charge.amount) {
            return Err(AmountRefusal::NotTheSessions(fixed).into());
        }
        session.payment_id = Some(charge.payment_id);
    }
    charge.source.take(rows, charge.account_id, charge.payment_id, now)?;
    rows.in_time(charge.payment_id);
    rows.append(charge.row(now));
    Ok(())
}

/// `POST /v1/payments`: claims the key and writes the intent, or finishes at once where no acquirer is needed to know the outcome.
#[derive(Clone, Debug)]
pub(crate) struct BeginPayment {
    pub(crate) claim: Claim,
    pub(crate) charge: Charge,
    /// What is known without asking anybody: a card that cannot be good.
    pub(crate) known: Option<Ending>,
    pub(crate) made_for: MadeFor,
    pub(crate) origins: Origins,
}

impl BeginPayment {
    /// The attempt to be carried out once this is committed.
    pub(crate) fn attempt(&self) -> Attempt {
        self.charge.attempt(Some(self.asked()))
    }

    pub(crate) fn asked(&self) -> Asked {
        Asked::by(&self.claim)
    }
}

impl Command for BeginPayment {
    type Reply = Begun<()>;
    type Refusal = Refusal;

    fn keys(&self, keys: &mut Keys<'_>) {
        idempotency::claim_keys(keys, &self.claim);
        begin_keys(keys, &self.charge);
        self.made_for.begin_keys(keys, &self.charge);
        if self.known.is_some() {
            conclude_keys(keys, &self.attempt(), &self.origins);
        }
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Begun<()>, Refusal> {
        if let Err(known) = claim(rows, &self.claim, now) {
            return Ok(Begun::Taken(known));
        }
        self.made_for.begin(rows, &self.charge, now)?;
        begin(rows, &self.charge, now)?;
        let Some(ending) = &self.known else { return Ok(Begun::Go(())) };
        let attempt = self.attempt();
        let ended = settle(rows, &attempt, ending, &self.origins, now).expect("the attempt was written a moment ago");
        let finished = conclude(rows, &attempt, ended, &self.origins, now).expect("the claim was made a moment ago");
        Ok(Begun::Done(finished))
    }
}
