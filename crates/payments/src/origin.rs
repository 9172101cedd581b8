//! Whose payment it is: the port by which a product finishes its own object when an attempt ends, whoever learned the outcome.

use std::fmt;
use std::sync::Arc;

use db::{Keys, Rows};
use idempotency::Reply;
use kernel::Timestamp;
use messaging::Outbox;

use crate::announce::Herald;
use crate::attempt::Attempt;
use crate::challenges::Challenges;
use crate::delays::DelayOrigin;
use crate::facts::{Faces, OperationFacts, PaymentFacts};
use crate::links::LinkOrigin;
use crate::methods::Enrolment;
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
    /// Not the end: it waits for the payer, and will be settled once more.
    AwaitingPayer,
    /// The payer did not come in time.
    Expired,
    /// Not the end: a capture or refund came to nothing so far and is tried again later, and will be settled once more.
    Waiting {
        /// It was shown as pending before: nobody needs to be told.
        was_pending: bool,
    },
}

/// A product that charges cards. Its functions run inside the deciding command, next to the change of the payment itself, so product and
/// payment are one commit; they cannot refuse. A charge that finds no place any more starts its own refund there.
pub trait Origin: Send + Sync + 'static {
    /// Names the rows that the other functions will touch for this attempt.
    fn keys(&self, attempt: &Attempt, keys: &mut Keys<'_>);

    /// An attempt that this product asked for has ended; the rows of payment and attempt say so already. Returns what the request that
    /// asked is answered, now and whenever it is repeated; `None` drops its claim.
    fn settled(&self, rows: &mut Rows, attempt: &Attempt, ended: Ended, now: Timestamp) -> Option<Reply>;

    /// Nobody knows what became of an attempt that this product asked for; the rows of payment and attempt say so already. It is asked
    /// about until it is known, and settled then.
    fn doubted(&self, _rows: &mut Rows, _attempt: &Attempt, _now: Timestamp) {}

    /// A refund of one of its payments went through, whoever asked for it; the payment's row says so already.
    fn refunded(&self, rows: &mut Rows, attempt: &Attempt, now: Timestamp);

    /// A payer's bank took one of its payments back, or the dispute about that is over; the rows of payment and dispute say so already.
    fn disputed(&self, rows: &mut Rows, dispute: &Attempt, now: Timestamp);
}

/// The payments API itself: the payment is all it has, and its answer is drawn from it.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) herald: Herald,
}

/// For an origin with an `api`: who listens to the payments API hears of its doubts, refunds and disputes as of the API's own.
macro_rules! told_by_the_api {
    () => {
        fn doubted(&self, rows: &mut db::Rows, attempt: &crate::attempt::Attempt, now: kernel::Timestamp) {
            self.api.doubted(rows, attempt, now);
        }

        fn refunded(&self, rows: &mut db::Rows, attempt: &crate::attempt::Attempt, now: kernel::Timestamp) {
            self.api.refunded(rows, attempt, now);
        }

        fn disputed(&self, rows: &mut db::Rows, dispute: &crate::attempt::Attempt, now: kernel::Timestamp) {
            self.api.disputed(rows, dispute, now);
        }
    };
}
pub(crate) use told_by_the_api;

impl Origin for Api {
    fn keys(&self, attempt: &Attempt, keys: &mut Keys<'_>) {
        self.herald.attempt_keys(attempt, keys);
    }

    fn settled(&self, rows: &mut Rows, attempt: &Attempt, ended: Ended, now: Timestamp) -> Option<Reply> {
        if ended == Ended::NotSent {
            return None;
        }
        if ended != (Ended::Waiting { was_pending: true }) {
            self.herald.attempt(rows, attempt, now);
        }
        if attempt.kind == AttemptKind::Payout {
            return Some(payouts::reply(rows.must::<PayoutRow>(&payouts::key(attempt)), &self.herald.faces));
        }
        let operation = attempt.row_key().map(|key| rows.must::<AttemptRow>(&key).clone());
        let payment = rows.must::<PaymentRow>(&attempt.payment_key());
        let (status, body) = self.draw(payment, operation.as_ref());
        Some(Reply { status, content_type: JSON.into(), location: None, body: body.into() })
    }

    fn doubted(&self, rows: &mut Rows, attempt: &Attempt, now: Timestamp) {
        self.herald.attempt(rows, attempt, now);
    }

    fn disputed(&self, rows: &mut Rows, dispute: &Attempt, now: Timestamp) {
        self.herald.attempt(rows, dispute, now);
    }

    fn refunded(&self, rows: &mut Rows, attempt: &Attempt, now: Timestamp) {
        // What the API itself asked for is told when it is settled.
        if attempt.origin != OriginKind::Api {
            self.herald.attempt(rows, attempt, now);
        }
    }
}

impl Api {
    fn facts<'a>(&'a self, payment: &'a PaymentRow, operations: &'a [AttemptRow], history: bool) -> PaymentFacts<'a> {
        PaymentFacts { payment, operations, history, raw: false, challenges: &self.herald.faces.challenges }
    }

    fn draw(&self, payment: &PaymentRow, operation: Option<&AttemptRow>) -> (u16, Vec<u8>) {
        let Some(operation) = operation else {
            return (201, (self.herald.faces.payment)(&self.facts(payment, &[], true)));
        };
        let transaction_shaped = || (self.herald.faces.operation)(&OperationFacts { payment, operation });
        match operation.form {
            ReplyForm::Capture | ReplyForm::Cancel => (200, transaction_shaped()),
            ReplyForm::CancelOrRefund => (201, transaction_shaped()),
            ReplyForm::Refund => (200, (self.herald.faces.payment)(&self.facts(payment, std::slice::from_ref(operation), false))),
        }
    }
}

/// Every product that charges, by its kind.
#[derive(Clone)]
pub struct Origins {
    all: Arc<Vec<(OriginKind, Arc<dyn Origin>)>>,
    herald: Herald,
}

impl Origins {
    /// The payments API with its links, its subscriptions and the enrolment of cards, drawing their replies with `faces` and telling
    /// receivers of webhooks through `outbox`.
    pub fn new(faces: Faces, outbox: Outbox) -> Self {
        let herald = Herald { faces, outbox };
        let api = Api { herald: herald.clone() };
        let all: Vec<(OriginKind, Arc<dyn Origin>)> = vec![
            (OriginKind::Enrolment, Arc::new(Enrolment { api: api.clone() })),
            (OriginKind::Link, Arc::new(LinkOrigin { api: api.clone() })),
            (OriginKind::Subscription, Arc::new(SubscriptionOrigin { api: api.clone() })),
            (OriginKind::Delay, Arc::new(DelayOrigin { api: api.clone() })),
            (OriginKind::Api, Arc::new(api)),
        ];
        Self { all: Arc::new(all), herald }
    }

    /// Where payers are sent to.
    pub(crate) fn challenges(&self) -> &Challenges {
        &self.herald.faces.challenges
    }

    /// Who tells receivers of webhooks.
    pub(crate) fn herald(&self) -> &Herald {
        &self.herald
    }

    /// One product more.
    #[must_use]
    pub fn with(self, kind: OriginKind, origin: Arc<dyn Origin>) -> Self {
        let mut all = self.all.to_vec();
        all.retain(|(known, _)| *known != kind);
        all.push((kind, origin));
        Self { all: Arc::new(all), ..self }
    }

    /// The product of that kind.
    ///
    /// # Panics
    /// When the binary has not wired it: a defect that would lose the product's side of a payment.
    pub(crate) fn of(&self, kind: OriginKind) -> &dyn Origin {
        self.all
            .iter()
            .find(|(known, _)| *known == kind)
            .map(|(_, origin)| &**origin)
            .expect("every kind of origin is wired by the binary")
    }
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all.iter().map(|(kind, _)| kind)).finish()
    }
}
