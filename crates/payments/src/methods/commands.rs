//! Decisions about stored payment methods.

use std::convert::Infallible;

use db::{Command, Keys, Rows};
use idempotency::{Claim, Reply};
use kernel::{AccountId, CustomerId, CustomerSessionId, PaymentMethodId, Timestamp, TokenId};
use messaging::Family;
use uuid::Uuid;

use super::queries::Seen;
use super::rows::{CustomerCardRow, PaymentMethodRow};
use super::source::{NewMethod, existing};
use super::types::MethodStatus;
use crate::announce::Herald;
use crate::attempt::{Asked, Attempt};
use crate::commands::{Begun, Charge, Decision, Ending, begin, begin_keys, claim, conclude, conclude_keys, done, json, settle};
use crate::customers::{self, CustomerRow, CustomerSessionRow};
use crate::error::Refusal;
use crate::facts::{Faces, MethodFacts};
use crate::origin::Origins;
use crate::rows::PaymentRow;
use crate::tokens;
use crate::types::{AttemptState, CardFace};
use crate::vault;

/// Whether the method can be charged.
pub(super) fn enrolled(rows: &mut Rows, account: AccountId, method: PaymentMethodId) -> bool {
    rows.get::<PaymentMethodRow>(&(account, method)).is_some_and(|row| row.status == MethodStatus::Enrolled)
}

/// Destroys the number of a method.
pub(super) fn destroy_number(rows: &mut Rows, account: AccountId, method: PaymentMethodId) {
    if let Some(record) = rows.get_mut::<PaymentMethodRow>(&(account, method)).and_then(|row| row.number_record.take()) {
        vault::destroy(rows, account, record);
    }
}

/// Tells receivers of webhooks of the status a method has now: to be called once where it has just changed.
pub(super) fn tell(rows: &mut Rows, herald: &Herald, account: AccountId, method: PaymentMethodId, now: Timestamp) {
    herald.method(rows, account, method, is_last, now);
}

/// Takes a method off: its number is destroyed, its customer may enrol the card again.
pub(super) fn unenrol(rows: &mut Rows, herald: &Herald, account: AccountId, method: PaymentMethodId, now: Timestamp) {
    destroy_number(rows, account, method);
    let Some(row) = rows.get_mut::<PaymentMethodRow>(&(account, method)) else { return };
    row.turn(MethodStatus::Unenrolled, now);
    if let Some(card) = row.card_key()
        && rows.get::<CustomerCardRow>(&card).is_some_and(|known| known.method_id == method)
    {
        rows.delete::<CustomerCardRow>(&card);
    }
    tell(rows, herald, account, method, now);
}

/// Takes all cards of a customer off who is forgotten, and forgets whose name is on them. `listed` are the methods he was seen to have;
/// one whose card is being checked at this moment ends when the check does.
pub(crate) fn forget_all(
    rows: &mut Rows,
    herald: &Herald,
    account: AccountId,
    customer: CustomerId,
    listed: &[Seen],
    now: Timestamp,
) {
    let cards = rows.all::<CustomerCardRow>(&(account, customer));
    let mut methods: Vec<_> = cards.iter().map(|card| rows.must::<CustomerCardRow>(card).method_id).collect();
    let others: Vec<_> = listed.iter().map(|seen| seen.id).filter(|method| !methods.contains(method)).collect();
    methods.extend(others);
    for method in methods {
        let Some(row) = rows.get_mut::<PaymentMethodRow>(&(account, method)) else { continue };
        row.card = row.card.as_ref().map(CardFace::anonymous);
        row.updated_at = now;
        if matches!(row.status, MethodStatus::Enrolled | MethodStatus::ReadyToEnroll) {
            unenrol(rows, herald, account, method, now);
        }
    }
}

/// Enrols a method whose number is in the vault; whoever calls it tells of a method that came to be enrolled. A customer who has the
/// card already keeps the method it is known as, and this one goes; a customer who was deleted meanwhile gets none. Gives the method
/// that can be charged, with what it is charged by.
pub(super) fn enrol(
    rows: &mut Rows,
    herald: &Herald,
    account: AccountId,
    method: PaymentMethodId,
    now: Timestamp,
) -> Option<(PaymentMethodId, Uuid)> {
    let row = rows.must::<PaymentMethodRow>(&(account, method)).clone();
    if is_orphan(rows, &row) {
        withdraw(rows, herald, &row, now);
        return None;
    }
    if let Some(card) = row.card_key() {
        if let Some(known) = existing(rows, herald, card, now) {
            renew(rows, account, known, &row, now);
            withdraw(rows, herald, &row, now);
            let token = rows.must::<PaymentMethodRow>(&(account, known)).vaulted_token;
            return Some((known, token));
        }
        rows.insert(CustomerCardRow { account_id: account, customer_id: card.1, fingerprint: card.2, method_id: method });
    }
    let stored = rows.must_mut::<PaymentMethodRow>(&(account, method));
    stored.turn(MethodStatus::Enrolled, now);
    Some((method, stored.vaulted_token))
}

/// The same card came again: if it was issued anew, it lasts longer now.
fn renew(rows: &mut Rows, account: AccountId, known: PaymentMethodId, came: &PaymentMethodRow, now: Timestamp) {
    let row = rows.must_mut::<PaymentMethodRow>(&(account, known));
    if let (Some(before), Some(card)) = (&row.card, &came.card)
        && card.outlasts(before)
    {
        row.card = Some(card.clone());
        row.updated_at = now;
    }
}

/// Whether its customer was deleted meanwhile.
pub(super) fn is_orphan(rows: &mut Rows, row: &PaymentMethodRow) -> bool {
    row.customer_id.is_some_and(|customer| customers::live(rows, row.account_id, customer).is_err())
}

/// A method that is not needed. One that a request prepared stays as a trace of that request.
fn withdraw(rows: &mut Rows, herald: &Herald, row: &PaymentMethodRow, now: Timestamp) {
    if row.customer_session.is_none() {
        destroy_number(rows, row.account_id, row.id);
        rows.delete::<PaymentMethodRow>(&(row.account_id, row.id));
    } else {
        put_aside(rows, herald, row.account_id, row.id, now);
    }
}

/// A method that came to nothing and stays as a trace of the request it answers, without the name on its card.
pub(super) fn put_aside(rows: &mut Rows, herald: &Herald, account: AccountId, method: PaymentMethodId, now: Timestamp) {
    destroy_number(rows, account, method);
    let row = rows.must_mut::<PaymentMethodRow>(&(account, method));
    row.card = row.card.as_ref().map(CardFace::anonymous);
    row.turn(MethodStatus::Unenrolled, now);
    tell(rows, herald, account, method, now);
}

/// Whether its customer paid with it last.
fn is_last(rows: &mut Rows, method: &PaymentMethodRow) -> bool {
    let customer = method.customer_id.and_then(|customer| rows.get::<CustomerRow>(&(method.account_id, customer)));
    customer.is_some_and(|customer| customer.last_method == Some(method.id))
}

/// Draws a method as its request is answered.
pub(super) fn drawn(rows: &mut Rows, faces: &Faces, account: AccountId, method: PaymentMethodId, now: Timestamp) -> Vec<u8> {
    let row = rows.must::<PaymentMethodRow>(&(account, method)).clone();
    let last = is_last(rows, &row);
    let check = row.payment_id.and_then(|payment| rows.get::<PaymentRow>(&(account, payment)));
    let asked = check.filter(|check| check.attempt == AttemptState::AwaitingPayer);
    let page = asked.map(|check| faces.challenges.url(check.attempt_id));
    (faces.method)(&MethodFacts { method: &row, last, now, page: page.as_deref() })
}

/// `POST /v1/customers/sessions/{cs}/payment-methods`: a method that waits for its card.
#[derive(Debug)]
pub(super) struct Prepare {
    pub(super) row: PaymentMethodRow,
    pub(super) session: CustomerSessionId,
    pub(super) faces: Faces,
}

impl Decision for Prepare {
    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<CustomerSessionRow>((self.row.account_id, self.session));
        if let Some(customer) = self.row.customer_id {
            keys.row::<CustomerRow>((self.row.account_id, customer));
        }
        keys.fresh::<PaymentMethodRow>((self.row.account_id, self.row.id));
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Reply, Refusal> {
        let account = self.row.account_id;
        let session = rows.get::<CustomerSessionRow>(&(account, self.session)).ok_or(Refusal::CustomerSessionNotFound)?;
        if now >= session.created_at.plus_seconds(customers::CUSTOMER_SESSION_SECONDS) {
            return Err(Refusal::CustomerSessionNotFound);
        }
        if let Some(customer) = self.row.customer_id {
            customers::live(rows, account, customer)?;
        }
        rows.append(PaymentMethodRow { created_at: now, updated_at: now, ..self.row.clone() });
        let body = drawn(rows, &self.faces, account, self.row.id, now);
        Ok(json(201, body))
    }
}

/// Enrols a card, directly or into a method that waits for it; with a check, only writes the intent.
#[derive(Clone, Debug)]
pub(super) struct Enrol {
    /// The method and its number.
    pub(super) new: NewMethod,
    /// It fills a method that waits in this session.
    pub(super) waits_in: Option<CustomerSessionId>,
    /// The token that the card came with.
    pub(super) token: Option<TokenId>,
    /// The card check that comes first, with what is known without asking anybody.
    pub(super) check: Option<Box<Charge>>,
    /// Why the card cannot be good.
    pub(super) known: Option<Ending>,
    /// The request's key; its subject is the method unless there is a check.
    pub(super) claim: Claim,
    pub(super) origins: Origins,
    pub(super) faces: Faces,
}

impl Enrol {
    fn key(&self) -> (AccountId, PaymentMethodId) {
        (self.new.row.account_id, self.new.row.id)
    }

    /// The check's attempt, to be carried out once the intent is committed.
    pub(super) fn attempt(&self) -> Option<Attempt> {
        self.check.as_ref().map(|check| check.attempt(Some(Asked::by(&self.claim))))
    }

    /// The method that the card comes into must be waiting for one.
    fn waiting(&self, rows: &mut Rows, now: Timestamp) -> Result<(), Refusal> {
        let Some(session) = self.waits_in else { return Ok(()) };
        let row = rows.get::<PaymentMethodRow>(&self.key()).filter(|row| row.customer_session == Some(session));
        match row.ok_or(Refusal::PaymentMethodNotFound)?.status_at(now) {
            MethodStatus::ReadyToEnroll => Ok(()),
            _ => Err(Refusal::InvalidStatus),
        }
    }

    /// The customer has the card: the method it is known as is the answer.
    fn known_as(&self, rows: &mut Rows, known: PaymentMethodId, now: Timestamp) -> Result<Begun<()>, Refusal> {
        let account = self.new.row.account_id;
        if let Some(token) = self.token {
            tokens::spend(rows, account, token, known.uuid(), now)?;
            tokens::erase(rows, account, token, now);
        }
        renew(rows, account, known, &self.new.row, now);
        if self.waits_in.is_some() {
            withdraw(rows, self.origins.herald(), &self.new.row, now);
        }
        let body = drawn(rows, &self.faces, account, known, now);
        Ok(done(rows, Some(&self.claim), 201, body, now))
    }

    /// Without a check the card is enrolled at once, unless it cannot be good.
    fn at_once(&self, rows: &mut Rows, now: Timestamp) -> Result<Begun<()>, Refusal> {
        let ((account, id), herald) = (self.key(), self.origins.herald());
        if let Some(token) = self.token {
            tokens::spend(rows, account, token, id.uuid(), now)?;
            tokens::erase(rows, account, token, now);
        }
        self.new.put(rows, now)?;
        let shown = if self.known.is_some() {
            destroy_number(rows, account, id);
            rows.must_mut::<PaymentMethodRow>(&(account, id)).turn(MethodStatus::Declined, now);
            tell(rows, herald, account, id, now);
            id
        } else {
            let kept = enrol(rows, herald, account, id, now).map(|(id, _)| id);
            if kept == Some(id) {
                tell(rows, herald, account, id, now);
            }
            kept.unwrap_or(id)
        };
        let body = drawn(rows, &self.faces, account, shown, now);
        Ok(done(rows, Some(&self.claim), 201, body, now))
    }
}

impl Command for Enrol {
    type Reply = Begun<()>;
    type Refusal = Refusal;

    fn keys(&self, keys: &mut Keys<'_>) {
        idempotency::claim_keys(keys, &self.claim);
        self.new.keys(keys);
        let account = self.new.row.account_id;
        self.origins.herald().keys(account, Family::Enrollment, keys);
        if let Some(card) = self.new.row.card_key() {
            keys.row::<CustomerCardRow>(card);
            keys.row::<CustomerRow>((account, card.1));
        }
        match &self.check {
            Some(check) => begin_keys(keys, check),
            None => {
                if let Some(token) = self.token {
                    tokens::spend_keys(keys, account, token);
                }
            }
        }
        if let Some(attempt) = self.attempt().filter(|_| self.known.is_some()) {
            conclude_keys(keys, &attempt, &self.origins);
        }
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Begun<()>, Refusal> {
        let account = self.new.row.account_id;
        let known = self.new.row.card_key().and_then(|card| existing(rows, self.origins.herald(), card, now));
        let claimed = match known {
            Some(known) => Claim { subject: known.uuid(), ..self.claim.clone() },
            None => self.claim.clone(),
        };
        if let Err(known) = claim(rows, &claimed, now) {
            return Ok(Begun::Taken(known));
        }
        self.waiting(rows, now)?;
        if let Some(customer) = self.new.row.customer_id {
            customers::live(rows, account, customer)?;
        }
        if let Some(known) = known {
            return self.known_as(rows, known, now);
        }
        let Some((check, attempt)) = self.check.as_deref().zip(self.attempt()) else { return self.at_once(rows, now) };
        begin(rows, check, now)?;
        let Some(ending) = &self.known else { return Ok(Begun::Go(())) };
        let ended = settle(rows, &attempt, ending, &self.origins, now).expect("the attempt was written a moment ago");
        let finished = conclude(rows, &attempt, ended, &self.origins, now).expect("the claim was made a moment ago");
        Ok(Begun::Done(finished))
    }
}

/// `POST …/{pm}/unenroll`.
#[derive(Debug)]
pub(super) struct Unenrol {
    pub(super) account: AccountId,
    pub(super) id: PaymentMethodId,
    /// The customer it must belong to, where one is named.
    pub(super) customer: Option<CustomerId>,
    pub(super) herald: Herald,
}

impl Decision for Unenrol {
    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<PaymentMethodRow>((self.account, self.id));
        self.herald.keys(self.account, Family::Enrollment, keys);
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Reply, Refusal> {
        let row = rows.get::<PaymentMethodRow>(&(self.account, self.id));
        let of_customer = |row: &&PaymentMethodRow| self.customer.is_none_or(|customer| row.customer_id == Some(customer));
        let row = row.filter(of_customer).ok_or(Refusal::PaymentMethodNotFound)?;
        if !row.can_be_unenrolled(now) {
            return Err(Refusal::InvalidStatus);
        }
        unenrol(rows, &self.herald, self.account, self.id, now);
        let body = drawn(rows, &self.herald.faces, self.account, self.id, now);
        Ok(json(200, body))
    }
}

/// A method's number did not open: from now on it says so itself.
#[derive(Debug)]
pub(super) struct MarkDamaged {
    pub(super) account: AccountId,
    pub(super) id: PaymentMethodId,
    /// The record that was tried; another one that came meanwhile is not judged by it.
    pub(super) record: Option<Uuid>,
    pub(super) herald: Herald,
}

impl Command for MarkDamaged {
    type Reply = ();
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<PaymentMethodRow>((self.account, self.id));
        self.herald.keys(self.account, Family::Enrollment, keys);
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<(), Infallible> {
        let row = rows.get_mut::<PaymentMethodRow>(&(self.account, self.id));
        if let Some(row) = row.filter(|row| row.status == MethodStatus::Enrolled && row.number_record == self.record) {
            row.turn(MethodStatus::Error, now);
            tell(rows, &self.herald, self.account, self.id, now);
        }
        Ok(())
    }
}
