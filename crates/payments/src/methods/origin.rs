//! The card check of an enrolment is a payment like any other; its request is answered with the method.

use db::{Keys, Rows};
use idempotency::Reply;
use kernel::Timestamp;

use super::commands::drawn;
use crate::attempt::Attempt;
use crate::facts::Faces;
use crate::origin::{Ended, JSON, Origin};
use crate::rows::PaymentRow;

/// Enrolments, as a product that charges cards.
pub(crate) struct Enrolment {
    pub(crate) faces: Faces,
}

impl Origin for Enrolment {
    fn keys(&self, _attempt: &Attempt, _keys: &mut Keys<'_>) {}

    fn settled(&self, rows: &mut Rows, attempt: &Attempt, ended: Ended, now: Timestamp) -> Option<Reply> {
        if ended == Ended::NotSent {
            return None;
        }
        // Settling has said which method it is: the new one, or the one that the customer has the card as already.
        let method = rows.must::<PaymentRow>(&attempt.payment_key()).method_id?;
        let body = drawn(rows, &self.faces, attempt.account_id, method, now);
        Some(Reply { status: 201, content_type: JSON.into(), location: None, body: body.into() })
    }

    fn disputed(&self, _rows: &mut Rows, _dispute: &Attempt, _now: Timestamp) {}

    fn refunded(&self, _rows: &mut Rows, _attempt: &Attempt, _now: Timestamp) {}
}
