//! The tables of payments: one row per payment with its first attempt folded in, one per later attempt, one per open question.

use std::sync::Arc;

use kernel::{
    AccountId, AttemptId, CheckoutSessionId, Country, Currency, CustomerId, Money, PaymentId, PaymentMethodId, Timestamp, TokenId,
};
use uuid::Uuid;

use crate::delays::Delay;
use crate::earlier::{Earlier, EarlierTry};
use crate::notifications::{Event, NotificationState};
use crate::rules::{Retries, SESSION_SECONDS, Standing};
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
        once { /// What the caller calls it; not unique.
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
               /// Whose customer pays.
               customer_id: Option<CustomerId>,
               /// The one-time token it was made with.
               token: Option<TokenId>,
               /// Of an authorisation: what is done by itself a while after it is approved.
               delay: Option<Delay>,
               /// When the intent was written.
               created_at: Timestamp }
        state { /// Status and sub-status.
                state: PaymentState,
                /// The first attempt: purchase, authorisation or card check. Of several tries, the last.
                attempt_id: AttemptId,
                /// Where it was sent.
                connector: Connector,
                /// The tries before it at other acquirers.
                earlier: Option<Earlier>,
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
                /// The stored card that pays, or that is stored if it succeeds.
                method_id: Option<PaymentMethodId>,
                /// What that card is charged by, once it is stored.
                vaulted_token: Option<Uuid>,
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

    /// Whether this later attempt is its delayed one, and tried again where it fails for now.
    pub fn delays_and_tries_again(&self, operation: &AttemptRow) -> bool {
        operation.origin == OriginKind::Delay && self.delay.is_some_and(Delay::is_tried_again)
    }

    /// The tries at other acquirers before the first attempt, oldest first.
    pub fn earlier_tries(&self) -> &[EarlierTry] {
        self.earlier.as_ref().map_or(&[], Earlier::tries)
    }

    /// When the intent of the first attempt was written.
    pub(crate) fn try_began_at(&self) -> Timestamp {
        self.earlier_tries().last().map_or(self.created_at, |before| before.ended_at)
    }

    /// What the rules look at, but for what is tried again: `retries::standing` has that, and is what changes are made on.
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
            retries: Retries::default(),
        }
    }

    /// Whether it is not known yet whether it was paid at all.
    pub(crate) fn is_unsure(&self) -> bool {
        matches!(self.attempt, AttemptState::Sending | AttemptState::Unknown)
    }

    /// Takes over what the rules made of it.
    pub(crate) fn adopt(&mut self, standing: &Standing, now: Timestamp) {
        self.state = standing.state;
        self.captured = standing.captured;
        self.capturing = standing.capturing;
        self.refunded = standing.refunded;
        self.refunding = standing.refunding;
        self.hold_until = standing.hold_until;
        self.touch(now);
    }

    /// It has changed: later than ever before, also where several changes share a commit, so that of two states it was told in the newer
    /// is known.
    pub(crate) fn touch(&mut self, now: Timestamp) {
        self.updated_at = now.max(self.updated_at.plus_micros(1));
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
    /// A payment that waits, or waited, for its payer to prove that the card is his.
    pub struct ChallengeRow: "challenge" {
        key { /// The tenant.
              account_id: AccountId,
              /// The payment.
              payment_id: PaymentId }
        once { /// Of the token in the address the payer is sent to.
               token_hash: [u8; 16] }
        state { /// Wrong codes so far.
                tries: u32,
                /// When the payment expires unless he has; absent once that was looked at.
                expires_at: Option<Timestamp> }
    }
}

db::row! {
    /// What an acquirer told us unasked.
    pub struct NotificationRow: "notification" {
        key { /// Made of what makes a repeat.
              id: [u8; 16] }
        once { /// Who told us.
               connector: Connector,
               /// The payment it names.
               payment_id: Option<PaymentId>,
               /// The order it names.
               merchant_order_id: Arc<str>,
               /// What it is about.
               event: Event,
               /// Whether that went well.
               success: bool,
               /// Of the amount.
               currency: Currency,
               /// How much, in minor units.
               amount: i64,
               /// As it came, masked.
               body: Arc<str>,
               /// The attempt it names; of a dispute, the one it is kept as.
               attempt_id: Option<AttemptId>,
               /// What the acquirer calls the charge it is about.
               reference: Option<Arc<str>>,
               /// When it came.
               received_at: Timestamp }
        state { /// What became of it.
                state: NotificationState,
                /// When it is to be worked off; absent once it is.
                due_at: Option<Timestamp> }
    }
}

db::row! {
    /// A checkout session: an order for which one payment can be made.
    pub struct CheckoutSessionRow: "checkout_session" {
        key { /// The tenant.
              account_id: AccountId,
              /// Its id.
              id: CheckoutSessionId }
        once { /// When it was made.
               created_at: Timestamp }
        state { /// What the caller calls the order.
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
                /// Everything that is only echoed: a JSON object that this crate only changes member by member.
                details: Option<Arc<[u8]>>,
                /// Who will pay.
                customer_id: Option<CustomerId>,
                /// The payment that used it, unless that one was declined.
                payment_id: Option<PaymentId> }
    }
}

impl CheckoutSessionRow {
    /// Whether a payment can still be made in it.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.payment_id.is_none() && now < self.created_at.plus_seconds(SESSION_SECONDS)
    }

    /// The amount, when it was set.
    pub fn money(&self) -> Option<Money> {
        self.amount.zip(self.currency).map(|(minor, currency)| Money::new(minor, currency))
    }
}
