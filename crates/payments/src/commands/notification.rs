//! Notifications: stored, worked off, and what those about chargebacks change.

use std::convert::Infallible;

use db::{Command, Keys, Rows};
use kernel::Timestamp;
use ledger::recipes::{ChargebackLost, ChargebackOpen, ChargebackWon, Recipe};

use crate::attempt::Attempt;
use crate::notifications::{Event, Notification, NotificationState};
use crate::origin::Origins;
use crate::rows::{AttemptRow, NotificationRow, PaymentRow};
use crate::types::{AttemptKind, AttemptState, OriginKind, PaymentState, ReplyForm, Response};

/// When a notification about an attempt that is still being sent is looked at again.
const AGAIN_AFTER_SECONDS: i64 = 2;
/// What the platform takes for a lost dispute, in minor units.
const CHARGEBACK_FEE: i64 = 0;

/// Keeps a notification, unless it was kept before.
#[derive(Debug)]
pub(crate) struct StoreNotification {
    pub(crate) notification: Notification,
}

impl Command for StoreNotification {
    type Reply = ();
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.fresh::<NotificationRow>((self.notification.id(),));
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<(), Infallible> {
        let Notification { connector, payment_id, merchant_order_id, event, success, amount, body, .. } = &self.notification;
        let id = self.notification.id();
        if rows.get::<NotificationRow>(&(id,)).is_some() {
            return Ok(());
        }
        rows.insert(NotificationRow {
            id,
            connector: *connector,
            payment_id: *payment_id,
            merchant_order_id: merchant_order_id.clone(),
            event: *event,
            success: *success,
            currency: amount.currency(),
            amount: amount.minor(),
            body: body.clone(),
            received_at: now,
            state: NotificationState::Stored,
            due_at: Some(now),
        });
        Ok(())
    }
}

/// Notes what became of a notification; `None`: it is looked at again a moment later.
#[derive(Debug)]
pub(crate) struct CloseNotification {
    pub(crate) id: [u8; 16],
    pub(crate) state: Option<NotificationState>,
}

impl Command for CloseNotification {
    type Reply = ();
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<NotificationRow>((self.id,));
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<(), Infallible> {
        if let Some(row) = rows.get_mut::<NotificationRow>(&(self.id,)).filter(|row| row.due_at.is_some()) {
            row.due_at = self.state.is_none().then(|| now.plus_seconds(AGAIN_AFTER_SECONDS));
            row.state = self.state.unwrap_or(row.state);
        }
        Ok(())
    }
}

/// A payer's bank takes money back, or the dispute about that is over.
#[derive(Debug)]
pub(crate) struct TakeChargeback {
    /// The dispute: the open one, or one to be opened under a fresh id; its amount is the notification's.
    pub(crate) attempt: Attempt,
    pub(crate) event: Event,
    pub(crate) origins: Origins,
}

impl TakeChargeback {
    fn open(&self, rows: &mut Rows, now: Timestamp) -> Option<NotificationState> {
        let payment = rows.must_mut::<PaymentRow>(&self.attempt.payment_key());
        let standing = payment.standing();
        if standing.dispute_waits(self.attempt.amount) {
            return None;
        }
        let Some(minor) = standing.plan_dispute(Some(self.attempt.amount)) else {
            // A repeat, or too late: only one that would fit but for its amount needs somebody to look.
            let paid = standing.plan_dispute(None).is_some();
            return Some(if paid { NotificationState::Quarantined } else { NotificationState::Ignored });
        };
        payment.state = PaymentState::Disputed;
        payment.updated_at = now;
        rows.append(AttemptRow {
            account_id: self.attempt.account_id,
            id: self.attempt.id,
            payment_id: self.attempt.payment_id,
            kind: AttemptKind::Chargeback,
            origin: OriginKind::Acquirer,
            form: ReplyForm::Capture,
            named: self.attempt.charge,
            currency: self.attempt.amount.currency(),
            amount: minor,
            fee: 0,
            claim: None,
            details: None,
            created_at: now,
            state: AttemptState::Disputed,
            response: Some(Response::notified("CHARGEBACK")),
            returned: 0,
            updated_at: now,
        });
        self.post(rows, &self.opening(), now);
        self.tell(rows, now);
        Some(NotificationState::Done)
    }

    fn end(&self, rows: &mut Rows, state: AttemptState, now: Timestamp) -> NotificationState {
        let key = (self.attempt.account_id, self.attempt.id);
        let Some(dispute) = rows.get_mut::<AttemptRow>(&key).filter(|dispute| dispute.state == AttemptState::Disputed) else {
            return NotificationState::Ignored;
        };
        if dispute.money() != self.attempt.amount {
            return NotificationState::Quarantined;
        }
        dispute.state = state;
        dispute.updated_at = now;
        let payment = rows.must_mut::<PaymentRow>(&self.attempt.payment_key());
        let won = state == AttemptState::Won;
        payment.state = if won { payment.standing().state_by_totals() } else { PaymentState::ChargedBack };
        payment.updated_at = now;
        if won {
            self.post(rows, &self.won(), now);
        } else {
            self.post(rows, &self.lost(), now);
        }
        self.tell(rows, now);
        NotificationState::Done
    }

    /// The product whose payment it is hears of it.
    fn tell(&self, rows: &mut Rows, now: Timestamp) {
        self.origins.of(self.attempt.payment_origin).disputed(rows, &self.attempt, now);
    }

    fn post<R: Recipe>(&self, rows: &mut Rows, recipe: &R, now: Timestamp) {
        ledger::post(rows, &self.attempt.cause(), recipe, now).expect("what a dispute books is set aside, or needs no cover");
    }

    fn opening(&self) -> ChargebackOpen {
        ChargebackOpen { merchant: self.attempt.account_id, amount: self.attempt.amount }
    }

    fn lost(&self) -> ChargebackLost {
        ChargebackLost {
            merchant: self.attempt.account_id,
            connector: self.attempt.connector.owner(),
            amount: self.attempt.amount,
            fee_minor: CHARGEBACK_FEE,
        }
    }

    fn won(&self) -> ChargebackWon {
        ChargebackWon { merchant: self.attempt.account_id, amount: self.attempt.amount }
    }
}

impl Command for TakeChargeback {
    /// `None`: refunds under way must end first, look again later.
    type Reply = Option<NotificationState>;
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        self.origins.of(self.attempt.payment_origin).keys(&self.attempt, keys);
        keys.row::<PaymentRow>(self.attempt.payment_key());
        keys.row::<AttemptRow>((self.attempt.account_id, self.attempt.id));
        let cause = self.attempt.cause();
        match self.event {
            Event::ChargebackLost => ledger::keys(keys, &cause, &self.lost()),
            Event::ChargebackWon => ledger::keys(keys, &cause, &self.won()),
            _ => ledger::keys(keys, &cause, &self.opening()),
        }
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Option<NotificationState>, Infallible> {
        Ok(match self.event {
            Event::Chargeback => self.open(rows, now),
            Event::ChargebackLost => Some(self.end(rows, AttemptState::Lost, now)),
            Event::ChargebackWon => Some(self.end(rows, AttemptState::Won, now)),
            _ => Some(NotificationState::Ignored),
        })
    }
}
