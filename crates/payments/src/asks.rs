//! What callers ask for. The edge has judged the form of every field; whether it may happen is judged here.

use std::sync::Arc;

use idempotency::{BodyHash, Claim, Recorded, Reply, Scope};
use kernel::{AttemptId, Country, Money, PaymentId};
use uuid::Uuid;

use crate::customers::Changes;
use crate::delays::Delay;
use crate::types::{CardAsk, Mode, Workflow};

/// One request's idempotency key and what belongs to it.
#[derive(Clone, Debug)]
pub struct Once {
    /// Where the key counts.
    pub scope: Scope,
    /// The key as sent.
    pub key: Arc<str>,
    /// Of the request's body.
    pub body_hash: BodyHash,
    /// The request's id.
    pub request_id: Arc<str>,
    /// A reply recorded for another body is not for this request.
    pub strict: bool,
}

impl Once {
    /// The claim on making `subject`.
    pub(crate) fn claim(&self, subject: Uuid) -> Claim {
        Claim { scope: self.scope, body_hash: self.body_hash, subject, request_id: self.request_id.clone() }
    }
}

/// Where the card comes from.
#[derive(Debug)]
pub enum Means {
    /// Sent with the request.
    Card(CardAsk),
    /// A one-time token.
    Token(Arc<str>),
    /// A stored payment method.
    VaultedToken(Arc<str>),
}

/// A payment to be made.
#[derive(Debug)]
pub struct CreatePayment {
    /// What the caller calls the order.
    pub merchant_order_id: Arc<str>,
    /// In the caller's words.
    pub description: Arc<str>,
    /// Where it is made.
    pub country: Country,
    /// How much; zero for [`Mode::Verify`] and only then.
    pub amount: Money,
    /// How the card came.
    pub workflow: Workflow,
    /// The checkout session it belongs to, as sent: a malformed id is one that does not exist.
    pub checkout_session: Option<Arc<str>>,
    /// What it is meant to do.
    pub mode: Mode,
    /// Whose money.
    pub means: Means,
    /// The customer who pays, as sent: a malformed id is one that does not exist.
    pub customer: Option<Arc<str>>,
    /// Keep the card for later if the payment succeeds.
    pub vault_on_success: bool,
    /// What is done by itself a while after an authorisation is approved.
    pub delay: Option<Delay>,
    /// Everything that is only echoed, as a JSON object; `None` when there is nothing.
    pub details: Option<Arc<[u8]>>,
}

/// Take held money. Ids are `None` when they were malformed, which is answered like an unknown one.
#[derive(Clone, Debug)]
pub struct Capture {
    /// Of which payment.
    pub payment: Option<PaymentId>,
    /// Its authorisation.
    pub transaction: Option<AttemptId>,
    /// How much.
    pub amount: Money,
    /// Try it again later where the acquirer cannot be reached or refuses for now.
    pub retried: bool,
    /// Everything that is only echoed.
    pub details: Option<Arc<[u8]>>,
}

/// Let a hold go.
#[derive(Clone, Debug)]
pub struct Cancel {
    /// Of which payment.
    pub payment: Option<PaymentId>,
    /// Its authorisation.
    pub transaction: Option<AttemptId>,
    /// Everything that is only echoed.
    pub details: Option<Arc<[u8]>>,
}

/// Give money back.
#[derive(Clone, Debug)]
pub struct Refund {
    /// Of which payment.
    pub payment: Option<PaymentId>,
    /// A purchase or capture, or the authorisation for any of its captures.
    pub transaction: Option<AttemptId>,
    /// How much; everything that is left when absent.
    pub amount: Option<Money>,
    /// Try it again later where the acquirer cannot be reached or refuses for now.
    pub retried: bool,
    /// Everything that is only echoed.
    pub details: Option<Arc<[u8]>>,
}

/// Cancel what is only held, give back what was taken.
#[derive(Clone, Debug)]
pub struct CancelOrRefund {
    /// Of which payment.
    pub payment: Option<PaymentId>,
    /// Of what in it.
    pub target: Target,
    /// How much to give back; everything that is left when absent.
    pub amount: Option<Money>,
    /// Everything that is only echoed.
    pub details: Option<Arc<[u8]>>,
}

/// What an operation on a payment names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The payment as such: its first transaction.
    Payment,
    /// One of its transactions; `None` for a malformed id.
    Transaction(Option<AttemptId>),
}

/// A checkout session to be made.
#[derive(Clone, Debug)]
pub struct CreateCheckoutSession {
    /// What the caller calls the order.
    pub merchant_order_id: Arc<str>,
    /// In the caller's words.
    pub payment_description: Arc<str>,
    /// Where the payment will be made.
    pub country: Country,
    /// How much it will be, if that is fixed already.
    pub amount: Option<Money>,
    /// How the card will come.
    pub workflow: Workflow,
    /// The customer who will pay, as sent: a malformed id is one that does not exist.
    pub customer: Option<Arc<str>>,
    /// Everything that is only echoed.
    pub details: Option<Arc<[u8]>>,
}

/// What is to be changed of a checkout session; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct PatchCheckoutSession {
    /// Another name for the order.
    pub merchant_order_id: Option<Arc<str>>,
    /// Other words.
    pub payment_description: Option<Arc<str>>,
    /// Another country.
    pub country: Option<Country>,
    /// Another amount, or none any more.
    pub amount: Option<Option<Money>>,
    /// Another way for the card to come.
    pub workflow: Option<Workflow>,
    /// Another customer, or none any more.
    pub customer: Option<Option<Arc<str>>>,
    /// Of what is only echoed.
    pub changes: Changes,
}

/// What a request is answered.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It was carried out now.
    Done(Reply),
    /// It was carried out earlier: the same bytes again.
    Replay(Recorded),
}
