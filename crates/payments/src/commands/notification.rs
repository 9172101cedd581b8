//! Notifications: stored, worked off, and what those about chargebacks change.

use std::convert::Infallible;

use db::{Command, Keys, Rows};
use kernel::{AccountId, AttemptId, Timestamp};
use ledger::recipes::{ChargebackLost, ChargebackOpen, ChargebackWon, Recipe};

use crate::attempt::Attempt;
use crate::notifications::{Event, Notification, NotificationState};
use crate::origin::Origins;
use crate::retries;
use crate::rows::{AttemptRow, NotificationRow, PaymentRow};
use crate::types::{AttemptKind, AttemptState, OriginKind, PaymentState, ReplyForm, Response};

/// How soon a notification is looked at again that cannot be worked off yet: its attempt is still being sent, or the acquirer does not say
/// whose it is.
const AGAIN_AFTER_SECONDS: i64 = 2;
/// The same for an old one: the pause is half of its age.
const AGAIN_AFTER_SECONDS_MAX: i64 = 10 * 60;
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
        let Notification { connector, payment_id, merchant_order_id, event, success, amount, body, attempt, reference, .. } =
            &self.notification;
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
            attempt_id: *attempt,
            reference: reference.clone(),
            received_at: now,
            state: NotificationState::Stored,
            due_at: Some(now),
        });
        Ok(())
    }
}

/// Notes that these notifications change nothing.
#[derive(Debug)]
pub(crate) struct IgnoreNotifications {
    pub(crate) ids: Vec<[u8; 16]>,
}

impl Command for IgnoreNotifications {
    type Reply = ();
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        self.ids.iter().for_each(|id| keys.row::<NotificationRow>((*id,)));
    }

    fn decide(&self, rows: &mut Rows, _: Timestamp) -> Result<(), Infallible> {
        for id in &self.ids {
            if let Some(row) = rows.get_mut::<NotificationRow>(&(*id,)).filter(|row| row.due_at.is_some()) {
                row.due_at = None;
                row.state = NotificationState::Ignored;
            }
        }
        Ok(())
    }
}

/// Notes what became of a notification.
#[derive(Debug)]
pub(crate) struct CloseNotification {
    pub(crate) id: [u8; 16],
    pub(crate) state: Worked,
}

impl Command for CloseNotification {
    type Reply = ();
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<NotificationRow>((self.id,));
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<(), Infallible> {
        if let Some(row) = rows.get_mut::<NotificationRow>(&(self.id,)).filter(|row| row.due_at.is_some()) {
            let pause = (now.seconds_since(row.received_at) / 2).clamp(AGAIN_AFTER_SECONDS, AGAIN_AFTER_SECONDS_MAX);
            row.due_at = self.state.is_none().then(|| now.plus_seconds(pause));
            row.state = self.state.unwrap_or(row.state);
        }
        Ok(())
    }
}

/// What became of a notification; `None`: it is looked at again a moment later.
type Worked = Option<NotificationState>;

/// A payer's bank takes money back, or the dispute about that is over. One that does not fit what we know of the payment waits while
/// something is under way that may show that it does.
#[derive(Debug)]
pub(crate) struct TakeChargeback {
    /// The dispute: the open one, or one to be opened under a fresh id; its amount is the notification's.
    pub(crate) attempt: Attempt,
    pub(crate) event: Event,
    /// The acquirer gives its disputes names, and the attempt's id is made of it: a repeat is known by it, and so is an end that comes
    /// before its beginning.
    pub(crate) known_by_id: bool,
    pub(crate) origins: Origins,
}

impl TakeChargeback {
    fn key(&self) -> (AccountId, AttemptId) {
        (self.attempt.account_id, self.attempt.id)
    }

    fn open(&self, rows: &mut Rows, now: Timestamp) -> Worked {
        if self.known_by_id && rows.get::<AttemptRow>(&self.key()).is_some() {
            return Some(NotificationState::Ignored);
        }
        if let Err(refused) = self.set_aside(rows, AttemptState::Disputed, now) {
            return refused;
        }
        self.tell(rows, now);
        Some(NotificationState::Done)
    }

    /// Writes the dispute down as it stands and sets its amount aside.
    fn set_aside(&self, rows: &mut Rows, state: AttemptState, now: Timestamp) -> Result<(), Worked> {
        let payment = rows.must::<PaymentRow>(&self.attempt.payment_key());
        let standing = payment.standing();
        let Some(minor) = standing.plan_dispute(self.attempt.amount) else {
            // A bank that disputes what we do not know to be paid may know more than we do.
            if payment.is_unsure() || standing.may_yet_be_disputed(self.attempt.amount) {
                return Err(None);
            }
            // A repeat, or too late: only one that would fit but for its amount, or another one at the same time, needs somebody to look.
            let another = self.known_by_id && payment.state == PaymentState::Disputed;
            let quarantined = standing.can_be_disputed() || another;
            return Err(Some(if quarantined { NotificationState::Quarantined } else { NotificationState::Ignored }));
        };
        let payment = rows.must_mut::<PaymentRow>(&self.attempt.payment_key());
        payment.state = PaymentState::Disputed;
        payment.touch(now);
        rows.insert(AttemptRow {
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
            state,
            response: Some(Response::notified("CHARGEBACK", None)),
            returned: 0,
            updated_at: now,
        });
        self.post(rows, &self.opening(), now);
        Ok(())
    }

    fn end(&self, rows: &mut Rows, state: AttemptState, now: Timestamp) -> Worked {
        match rows.get_mut::<AttemptRow>(&self.key()) {
            Some(dispute) if dispute.state != AttemptState::Disputed => return Some(NotificationState::Ignored),
            Some(dispute) if dispute.money() != self.attempt.amount => return Some(NotificationState::Quarantined),
            Some(dispute) => {
                dispute.state = state;
                dispute.updated_at = now;
            }
            // Its beginning is still on its way.
            None if self.known_by_id => {
                if let Err(refused) = self.set_aside(rows, state, now) {
                    return refused;
                }
            }
            None => return Some(NotificationState::Ignored),
        }
        let undisputed = retries::standing_of(rows, self.attempt.payment_key()).state_undisputed();
        let payment = rows.must_mut::<PaymentRow>(&self.attempt.payment_key());
        let won = state == AttemptState::Won;
        payment.state = if won { undisputed } else { PaymentState::ChargedBack };
        payment.touch(now);
        if won {
            self.post(rows, &self.won(), now);
        } else {
            self.post(rows, &self.lost(), now);
        }
        self.tell(rows, now);
        Some(NotificationState::Done)
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
    type Reply = Worked;
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        self.origins.of(self.attempt.payment_origin).keys(&self.attempt, keys);
        keys.row::<PaymentRow>(self.attempt.payment_key());
        keys.row::<AttemptRow>(self.key());
        let cause = self.attempt.cause();
        match self.event {
            Event::ChargebackLost => ledger::keys(keys, &cause, &self.lost()),
            Event::ChargebackWon => ledger::keys(keys, &cause, &self.won()),
            Event::Chargeback | Event::Authorisation | Event::Capture | Event::Cancellation | Event::Refund | Event::Other => {
                ledger::keys(keys, &cause, &self.opening());
            }
        }
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Worked, Infallible> {
        Ok(match self.event {
            Event::Chargeback => self.open(rows, now),
            Event::ChargebackLost => self.end(rows, AttemptState::Lost, now),
            Event::ChargebackWon => self.end(rows, AttemptState::Won, now),
            _ => Some(NotificationState::Ignored),
        })
    }
}
