//! The tables of payments: one row per payment with its first attempt folded in, one per later attempt, one per open question.

use std::sync::Arc;

use kernel::{AccountId, AttemptId, CheckoutSessionId, Country, Currency, Money, PaymentId, Timestamp};

use crate::rules::Standing;
use crate::types::{
    AttemptKind, AttemptState, CardFace, Connector, Mode, OriginKind, PaymentState, ReplyForm, Response, Said, SplitPlan,
    Workflow,
};

db::row! {
    /// A payment and its first attempt. Most payments never get another row of this crate.
    pub struct PaymentRow: "payment" {
        key { /// The tenant.
              account_id: AccountId,
              /// Its id.
              id: PaymentId }
        once { /// The first attempt: purchase, authorisation or card check.
               attempt_id: AttemptId,
               /// What the caller calls it; not unique.
               merchant_order_id: Arc<str>,
               /// In the caller's words.
               description: Arc<str>,
               /// Where it is made.
               country: Country,
               /// Of all its amounts.
               currency: Currency,
               /// What was asked for, in minor units.
               amount: i64,
               /// What a purchase costs the merchant, in minor units; captures of a hold carry their own.
               fee: i64,
               /// What it is meant to do.
               mode: Mode,
               /// How the card came.
               workflow: Workflow,
               /// Whose payment it is.
               origin: OriginKind,
               /// Where the charge was sent.
               connector: Connector,
               /// What may be shown of the card.
               card: Option<CardFace>,
               /// The session it was made in.
               checkout_session: Option<CheckoutSessionId>,
               /// The key of the request that made it, as it is shown.
               idempotency_key: Option<Arc<str>>,
               /// Who the money is for, unless it is the usual: the merchant, less the fee.
               split: Option<SplitPlan>,
               /// Everything that is only echoed: a JSON object that this crate never looks into.
               details: Option<Arc<[u8]>>,
               /// When the intent was written.
               created_at: Timestamp }
        state { /// Status and sub-status.
                state: PaymentState,
                /// How far the first attempt got.
                attempt: AttemptState,
                /// What the acquirer said to it.
                response: Option<Response>,
                /// When the acquirer said it.
                answered_at: Option<Timestamp>,
                /// Captured for good, in minor units; the whole amount of an approved purchase.
                captured: i64,
                /// Reserved by captures and cancels under way.
                capturing: i64,
                /// Given back for good.
                refunded: i64,
                /// Reserved by refunds under way.
                refunding: i64,
                /// When the hold lapses; nothing is held when absent.
                hold_until: Option<Timestamp>,
                /// When the payment last changed.
                updated_at: Timestamp }
    }
}

impl PaymentRow {
    /// The amount asked for.
    pub fn money(&self) -> Money {
        Money::new(self.amount, self.currency)
    }

    /// What the payments API shows as captured: a purchase shows nothing, as in the original.
    pub fn captured_shown(&self) -> i64 {
        if self.mode == Mode::Purchase { 0 } else { self.captured }
    }

    /// What the acquirer said to the first attempt; `None` while it has said nothing.
    pub fn said(&self) -> Option<Said<'_>> {
        self.response.as_ref().and_then(Response::parts)
    }

    /// What the rules look at.
    pub fn standing(&self) -> Standing {
        Standing {
            mode: self.mode,
            state: self.state,
            amount: self.money(),
            captured: self.captured,
            capturing: self.capturing,
            refunded: self.refunded,
            refunding: self.refunding,
            hold_until: self.hold_until,
        }
    }

    /// Takes over what the rules made of it.
    pub(crate) fn adopt(&mut self, standing: &Standing, now: Timestamp) {
        self.state = standing.state;
        self.captured = standing.captured;
        self.capturing = standing.capturing;
        self.refunded = standing.refunded;
        self.refunding = standing.refunding;
        self.hold_until = standing.hold_until;
        self.updated_at = now;
    }
}

db::row! {
    /// A later attempt of a payment: a capture, a cancel or a refund.
    pub struct AttemptRow: "attempt" {
        key { /// The tenant.
              account_id: AccountId,
              /// Its id; the acquirer's idempotency key.
              id: AttemptId }
        once { /// Of which payment.
               payment_id: PaymentId,
               /// What it asks for.
               kind: AttemptKind,
               /// Who asked for it.
               origin: OriginKind,
               /// What its request is answered.
               form: ReplyForm,
               /// The transaction it names: the authorisation, or what a refund gives back.
               named: AttemptId,
               /// The payment's currency.
               currency: Currency,
               /// How much, in minor units.
               amount: i64,
               /// What a capture costs the merchant, in minor units.
               fee: i64,
               /// The claim of its request, to be finished with it.
               claim: Option<[u8; 16]>,
               /// Everything that is only echoed: a JSON object that this crate never looks into.
               details: Option<Arc<[u8]>>,
               /// When the intent was written.
               created_at: Timestamp }
        state { /// How far it got.
                state: AttemptState,
                /// What the acquirer said.
                response: Option<Response>,
                /// Of a capture: what refunds naming it have given back or reserved, in minor units.
                returned: i64,
                /// When it last changed.
                updated_at: Timestamp }
    }
}

impl AttemptRow {
    /// What the acquirer said; `None` while it has said nothing.
    pub fn said(&self) -> Option<Said<'_>> {
        self.response.as_ref().and_then(Response::parts)
    }

    /// How much it is about.
    pub fn money(&self) -> Money {
        Money::new(self.amount, self.currency)
    }
}

db::row! {
    /// An attempt whose outcome is not known and must be asked for. The row goes when the outcome is known.
    pub struct AskingRow: "asking" {
        key { /// The tenant.
              account_id: AccountId,
              /// The attempt.
              attempt_id: AttemptId }
        once { /// Its payment; of a payout, the payout's id.
               payment_id: PaymentId,
               /// The claim of its request.
               claim: Option<[u8; 16]>,
               /// Since when it is unknown.
               since: Timestamp }
        state { /// When to ask next.
                next_ask_at: Timestamp,
                /// How often it was asked.
                asks: u32,
                /// When the acquirer first said that it knows of no such attempt; used where it cannot promise to refuse a late one.
                missing_since: Option<Timestamp> }
    }
}

db::row! {
    /// A checkout session: an order for which one payment can be made.
    pub struct CheckoutSessionRow: "checkout_session" {
        key { /// The tenant.
              account_id: AccountId,
              /// Its id.
              id: CheckoutSessionId }
        once { /// What the caller calls the order.
               merchant_order_id: Arc<str>,
               /// In the caller's words.
               payment_description: Arc<str>,
               /// Where the payment is to be made.
               country: Country,
               /// Of the amount.
               currency: Option<Currency>,
               /// In minor units; the payment must have the same when it is set.
               amount: Option<i64>,
               /// How the card will come.
               workflow: Workflow,
               /// Everything that is only echoed: a JSON object that this crate never looks into.
               details: Option<Arc<[u8]>>,
               /// When it was made.
               created_at: Timestamp }
        state { /// The payment that used it, unless that one was declined.
                payment_id: Option<PaymentId> }
    }
}

impl CheckoutSessionRow {
    /// The amount, when it was set.
    pub fn money(&self) -> Option<Money> {
        self.amount.zip(self.currency).map(|(minor, currency)| Money::new(minor, currency))
    }
}
