//! The decisions about forgetting.

use std::convert::Infallible;

use db::{Command, Keys, Rows};
use idempotency::{Reply, Scope, amend, held_keys};
use kernel::{AccountId, CustomerId, PaymentId, Timestamp};
use uuid::Uuid;

use super::Amended;
use crate::customers::document::without_device;
use crate::customers::rows::{CustomerReplyRow, CustomerRow};
use crate::facts::Faces;
use crate::rows::PaymentRow;

type ReplyKey = (AccountId, CustomerId, [u8; 16]);

const fn reply_key(customer: CustomerId, scope: &Scope) -> ReplyKey {
    (scope.account_id, customer, scope.hash)
}

/// Names the row that [`note`] writes.
pub(crate) fn note_keys(keys: &mut Keys<'_>, customer: CustomerId, scope: Option<Scope>) {
    if let Some(scope) = scope {
        keys.fresh::<CustomerReplyRow>(reply_key(customer, &scope));
    }
}

/// The reply that is about to be recorded there shows this customer.
pub(crate) fn note(rows: &mut Rows, customer: CustomerId, scope: Option<Scope>, now: Timestamp) {
    let Some(scope) = scope else { return };
    // A key whose time was over, and that is used again for the same customer.
    rows.delete::<CustomerReplyRow>(&reply_key(customer, &scope));
    let Scope { account_id, hash } = scope;
    rows.insert(CustomerReplyRow { account_id, customer_id: customer, scope: hash, recorded_at: now });
}

/// Names the rows that [`replies`] touches besides the customer's own.
pub(crate) fn replies_keys(keys: &mut Keys<'_>, customer: CustomerId, scopes: &[Scope]) {
    for scope in scopes {
        keys.row::<CustomerReplyRow>(reply_key(customer, scope));
        held_keys(keys, scope);
    }
}

/// Recorded replies that showed a deleted customer show what is left of him.
pub(crate) fn replies(rows: &mut Rows, account: AccountId, customer: CustomerId, scopes: &[Scope], faces: &Faces) -> Amended {
    let body = (faces.customer)(rows.must::<CustomerRow>(&(account, customer)));
    let mut amended = Amended::new();
    for scope in scopes {
        let left = |reply: &Reply| Some(Reply { body: body.clone().into(), ..reply.clone() });
        amended.extend(amend(rows, scope, customer.uuid(), left).map(|recorded| (*scope, recorded)));
        rows.delete::<CustomerReplyRow>(&reply_key(customer, scope));
    }
    amended
}

/// More replies that show a deleted customer himself.
#[derive(Debug)]
pub(super) struct ForgetReplies {
    pub(super) account: AccountId,
    pub(super) customer: CustomerId,
    pub(super) scopes: Vec<Scope>,
    pub(super) faces: Faces,
}

impl Command for ForgetReplies {
    type Reply = Amended;
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<CustomerRow>((self.account, self.customer));
        replies_keys(keys, self.customer, &self.scopes);
    }

    fn decide(&self, rows: &mut Rows, _now: Timestamp) -> Result<Amended, Infallible> {
        Ok(replies(rows, self.account, self.customer, &self.scopes, &self.faces))
    }
}

/// What some payments say of their payer's device.
#[derive(Debug)]
pub(super) struct ForgetDevices {
    pub(super) account: AccountId,
    pub(super) payments: Vec<PaymentId>,
}

impl Command for ForgetDevices {
    type Reply = ();
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        self.payments.iter().for_each(|payment| keys.row::<PaymentRow>((self.account, *payment)));
    }

    fn decide(&self, rows: &mut Rows, _now: Timestamp) -> Result<(), Infallible> {
        for payment in &self.payments {
            let key = (self.account, *payment);
            let details = rows.get::<PaymentRow>(&key).and_then(|row| row.details.as_deref().and_then(without_device));
            // What a payment was made with never changes otherwise, so its row is put in its own place.
            let Some((details, row)) = details.zip(rows.get::<PaymentRow>(&key).cloned()) else { continue };
            rows.delete::<PaymentRow>(&key);
            rows.insert(PaymentRow { details: Some(details), ..row });
        }
        Ok(())
    }
}

/// What recorded replies about payments show of the payer's device; with the last of a page the page is done.
#[derive(Debug)]
pub(super) struct ForgetInReplies {
    pub(super) account: AccountId,
    pub(super) customer: CustomerId,
    /// Where the replies are recorded, and what each was made for.
    pub(super) replies: Vec<(Scope, Uuid)>,
    pub(super) page: Option<Page>,
}

/// A page of payments that is forgotten.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    /// The payment before it, as the customer's row said: where that says something else, somebody else was quicker.
    pub(super) after: PaymentId,
    /// Its last payment; `None` when there are no more.
    pub(super) last: Option<PaymentId>,
}

impl Command for ForgetInReplies {
    type Reply = Amended;
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        self.replies.iter().for_each(|(scope, _)| held_keys(keys, scope));
        keys.row::<CustomerRow>((self.account, self.customer));
    }

    fn decide(&self, rows: &mut Rows, _now: Timestamp) -> Result<Amended, Infallible> {
        let mut amended = Amended::new();
        for (scope, subject) in &self.replies {
            let left = |reply: &Reply| Some(Reply { body: without_device(&reply.body)?.to_vec().into(), ..reply.clone() });
            amended.extend(amend(rows, scope, *subject, left).map(|recorded| (*scope, recorded)));
        }
        let customer = rows.get_mut::<CustomerRow>(&(self.account, self.customer));
        if let Some((page, row)) = self.page.zip(customer)
            && row.forget_after == Some(page.after)
        {
            row.forget_after = page.last;
        }
        Ok(amended)
    }
}

/// Replies that cannot be repeated any more need no note of whom they show.
#[derive(Debug)]
pub(super) struct SweepReplies {
    pub(super) keys: Vec<ReplyKey>,
}

impl Command for SweepReplies {
    type Reply = ();
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        self.keys.iter().for_each(|key| keys.row::<CustomerReplyRow>(*key));
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<(), Infallible> {
        for key in &self.keys {
            if rows.get::<CustomerReplyRow>(key).is_some_and(|row| row.recorded_at <= super::queries::over_since(now)) {
                rows.delete::<CustomerReplyRow>(key);
            }
        }
        Ok(())
    }
}
