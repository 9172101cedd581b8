//! Checkout sessions: made and changed in one commit, with their reply when the request brought a key.

use db::{Keys, Rows};
use idempotency::Reply;
use kernel::{AccountId, CheckoutSessionId, CustomerId, Timestamp};

use super::{Decision, json};
use crate::asks::{CreateCheckoutSession, PatchCheckoutSession};
use crate::customers::{self, CustomerRow};
use crate::error::Refusal;
use crate::facts::Faces;
use crate::rows::CheckoutSessionRow;

/// `POST /v1/checkout/sessions`.
#[derive(Debug)]
pub(crate) struct CreateSession {
    pub(crate) account_id: AccountId,
    /// The session's fresh id.
    pub(crate) id: CheckoutSessionId,
    pub(crate) ask: CreateCheckoutSession,
    /// Who will pay.
    pub(crate) customer: Option<CustomerId>,
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
            customer_id: self.customer,
            created_at: now,
            payment_id: None,
        }
    }
}

impl Decision for CreateSession {
    fn keys(&self, keys: &mut Keys<'_>) {
        if let Some(customer) = self.customer {
            keys.row::<CustomerRow>((self.account_id, customer));
        }
        keys.fresh::<CheckoutSessionRow>((self.account_id, self.id));
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Reply, Refusal> {
        if let Some(customer) = self.customer {
            customers::live(rows, self.account_id, customer)?;
        }
        let row = self.row(now);
        let body = (self.faces.session)(&row);
        rows.append(row);
        Ok(json(200, body))
    }
}

/// `PATCH /v1/checkout/sessions/{id}`.
#[derive(Debug)]
pub(crate) struct PatchSession {
    pub(crate) account_id: AccountId,
    pub(crate) id: CheckoutSessionId,
    pub(crate) ask: PatchCheckoutSession,
    /// Who will pay, if that changes.
    pub(crate) customer: Option<CustomerId>,
    pub(crate) faces: Faces,
}

impl Decision for PatchSession {
    fn keys(&self, keys: &mut Keys<'_>) {
        if let Some(customer) = self.customer {
            keys.row::<CustomerRow>((self.account_id, customer));
        }
        keys.row::<CheckoutSessionRow>((self.account_id, self.id));
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Reply, Refusal> {
        let session = rows.get_mut::<CheckoutSessionRow>(&(self.account_id, self.id));
        let session = session.filter(|session| session.is_open(now)).ok_or(Refusal::CheckoutSessionNotFound)?;
        let ask = &self.ask;
        if let Some(order) = &ask.merchant_order_id {
            session.merchant_order_id = order.clone();
        }
        if let Some(description) = &ask.payment_description {
            session.payment_description = description.clone();
        }
        session.country = ask.country.unwrap_or(session.country);
        session.workflow = ask.workflow.unwrap_or(session.workflow);
        if let Some(amount) = ask.amount {
            session.currency = amount.map(kernel::Money::currency);
            session.amount = amount.map(kernel::Money::minor);
        }
        if ask.customer.is_some() {
            session.customer_id = self.customer;
        }
        session.details = customers::changed(session.details.as_deref(), &ask.changes);
        let body = (self.faces.session)(session);
        if let Some(customer) = self.customer {
            customers::live(rows, self.account_id, customer)?;
        }
        Ok(json(200, body))
    }
}
