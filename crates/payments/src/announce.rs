//! What receivers of webhooks are told: each committed change of a transaction's or an object's status, with the object as it stands in
//! that commit, drawn as a request for it would be answered.

use std::sync::Arc;

use db::{Keys, Rows};
use kernel::{AccountId, PaymentId, PaymentMethodId, SubscriptionId, Timestamp, WebhookId};
use messaging::{Family, Happened, Outbox, Trigger};
use uuid::Uuid;

use crate::attempt::Attempt;
use crate::facts::{Faces, MethodFacts, PaymentFacts};
use crate::methods::PaymentMethodRow;
use crate::payouts::{self, PayoutRow};
use crate::rows::{AttemptRow, PaymentRow};
use crate::subscriptions::SubscriptionRow;
use crate::types::{AttemptKind, OriginKind, PaymentState};

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

impl OriginKind {
    /// Whose payments receivers of webhooks hear of: those of the payments API and of what it makes payments for.
    pub(crate) const TOLD: [Self; 4] = [Self::Api, Self::Enrolment, Self::Link, Self::Subscription];
}

/// The `status` of the event that tells of a new subscription, however it stands.
pub(crate) const CREATED: &str = "CREATED";

/// Tells receivers of webhooks. Nothing here costs anything where nobody listens. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Herald {
    pub(crate) faces: Faces,
    pub(crate) outbox: Outbox,
}

impl Herald {
    /// Names the rows that [`Herald::attempt`] touches besides the payment's own.
    pub(crate) fn attempt_keys(&self, attempt: &Attempt, keys: &mut Keys<'_>) {
        self.outbox.keys(keys, attempt.account_id, attempt.kind.trigger());
    }

    /// Names the rows that telling of an object of this family touches besides its own.
    pub(crate) fn keys(&self, account: AccountId, family: Family, keys: &mut Keys<'_>) {
        for trigger in Trigger::ALL.iter().filter(|trigger| trigger.family() == family) {
            self.outbox.keys(keys, account, *trigger);
        }
    }

    /// Tells of the status an attempt has now: to be called where it has just changed.
    pub(crate) fn attempt(&self, rows: &mut Rows, attempt: &Attempt, now: Timestamp) {
        if attempt.kind == AttemptKind::Payout {
            return self.payout(rows, attempt, now);
        }
        let operation = attempt.row_key().map(|key| rows.must::<AttemptRow>(&key).clone());
        let payment = rows.must::<PaymentRow>(&attempt.payment_key());
        let happened = Happened {
            account_id: attempt.account_id,
            trigger: attempt.kind.trigger(),
            subject: attempt.payment_id.uuid(),
            cause: attempt.id.uuid(),
            status: operation.as_ref().map_or(payment.attempt, |row| row.state).wire(),
        };
        // Of changes that share a commit each has a time of its own, which is the order in which they are told.
        let at = now.max(payment.updated_at);
        self.outbox.emit(rows, &happened, at, |rows| {
            let payment = rows.must::<PaymentRow>(&attempt.payment_key());
            // Of a later attempt the ones before it are not at hand, so only a first one is shown with its history.
            self.payment(payment, operation.as_slice(), operation.is_none())
        });
    }

    fn payment(&self, payment: &PaymentRow, operations: &[AttemptRow], history: bool) -> Arc<[u8]> {
        let shown = PaymentFacts { payment, operations, history, raw: false, challenges: &self.faces.challenges };
        Arc::from((self.faces.payment)(&shown))
    }

    /// Tells of a payment that is cancelled because nobody captured its hold in time. It has no transaction that says so.
    pub(crate) fn lapsed(&self, rows: &mut Rows, key: (AccountId, PaymentId), now: Timestamp) {
        let payment = rows.must::<PaymentRow>(&key);
        if payment.state != PaymentState::Cancelled || !OriginKind::TOLD.contains(&payment.origin) {
            return;
        }
        let happened = Happened {
            account_id: key.0,
            trigger: Trigger::PaymentCancel,
            subject: key.1.uuid(),
            cause: payment.attempt_id.uuid(),
            status: payment.state.status(),
        };
        let at = now.max(payment.updated_at);
        self.outbox.emit(rows, &happened, at, |rows| self.payment(rows.must::<PaymentRow>(&key), &[], true));
    }

    /// Tells of the status that the payout of an attempt has now.
    pub(crate) fn payout(&self, rows: &mut Rows, attempt: &Attempt, now: Timestamp) {
        let key = payouts::key(attempt);
        let happened = Happened {
            account_id: attempt.account_id,
            trigger: Trigger::PayoutPayout,
            subject: key.1.uuid(),
            cause: attempt.id.uuid(),
            status: rows.must::<PayoutRow>(&key).state.wire(),
        };
        self.outbox.emit(rows, &happened, now, |rows| Arc::from((self.faces.payout)(rows.must::<PayoutRow>(&key))));
    }

    /// Tells of the status a stored payment method has now, if it is one that is told; `last` as in [`MethodFacts`].
    pub(crate) fn method(&self, rows: &mut Rows, account: AccountId, id: PaymentMethodId, last: LastMethod, now: Timestamp) {
        let key = (account, id);
        let Some(status) = rows.get::<PaymentMethodRow>(&key).map(|row| row.status) else { return };
        let Some(trigger) = status.trigger() else { return };
        let happened = Happened { account_id: account, trigger, subject: id.uuid(), cause: id.uuid(), status: status.wire() };
        self.outbox.emit(rows, &happened, now, |rows| {
            let method = rows.must::<PaymentMethodRow>(&key).clone();
            let last = last(rows, &method);
            Arc::from((self.faces.method)(&MethodFacts { method: &method, last, now, page: None }))
        });
    }

    /// Tells of a new subscription.
    pub(crate) fn subscribed(&self, rows: &mut Rows, key: (AccountId, SubscriptionId), now: Timestamp) {
        let (trigger, subject) = (Trigger::SubscriptionCreate, key.1.uuid());
        let happened = Happened { account_id: key.0, trigger, subject, cause: subject, status: CREATED };
        self.outbox.emit(rows, &happened, now, |rows| self.subscription(rows, key));
    }

    /// Tells of the last change of a subscription's status: to be called where it has just changed.
    pub(crate) fn went_on(&self, rows: &mut Rows, key: (AccountId, SubscriptionId), now: Timestamp) {
        let row = rows.must::<SubscriptionRow>(&key);
        let Some((cause, trigger)) = row.change_id.zip(row.changed_to) else { return };
        let happened = Happened { account_id: key.0, trigger, subject: key.1.uuid(), cause, status: row.state.wire() };
        self.outbox.emit(rows, &happened, now, |rows| self.subscription(rows, key));
    }

    /// Tells one receiver that a subscription is about to be renewed. `false`: it does not want to hear of that any more.
    pub(crate) fn close_to_renewal(
        &self,
        rows: &mut Rows,
        key: (AccountId, SubscriptionId),
        to: (WebhookId, Uuid),
        now: Timestamp,
    ) -> bool {
        let (trigger, status) = (Trigger::SubscriptionCloseToRenewal, rows.must::<SubscriptionRow>(&key).state.wire());
        let happened = Happened { account_id: key.0, trigger, subject: key.1.uuid(), cause: to.1, status };
        self.outbox.emit_to(rows, &happened, to.0, now, |rows| self.subscription(rows, key))
    }

    fn subscription(&self, rows: &mut Rows, key: (AccountId, SubscriptionId)) -> Arc<[u8]> {
        Arc::from((self.faces.subscription)(rows.must::<SubscriptionRow>(&key)))
    }
}

/// Whether a method is the one that its customer paid with last.
pub(crate) type LastMethod = fn(&mut Rows, &PaymentMethodRow) -> bool;
