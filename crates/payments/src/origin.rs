//! Whose payment it is: the port by which a product finishes its own object when an attempt ends, whoever learned the outcome.

use std::fmt;
use std::sync::Arc;

use db::{Keys, Rows};
use idempotency::Reply;
use kernel::Timestamp;

use crate::attempt::Attempt;
use crate::facts::{Faces, OperationFacts, PaymentFacts};
use crate::links::LinkOrigin;
use crate::payouts::{self, PayoutRow};
use crate::rows::{AttemptRow, PaymentRow};
use crate::subscriptions::SubscriptionOrigin;
use crate::types::{AttemptKind, OriginKind, ReplyForm};

/// The content type of every reply of the payments API.
pub const JSON: &str = "application/json; charset=utf-8";

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It did what it was asked.
    Approved,
    /// It was refused.
    Declined,
    /// The acquirer failed for good.
    Errored,
    /// Proven: it never had an effect. A payment that began with it is gone, or shown to nobody.
    NotSent,
}

/// A product that charges cards. Its functions run inside the deciding command, next to the change of the payment itself, so product and
/// payment are one commit; they cannot refuse. A charge that finds no place any more starts its own refund there.
pub trait Origin: Send + Sync + 'static {
    /// Names the rows that the other functions will touch for this attempt.
    fn keys(&self, attempt: &Attempt, keys: &mut Keys<'_>);

    /// An attempt that this product asked for has ended; the rows of payment and attempt say so already. Returns what the request that
    /// asked is answered, now and whenever it is repeated; `None` drops its claim.
    fn settled(&self, rows: &mut Rows, attempt: &Attempt, ended: Ended, now: Timestamp) -> Option<Reply>;

    /// A refund of one of its payments went through, whoever asked for it; the payment's row says so already.
    fn refunded(&self, rows: &mut Rows, attempt: &Attempt, now: Timestamp);
}

/// The payments API itself: the payment is all it has, and its answer is drawn from it.
#[derive(Clone, Copy)]
pub(crate) struct Api {
    faces: Faces,
}

impl Origin for Api {
    fn keys(&self, _attempt: &Attempt, _keys: &mut Keys<'_>) {}

    fn settled(&self, rows: &mut Rows, attempt: &Attempt, ended: Ended, _now: Timestamp) -> Option<Reply> {
        if ended == Ended::NotSent {
            return None;
        }
        if attempt.kind == AttemptKind::Payout {
            return Some(payouts::reply(rows.must::<PayoutRow>(&payouts::key(attempt)), self.faces));
        }
        let operation = attempt.row_key().map(|key| rows.must::<AttemptRow>(&key).clone());
        let payment = rows.must::<PaymentRow>(&attempt.payment_key());
        let (status, body) = self.draw(payment, operation.as_ref());
        Some(Reply { status, content_type: JSON.into(), location: None, body: body.into() })
    }

    fn refunded(&self, _rows: &mut Rows, _attempt: &Attempt, _now: Timestamp) {}
}

impl Api {
    fn draw(&self, payment: &PaymentRow, operation: Option<&AttemptRow>) -> (u16, Vec<u8>) {
        let Some(operation) = operation else {
            return (201, (self.faces.payment)(&PaymentFacts { payment, operations: &[], history: true, raw: false }));
        };
        let transaction_shaped = || (self.faces.operation)(&OperationFacts { payment, operation });
        match operation.form {
            ReplyForm::Capture | ReplyForm::Cancel => (200, transaction_shaped()),
            ReplyForm::CancelOrRefund => (201, transaction_shaped()),
            ReplyForm::Refund => {
                let operations = std::slice::from_ref(operation);
                (200, (self.faces.payment)(&PaymentFacts { payment, operations, history: false, raw: false }))
            }
        }
    }
}

/// Every product that charges, by its kind.
#[derive(Clone)]
pub struct Origins(Arc<Vec<(OriginKind, Arc<dyn Origin>)>>);

impl Origins {
    /// The payments API with its links and subscriptions, drawing replies with `faces`.
    pub fn new(faces: Faces) -> Self {
        let api = Api { faces };
        Self(Arc::new(vec![
            (OriginKind::Api, Arc::new(api)),
            (OriginKind::Link, Arc::new(LinkOrigin { api })),
            (OriginKind::Subscription, Arc::new(SubscriptionOrigin { api })),
        ]))
    }

    /// One product more.
    #[must_use]
    pub fn with(self, kind: OriginKind, origin: Arc<dyn Origin>) -> Self {
        let mut all = self.0.to_vec();
        all.retain(|(known, _)| *known != kind);
        all.push((kind, origin));
        Self(Arc::new(all))
    }

    /// The product of that kind.
    ///
    /// # Panics
    /// When the binary has not wired it: a defect that would lose the product's side of a payment.
    pub(crate) fn of(&self, kind: OriginKind) -> &dyn Origin {
        self.0
            .iter()
            .find(|(known, _)| *known == kind)
            .map(|(_, origin)| &**origin)
            .expect("every kind of origin is wired by the binary")
    }
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(kind, _)| kind)).finish()
    }
}
