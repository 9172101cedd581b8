//! Where a charge's card comes from, and what becomes of it when the charge ends. Pure: called inside decisions.

use db::{Keys, Rows};
use kernel::{AccountId, CustomerId, PaymentId, PaymentMethodId, Timestamp, TokenId};
use uuid::Uuid;

use super::commands::{destroy_number, enrol, enrolled, is_orphan, put_aside, tell, unenrol};
use super::queries::Seen;
use super::rows::{CustomerCardRow, PaymentMethodRow};
use super::types::MethodStatus;
use crate::announce::Herald;
use crate::attempt::Attempt;
use crate::customers::{self, CustomerRow};
use crate::error::Refusal;
use crate::origin::Ended;
use crate::tokens;
use crate::types::OriginKind;
use crate::vault::{self, Sealed};

/// A card to be stored if the charge goes through, with its number already sealed.
#[derive(Clone, Debug)]
pub struct NewMethod {
    /// The method as it is while the acquirer is asked.
    pub row: PaymentMethodRow,
    /// The number.
    pub number: Sealed,
}

/// Whose card a charge takes and where it came from; nothing at all for a card that was just typed in.
#[derive(Clone, Debug, Default)]
pub struct CardSource {
    /// The customer who pays.
    pub customer: Option<CustomerId>,
    /// A one-time token, used up by the charge.
    pub token: Option<TokenId>,
    /// A stored method, with what it is charged by.
    pub method: Option<(PaymentMethodId, Uuid)>,
    /// A card to be stored if the charge goes through.
    pub keep: Option<Box<NewMethod>>,
}

impl CardSource {
    /// The method that pays, or that is stored.
    pub fn method_id(&self) -> Option<PaymentMethodId> {
        self.method.map(|(id, _)| id).or_else(|| self.keep.as_ref().map(|keep| keep.row.id))
    }

    pub(crate) fn keys(&self, keys: &mut Keys<'_>, account: AccountId) {
        if let Some(customer) = self.customer {
            keys.row::<CustomerRow>((account, customer));
        }
        if let Some(token) = self.token {
            tokens::spend_keys(keys, account, token);
        }
        if let Some(method) = self.method_id() {
            keys.row::<PaymentMethodRow>((account, method));
        }
        if let Some(keep) = &self.keep {
            keep.keys(keys);
        }
    }

    /// Looks whether the card may be taken and takes it: part of the intent.
    ///
    /// # Errors
    /// [`Refusal::CustomerNotFound`], [`Refusal::InvalidToken`], [`Refusal::PaymentMethodNotFound`], [`Refusal::PaymentMethodStatus`],
    /// [`Refusal::InvalidCustomerForToken`]; [`Refusal::KeysChanged`] when a number has to be sealed anew.
    pub(crate) fn take(&self, rows: &mut Rows, account: AccountId, payment: PaymentId, now: Timestamp) -> Result<(), Refusal> {
        if let Some(customer) = self.customer {
            customers::live(rows, account, customer)?;
        }
        if let Some(token) = self.token {
            tokens::spend(rows, account, token, payment.uuid(), now)?;
        }
        if let Some((method, _)) = self.method {
            let row = rows.get::<PaymentMethodRow>(&(account, method)).ok_or(Refusal::PaymentMethodNotFound)?;
            may_be_charged(row, self.customer)?;
        }
        match &self.keep {
            Some(keep) => keep.put(rows, now),
            None => Ok(()),
        }
    }
}

/// Whether a stored method can be charged for this customer.
///
/// # Errors
/// [`Refusal::InvalidCustomerForToken`], [`Refusal::PaymentMethodStatus`].
pub(super) fn may_be_charged(row: &PaymentMethodRow, payer: Option<CustomerId>) -> Result<(), Refusal> {
    if payer.zip(row.customer_id).is_some_and(|(payer, owner)| payer != owner) {
        return Err(Refusal::InvalidCustomerForToken);
    }
    if row.status == MethodStatus::Enrolled { Ok(()) } else { Err(Refusal::PaymentMethodStatus) }
}

impl NewMethod {
    pub(super) fn keys(&self, keys: &mut Keys<'_>) {
        vault::store_keys(keys, self.row.account_id, &self.number);
        keys.row::<PaymentMethodRow>((self.row.account_id, self.row.id));
    }

    /// Writes the method and its number down: a new row, or the one that was waiting for a card.
    pub(super) fn put(&self, rows: &mut Rows, now: Timestamp) -> Result<(), Refusal> {
        let key = (self.row.account_id, self.row.id);
        vault::store(rows, self.row.account_id, &self.number, now)?;
        match rows.get_mut::<PaymentMethodRow>(&key) {
            Some(waiting) => {
                waiting.status = self.row.status;
                waiting.card.clone_from(&self.row.card);
                waiting.fingerprint = self.row.fingerprint;
                waiting.number_record = self.row.number_record;
                waiting.payment_id = self.row.payment_id;
                waiting.updated_at = now;
            }
            None => rows.insert(PaymentMethodRow { created_at: now, updated_at: now, ..self.row.clone() }),
        }
        Ok(())
    }
}

/// Names the row that [`settle`] looks at first.
pub(crate) fn settle_keys(keys: &mut Keys<'_>, account: AccountId, method: PaymentMethodId) {
    keys.row::<PaymentMethodRow>((account, method));
}

/// Names the rows that [`super::forget_all`] touches.
pub(crate) fn forget_keys(keys: &mut Keys<'_>, account: AccountId, customer: CustomerId, listed: &[Seen]) {
    keys.prefix::<CustomerCardRow>(&(account, customer));
    for Seen { id, number } in listed {
        settle_keys(keys, account, *id);
        if let Some(number) = number {
            vault::destroy_keys(keys, account, *number);
        }
    }
}

/// A charge with a stored method, or with one that is to be stored, has ended. Gives the method that it belongs to from now on, with
/// what that one is charged by.
pub(crate) fn settle(
    rows: &mut Rows,
    herald: &Herald,
    attempt: &Attempt,
    method: PaymentMethodId,
    ended: Ended,
    now: Timestamp,
) -> Option<(PaymentMethodId, Option<Uuid>)> {
    let account = attempt.account_id;
    let row = rows.get::<PaymentMethodRow>(&(account, method))?;
    let token = row.vaulted_token;
    if row.status != MethodStatus::EnrollInProcess || row.payment_id != Some(attempt.payment_id) {
        if ended == Ended::Approved {
            used(rows, account, method, now);
        }
        return Some((method, Some(token)));
    }
    let checked = attempt.origin == OriginKind::Enrolment;
    let row = row.clone();
    // Whoever asked for the check is answered with the method, also when its customer was deleted meanwhile.
    if checked && !matches!(ended, Ended::NotSent | Ended::AwaitingPayer) && is_orphan(rows, &row) {
        put_aside(rows, herald, account, method, now);
        return Some((method, None));
    }
    if ended == Ended::Approved {
        let kept = enrol(rows, herald, account, method, now);
        if let Some((kept, _)) = kept.filter(|_| !checked) {
            used(rows, account, kept, now);
        }
        if kept.is_some_and(|(kept, _)| kept == method) {
            tell(rows, herald, account, method, now);
        }
        return match kept {
            Some((kept, token)) => Some((kept, Some(token))),
            None => checked.then_some((method, None)),
        };
    }
    let waited = row.customer_session.is_some();
    destroy_number(rows, account, method);
    match ended {
        Ended::NotSent if waited => {
            let row = rows.must_mut::<PaymentMethodRow>(&(account, method));
            (row.status, row.card, row.fingerprint, row.payment_id) = (MethodStatus::ReadyToEnroll, None, None, None);
            row.updated_at = now;
            Some((method, None))
        }
        _ if checked && ended != Ended::NotSent => {
            let status = match ended {
                Ended::Declined => MethodStatus::Declined,
                Ended::Expired => MethodStatus::Expired,
                Ended::Approved | Ended::Errored | Ended::NotSent | Ended::AwaitingPayer | Ended::Waiting { .. } => {
                    MethodStatus::Error
                }
            };
            rows.must_mut::<PaymentMethodRow>(&(account, method)).turn(status, now);
            tell(rows, herald, account, method, now);
            Some((method, None))
        }
        _ => {
            rows.delete::<PaymentMethodRow>(&(account, method));
            None
        }
    }
}

/// Notes that a method was charged successfully.
fn used(rows: &mut Rows, account: AccountId, method: PaymentMethodId, now: Timestamp) {
    let enrolled = |row: &&mut PaymentMethodRow| row.status == MethodStatus::Enrolled;
    let Some(row) = rows.get_mut::<PaymentMethodRow>(&(account, method)).filter(enrolled) else { return };
    row.last_used_at = Some(now);
    row.updated_at = now;
    let customer = row.customer_id;
    if let Some(customer) = customer.and_then(|customer| customers::live(rows, account, customer).ok()) {
        customer.last_method = Some(method);
    }
}

/// The method that the customer of `card` has it as already, if that one can be charged. One that is damaged is taken off.
pub(super) fn existing(
    rows: &mut Rows,
    herald: &Herald,
    card: (AccountId, CustomerId, Uuid),
    now: Timestamp,
) -> Option<PaymentMethodId> {
    let known = rows.get::<CustomerCardRow>(&card)?.method_id;
    if enrolled(rows, card.0, known) {
        return Some(known);
    }
    unenrol(rows, herald, card.0, known, now);
    None
}
