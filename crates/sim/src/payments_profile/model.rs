//! What clients know for certain of their payments, and what may have happened besides: plain lists, no rules of the platform.

use kernel::{Currency, Timestamp};
use serde_json::Value;

use super::amounts;

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A payment at once.
    Purchase,
    /// A hold.
    Authorise,
    /// A card check.
    Verify,
    /// Take held money.
    Capture,
    /// Let a hold go.
    Cancel,
    /// Give money back.
    Refund,
    /// Whichever of the two fits.
    CancelOrRefund,
    /// Money to a bank account.
    Payout,
    /// A card to be kept.
    Enrol,
    /// A subscription.
    Subscribe,
    /// Pause, resume, retry or cancel it.
    StepSubscription,
    /// Take a kept card off.
    Unenrol,
    /// A page on which somebody pays.
    Link,
    /// What became of the goods of a payment.
    Fulfil,
    /// A table of what there is.
    Report,
}

impl Kind {
    /// Whether it makes a payment.
    pub const fn makes_payment(self) -> bool {
        matches!(self, Kind::Purchase | Kind::Authorise | Kind::Verify)
    }

    /// Whether it moves what a payment holds or took.
    pub const fn follows_up(self) -> bool {
        matches!(self, Kind::Capture | Kind::Cancel | Kind::Refund | Kind::CancelOrRefund)
    }
}

/// How an operation stands, as far as its client knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// No certain answer yet.
    Open,
    /// It was done.
    Done,
    /// It was recorded, and came to nothing: declined, or failed at the acquirer.
    Declined,
    /// It waits for its payer.
    Waiting,
    /// It failed for now and is tried again; it may have ended since.
    Retried,
    /// It was refused: nothing was recorded, and nothing happened.
    Refused(String),
}

/// Something a client wants done once, under one key.
#[derive(Clone, Debug)]
pub struct Op {
    /// What.
    pub kind: Kind,
    /// Who.
    pub tenant: usize,
    /// Of which payment; of a payment, itself.
    pub payment: Option<usize>,
    /// How much; what is left, when the client did not say, is known with the answer.
    pub minor: i64,
    /// Whether the client named an amount.
    pub named: bool,
    /// In what.
    pub currency: Currency,
    /// Path.
    pub path: String,
    /// Key.
    pub key: String,
    /// Body.
    pub body: Value,
    /// What names it to the acquirer: order, or payout's reference.
    pub order: String,
    /// As far as known.
    pub state: State,
    /// Calls under way.
    pub calls: u32,
    /// A call ended without a certain answer.
    pub doubtful: bool,
    /// When it was first sent.
    pub sent_at: Timestamp,
    /// The world's number when it was written down.
    pub began: u64,
    /// The world's number when it was known for certain.
    pub ended: Option<u64>,
    /// What was answered when it was done.
    pub answer: Value,
    /// What it names: a stored method or a subscription.
    pub other: Option<usize>,
    /// Whether it is to be tried again where it fails for now.
    pub retried: bool,
    /// The world's number when its client learned that it is.
    pub retried_from: Option<u64>,
}

impl Op {
    /// Whether it may still come to something, or came to something after this moment.
    pub fn overlaps(&self, since: u64) -> bool {
        self.ended.is_none_or(|ended| ended > since)
    }
}

/// A payment.
#[derive(Clone, Debug)]
pub struct Payment {
    /// Whose.
    pub tenant: usize,
    /// The operation that made it.
    pub made_by: usize,
    /// Its id, once known.
    pub id: String,
    /// Its first transaction.
    pub transaction: String,
    /// In what.
    pub currency: Currency,
    /// How much.
    pub minor: i64,
    /// Purchase, hold or check.
    pub kind: Kind,
    /// When its client learned of it.
    pub known_at: Timestamp,
    /// The world's number when he did.
    pub known_from: u64,
    /// When it says that it was made.
    pub created_at: Timestamp,
    /// Where its payer proves himself.
    pub challenge: Option<String>,
    /// Its payer's bank took money back.
    pub disputed: bool,
    /// The merchant has seen that.
    pub dispute_told: bool,
    /// What was captured and refunded when it was last read: reads never go back.
    pub read: (i64, i64),
    /// The last look.
    pub last: Value,
}

/// A stored card.
#[derive(Clone, Debug)]
pub struct Method {
    /// Whose.
    pub tenant: usize,
    /// Its customer.
    pub customer: String,
    /// Its id.
    pub id: String,
    /// What it is charged by.
    pub token: String,
    /// Somebody has asked to take it off.
    pub leaving: bool,
    /// The last look.
    pub last: Value,
}

/// A subscription.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// Whose.
    pub tenant: usize,
    /// Its id.
    pub id: String,
    /// Cycles it has.
    pub cycles: i64,
    /// What a cycle costs.
    pub minor: i64,
    /// In what.
    pub currency: Currency,
    /// The last look.
    pub last: Value,
    /// Its payments, as last listed.
    pub listed: Value,
}

/// A page on which somebody pays, once.
#[derive(Clone, Debug)]
pub struct Link {
    /// The operation that made it.
    pub made_by: usize,
    /// Its code.
    pub id: String,
    /// The last look.
    pub last: Value,
}

/// A table of what there is.
#[derive(Clone, Debug)]
pub struct Report {
    /// The operation that made it.
    pub made_by: usize,
    /// Its id.
    pub id: String,
    /// From when on it lists.
    pub start: Timestamp,
    /// Until when: it says when it was made. A clock that went back may be behind a payment that was made before.
    pub until: Timestamp,
    /// When its client learned of it.
    pub known_at: Timestamp,
}

/// Everything.
#[derive(Default)]
pub struct Model {
    /// Operations.
    pub ops: Vec<Op>,
    /// Payments.
    pub payments: Vec<Payment>,
    /// Stored cards.
    pub methods: Vec<Method>,
    /// Subscriptions.
    pub subscriptions: Vec<Subscription>,
    /// Links.
    pub links: Vec<Link>,
    /// Reports.
    pub reports: Vec<Report>,
}

impl Model {
    /// Operations on a payment.
    pub fn on(&self, payment: usize) -> impl Iterator<Item = &Op> {
        self.ops.iter().filter(move |op| op.payment == Some(payment) && op.kind.follows_up())
    }

    /// The sum of what is certain.
    pub fn certain(&self, payment: usize, kind: Kind) -> i64 {
        self.on(payment).filter(|op| op.did() == Some(kind)).map(|op| op.minor).sum()
    }

    /// What was taken for certain.
    pub fn taken(&self, payment: usize) -> i64 {
        let of = &self.payments[payment];
        match (of.kind, &self.ops[of.made_by].state) {
            (Kind::Purchase, State::Done) => of.minor,
            (Kind::Authorise, State::Done) => self.certain(payment, Kind::Capture),
            _ => 0,
        }
    }

    /// The sum of what is tried again, and may have ended since.
    pub fn tried_again(&self, payment: usize, kind: Kind) -> i64 {
        let tried = self.on(payment).filter(|op| op.kind == kind && op.state == State::Retried);
        tried.map(|op| op.minor).sum()
    }
}

impl Op {
    /// What it did, when it did something.
    pub fn did(&self) -> Option<Kind> {
        if self.state != State::Done {
            return None;
        }
        match (self.kind, self.answer["type"].as_str()) {
            (Kind::CancelOrRefund, Some("CANCEL")) => Some(Kind::Cancel),
            (Kind::CancelOrRefund, _) => Some(Kind::Refund),
            (kind, _) => Some(kind),
        }
    }

    /// Takes over what the answer says: the amount where none was named, and how it ended.
    pub fn take(&mut self, answer: &Value) {
        self.answer = answer.clone();
        let transaction = transaction_of(self.kind, answer);
        let (status, sub_status) = (text(transaction, "status"), text(answer, "sub_status"));
        self.state = match (self.kind, status, sub_status) {
            (_, "DECLINED" | "ERROR" | "REJECTED" | "EXPIRED", _) => State::Declined,
            (Kind::Capture | Kind::Refund, "PENDING", _) => State::Retried,
            (_, "PENDING", "WAITING_ADDITIONAL_STEP") | (Kind::Payout, "PENDING" | "CREATED", _) => State::Waiting,
            // A card that is checked with its payer's proof is there only after that.
            (Kind::Enrol, status, _) if status != "ENROLLED" => State::Waiting,
            _ => State::Done,
        };
        if !self.named && self.kind.follows_up() {
            let shown = if self.kind == Kind::Refund { &transaction["amount"] } else { &answer["amount"]["value"] };
            self.minor = amounts::minor(shown, self.currency).unwrap_or(self.minor);
        }
    }

    /// Its transaction, as its answer shows it.
    pub fn transaction(&self) -> &Value {
        transaction_of(self.kind, &self.answer)
    }
}

fn transaction_of(kind: Kind, answer: &Value) -> &Value {
    match kind {
        Kind::Refund => &answer["transactions"],
        Kind::Payout => &answer["transactions"][0],
        _ => answer,
    }
}

/// A text member.
pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}
