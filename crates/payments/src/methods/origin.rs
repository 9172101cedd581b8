//! The card check of an enrolment is a payment like any other; its request is answered with the method.

use db::{Keys, Rows};
use idempotency::Reply;
use kernel::Timestamp;

use super::commands::drawn;
use crate::attempt::Attempt;
use crate::origin::{Api, Ended, JSON, Origin, told_by_the_api};
use crate::rows::PaymentRow;

/// Enrolments, as a product that charges cards.
pub(crate) struct Enrolment {
    pub(crate) api: Api,
}

impl Origin for Enrolment {
    fn keys(&self, attempt: &Attempt, keys: &mut Keys<'_>) {
        self.api.keys(attempt, keys);
    }

    fn settled(&self, rows: &mut Rows, attempt: &Attempt, ended: Ended, now: Timestamp) -> Option<Reply> {
        if ended == Ended::NotSent {
            return None;
        }
        self.api.herald.attempt(rows, attempt, now);
        // Settling has said which method it is: the new one, or the one that the customer has the card as already.
        let method = rows.must::<PaymentRow>(&attempt.payment_key()).method_id?;
        let body = drawn(rows, &self.api.herald.faces, attempt.account_id, method, now);
        Some(Reply { status: 201, content_type: JSON.into(), location: None, body: body.into() })
    }

    told_by_the_api!();
}
