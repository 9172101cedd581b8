//! Checkout sessions: made in one commit, with their reply when the request brought a key.

use db::{Command, Keys, Rows};
use idempotency::{Claim, Reply};
use kernel::{AccountId, CheckoutSessionId, Timestamp};

use super::{Begun, claim};
use crate::asks::CreateCheckoutSession;
use crate::facts::Faces;
use crate::origin::{Ended, JSON};
use crate::rows::CheckoutSessionRow;

use super::settle::Finished;

/// `POST /v1/checkout/sessions`.
#[derive(Debug)]
pub(crate) struct CreateSession {
    pub(crate) account_id: AccountId,
    /// The session's fresh id.
    pub(crate) id: CheckoutSessionId,
    pub(crate) ask: CreateCheckoutSession,
    /// The key is optional here.
    pub(crate) claim: Option<Claim>,
    pub(crate) faces: Faces,
}

impl CreateSession {
    fn row(&self, now: Timestamp) -> CheckoutSessionRow {
        let ask = &self.ask;
        CheckoutSessionRow {
            account_id: self.account_id,
            id: self.id,
            merchant_order_id: ask.merchant_order_id.clone(),
            payment_description: ask.payment_description.clone(),
            country: ask.country,
            currency: ask.amount.map(kernel::Money::currency),
            amount: ask.amount.map(kernel::Money::minor),
            workflow: ask.workflow,
            details: ask.details.clone(),
            created_at: now,
            payment_id: None,
        }
    }
}

impl Command for CreateSession {
    type Reply = Begun<()>;
    type Refusal = std::convert::Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        if let Some(claim) = &self.claim {
            idempotency::claim_keys(keys, claim);
        }
        keys.fresh::<CheckoutSessionRow>((self.account_id, self.id));
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Begun<()>, Self::Refusal> {
        if let Some(Err(known)) = self.claim.as_ref().map(|asked| claim(rows, asked, now)) {
            return Ok(Begun::Taken(known));
        }
        let row = self.row(now);
        let reply = Reply { status: 200, content_type: JSON.into(), location: None, body: (self.faces.session)(&row).into() };
        rows.append(row);
        let recorded = self.claim.as_ref().map(|claim| {
            idempotency::finish(rows, &claim.scope, &reply, now).expect("the claim was made a moment ago, and the reply is small")
        });
        Ok(Begun::Done(Finished { ended: Ended::Approved, reply: Some(reply), recorded }))
    }
}
