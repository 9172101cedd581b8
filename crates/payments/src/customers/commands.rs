//! Decisions about customers: each one commit, with its reply when the request brought a key.

use db::{Command, Keys, Rows};
use idempotency::{Reply, Scope};
use kernel::{AccountId, CustomerId, CustomerSessionId, Timestamp};
use messaging::Family;

use super::document::changed;
use super::forgetting::{self, Amended};
use super::rows::{CustomerReferenceRow, CustomerRow, CustomerSessionRow};
use super::types::{CreateCustomer, CreateCustomerSession, PatchCustomer};
use crate::announce::Herald;
use crate::commands::{Decision, json};
use crate::error::Refusal;
use crate::facts::Faces;
use crate::methods::{self, Seen};

/// The customer, unless it does not exist or was deleted.
///
/// # Errors
/// [`Refusal::CustomerNotFound`].
pub(crate) fn live(rows: &mut Rows, account: AccountId, id: CustomerId) -> Result<&mut CustomerRow, Refusal> {
    rows.get_mut::<CustomerRow>(&(account, id)).filter(|row| row.deleted_at.is_none()).ok_or(Refusal::CustomerNotFound)
}

/// Names the customer that [`payer`] looks at.
pub(crate) fn payer_keys(keys: &mut Keys<'_>, account: AccountId, named: Option<&str>) {
    if let Some(Ok(id)) = named.map(str::parse) {
        keys.row::<CustomerRow>((account, id));
    }
}

/// Whoever is named to pay later must be a customer now.
///
/// # Errors
/// [`Refusal::PayerNotFound`].
pub(crate) fn payer(rows: &mut Rows, account: AccountId, named: Option<&str>) -> Result<(), Refusal> {
    let Some(named) = named else { return Ok(()) };
    let id: CustomerId = named.parse().map_err(|_| Refusal::PayerNotFound)?;
    live(rows, account, id).map(|_| ()).map_err(|_| Refusal::PayerNotFound)
}

/// `POST /v1/customers`.
#[derive(Debug)]
pub(super) struct Create {
    pub(super) account: AccountId,
    pub(super) id: CustomerId,
    pub(super) ask: CreateCustomer,
    /// Where the key of the request counts, if it has one: its reply is recorded.
    pub(super) scope: Option<Scope>,
    pub(super) faces: Faces,
}

impl Decision for Create {
    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<CustomerReferenceRow>((self.account, self.ask.merchant_customer_id.clone()));
        keys.fresh::<CustomerRow>((self.account, self.id));
        forgetting::note_keys(keys, self.id, self.scope);
    }

    fn is_remembered(&self) -> bool {
        false
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Reply, Refusal> {
        let name = self.ask.merchant_customer_id.clone();
        take_name(rows, self.account, self.id, name.clone())?;
        let row = CustomerRow {
            account_id: self.account,
            id: self.id,
            created_at: now,
            merchant_customer_id: Some(name),
            document: self.ask.document.clone(),
            last_method: None,
            deleted_at: None,
            forget_after: None,
            updated_at: now,
        };
        let body = (self.faces.customer)(&row);
        rows.append(row);
        forgetting::note(rows, self.id, self.scope, now);
        Ok(json(201, body))
    }
}

/// Notes a merchant's name for a customer.
fn take_name(rows: &mut Rows, account: AccountId, id: CustomerId, name: std::sync::Arc<str>) -> Result<(), Refusal> {
    if rows.get::<CustomerReferenceRow>(&(account, name.clone())).is_some() {
        return Err(Refusal::CustomerIdDuplicated);
    }
    rows.insert(CustomerReferenceRow { account_id: account, merchant_customer_id: name, customer_id: id });
    Ok(())
}

/// `PATCH /v1/customers/{id}`.
#[derive(Debug)]
pub(super) struct Patch {
    pub(super) account: AccountId,
    pub(super) id: CustomerId,
    pub(super) ask: PatchCustomer,
    /// As of [`Create`].
    pub(super) scope: Option<Scope>,
    pub(super) faces: Faces,
}

impl Decision for Patch {
    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<CustomerRow>((self.account, self.id));
        forgetting::note_keys(keys, self.id, self.scope);
        if let Some(name) = &self.ask.merchant_customer_id {
            keys.row::<CustomerReferenceRow>((self.account, name.clone()));
        }
    }

    fn is_remembered(&self) -> bool {
        false
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Reply, Refusal> {
        let before = live(rows, self.account, self.id)?.merchant_customer_id.clone();
        if let Some(name) = self.ask.merchant_customer_id.clone().filter(|name| before.as_ref() != Some(name)) {
            take_name(rows, self.account, self.id, name)?;
            if let Some(before) = before {
                rows.delete::<CustomerReferenceRow>(&(self.account, before));
            }
        }
        let row = live(rows, self.account, self.id)?;
        if let Some(name) = &self.ask.merchant_customer_id {
            row.merchant_customer_id = Some(name.clone());
        }
        row.document = changed(row.document.as_deref(), &self.ask.changes);
        row.updated_at = now;
        let body = (self.faces.customer)(row);
        forgetting::note(rows, self.id, self.scope, now);
        Ok(json(200, body))
    }
}

/// `DELETE /v1/customers/{id}`: forgets the person and destroys the cards.
#[derive(Debug)]
pub(super) struct Delete {
    pub(super) account: AccountId,
    pub(super) id: CustomerId,
    /// The methods he was seen to have, enrolled or not.
    pub(super) methods: Vec<Seen>,
    /// The recorded replies that were seen to show him; more are forgotten with his payments.
    pub(super) replies: Vec<Scope>,
    pub(super) herald: Herald,
}

impl Command for Delete {
    /// The replies that were recorded anew.
    type Reply = Amended;
    type Refusal = Refusal;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<CustomerRow>((self.account, self.id));
        forgetting::replies_keys(keys, self.id, &self.replies);
        methods::forget_keys(keys, self.account, self.id, &self.methods);
        self.herald.keys(self.account, Family::Enrollment, keys);
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Amended, Refusal> {
        let row = live(rows, self.account, self.id)?;
        let name = row.merchant_customer_id.take();
        row.document = None;
        row.last_method = None;
        row.deleted_at = Some(now);
        row.forget_after = Some(forgetting::NO_PAYMENT);
        row.updated_at = now;
        if let Some(name) = name {
            rows.delete::<CustomerReferenceRow>(&(self.account, name));
        }
        methods::forget_all(rows, &self.herald, self.account, self.id, &self.methods, now);
        Ok(forgetting::replies(rows, self.account, self.id, &self.replies, &self.herald.faces))
    }
}

/// `POST /v1/customers/sessions`.
#[derive(Debug)]
pub(super) struct OpenSession {
    pub(super) account: AccountId,
    pub(super) id: CustomerSessionId,
    pub(super) customer: CustomerId,
    pub(super) ask: CreateCustomerSession,
    pub(super) faces: Faces,
}

impl Decision for OpenSession {
    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<CustomerRow>((self.account, self.customer));
        keys.fresh::<CustomerSessionRow>((self.account, self.id));
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Reply, Refusal> {
        live(rows, self.account, self.customer)?;
        let row = CustomerSessionRow {
            account_id: self.account,
            id: self.id,
            customer_id: self.customer,
            country: self.ask.country,
            callback_url: self.ask.callback_url.clone(),
            created_at: now,
        };
        let body = (self.faces.customer_session)(&row);
        rows.append(row);
        Ok(json(201, body))
    }
}
