//! What receivers of webhooks are told about payments of the API: each committed change of a transaction's status, with the payment as it
//! stands in that commit.

use std::sync::Arc;

use db::{Keys, Rows};
use kernel::Timestamp;
use messaging::{Happened, Outbox, Trigger};

use crate::attempt::Attempt;
use crate::facts::{Faces, PaymentFacts};
use crate::rows::{AttemptRow, PaymentRow};
use crate::types::AttemptKind;

impl AttemptKind {
    /// The event of a change of its status.
    pub(crate) const fn trigger(self) -> Trigger {
        match self {
            Self::Purchase => Trigger::PaymentPurchase,
            Self::Authorise => Trigger::PaymentAuthorize,
            Self::Verify => Trigger::PaymentVerify,
            Self::Capture => Trigger::PaymentCapture,
            Self::Cancel => Trigger::PaymentCancel,
            Self::Refund => Trigger::PaymentRefund,
            Self::Payout => Trigger::PayoutPayout,
            Self::Chargeback => Trigger::PaymentChargeback,
        }
    }
}

/// Names the rows that [`announce`] touches besides the payment's own.
pub(crate) fn announce_keys(outbox: &Outbox, attempt: &Attempt, keys: &mut Keys<'_>) {
    outbox.keys(keys, attempt.account_id, attempt.kind.trigger());
}

/// Tells of the status an attempt has now: to be called where it has just changed. Costs nothing where nobody listens.
pub(crate) fn announce(outbox: &Outbox, faces: &Faces, rows: &mut Rows, attempt: &Attempt, now: Timestamp) {
    let operation = attempt.row_key().map(|key| rows.must::<AttemptRow>(&key).clone());
    let payment = rows.must::<PaymentRow>(&attempt.payment_key());
    let happened = Happened {
        account_id: attempt.account_id,
        trigger: attempt.kind.trigger(),
        subject: attempt.payment_id.uuid(),
        cause: attempt.id.uuid(),
        status: operation.as_ref().map_or(payment.attempt, |row| row.state).wire(),
    };
    outbox.emit(rows, &happened, now, |rows| {
        let payment = rows.must::<PaymentRow>(&attempt.payment_key());
        // Of a later attempt the ones before it are not at hand, so only a first one is shown with its history.
        let shown = PaymentFacts {
            payment,
            operations: operation.as_slice(),
            history: operation.is_none(),
            raw: false,
            challenges: &faces.challenges,
        };
        Arc::from((faces.payment)(&shown))
    });
}
