//! What a payment, its attempts and the asks of callers are.

use std::sync::{Arc, LazyLock};

use db::{Column, Kind, Value};
use kernel::{AccountId, Approval, CardExpiry, CardNumber, Decline, FeeRate, Outcome, SecurityCode};
use ledger::Owner;
use uuid::Uuid;

pub use crate::split::SplitPlan;

db::codes! {
    /// What a payment is meant to do.
    pub enum Mode {
        /// Pay at once.
        Purchase = 0,
        /// Hold the amount; captures take it.
        Authorise = 1,
        /// Check the card; the amount is zero and nothing is booked.
        Verify = 2,
    }
}

db::codes! {
    /// How the payer's card reached the merchant. Shown, and decides which sources of a card are allowed.
    pub enum Workflow {
        /// The payment page's script, fields drawn by us.
        SdkCheckout = 0,
        /// As [`Workflow::SdkCheckout`], fields drawn by the merchant.
        Checkout = 1,
        /// As [`Workflow::SdkCheckout`], without a visible step.
        SdkSeamless = 2,
        /// Through a page the payer is sent to.
        Redirect = 3,
        /// The merchant's server sends the card.
        Direct = 4,
    }
}

impl Workflow {
    /// The word of the payments API.
    pub const fn wire(self) -> &'static str {
        match self {
            Workflow::SdkCheckout => "SDK_CHECKOUT",
            Workflow::Checkout => "CHECKOUT",
            Workflow::SdkSeamless => "SDK_SEAMLESS",
            Workflow::Redirect => "REDIRECT",
            Workflow::Direct => "DIRECT",
        }
    }

    /// The workflow with this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|workflow| workflow.wire() == word)
    }
}

db::codes! {
    /// Status and sub-status of a payment: a closed set of pairs, so an impossible pair cannot be stored.
    pub enum PaymentState {
        /// The intent is written; the acquirer has not answered yet.
        Created = 0,
        /// The outcome is unknown and being asked for.
        Unconfirmed = 1,
        /// A hold is open and nothing is captured.
        Authorised = 2,
        /// A purchase went through.
        Approved = 3,
        /// Part of a hold is captured.
        PartlyCaptured = 4,
        /// All of a hold is captured.
        Captured = 5,
        /// Part of what was paid is given back.
        PartlyRefunded = 6,
        /// Everything that was paid is given back.
        Refunded = 7,
        /// Cancelled, or the hold ran out before any capture.
        Cancelled = 8,
        /// The card was checked and found good.
        Verified = 9,
        /// Refused.
        Declined = 10,
        /// The acquirer failed for good.
        Errored = 11,
        /// The payer must prove that the card is his.
        AwaitingPayer = 12,
        /// He did not in time.
        Expired = 13,
        /// The payer's bank has taken the money back, and it is disputed whether rightly.
        Disputed = 14,
        /// It was right: the money is gone.
        ChargedBack = 15,
        /// A capture failed and is tried again.
        CaptureRetried = 16,
        /// A refund failed and is tried again.
        RefundRetried = 17,
        /// A capture failed at every try; the rest of the hold stands.
        CaptureFailed = 18,
    }
}

impl PaymentState {
    /// The payment's `status`.
    pub const fn status(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Unconfirmed | Self::Authorised | Self::AwaitingPayer => "PENDING",
            Self::Approved
            | Self::PartlyCaptured
            | Self::Captured
            | Self::PartlyRefunded
            | Self::CaptureRetried
            | Self::RefundRetried
            | Self::CaptureFailed => "SUCCEEDED",
            Self::Refunded => "REFUNDED",
            Self::Cancelled => "CANCELED",
            Self::Verified => "VERIFIED",
            Self::Declined => "DECLINED",
            Self::Errored => "ERROR",
            Self::Expired => "EXPIRED",
            Self::Disputed => "IN_DISPUTE",
            Self::ChargedBack => "CHARGEBACK",
        }
    }

    /// The payment's `sub_status`.
    pub const fn sub_status(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Unconfirmed => "PENDING_PROVIDER_CONFIRMATION",
            Self::Authorised => "AUTHORIZED",
            Self::Approved => "APPROVED",
            Self::PartlyCaptured => "PARTIALLY_CAPTURED",
            Self::Captured => "CAPTURED",
            Self::PartlyRefunded => "PARTIALLY_REFUNDED",
            Self::Refunded => "REFUNDED",
            Self::Cancelled => "CANCELED",
            Self::Verified => "VERIFIED",
            Self::Declined => "DECLINED",
            Self::Errored => "ERROR",
            Self::AwaitingPayer => "WAITING_ADDITIONAL_STEP",
            Self::Expired => "EXPIRED",
            Self::Disputed => "RECEIVED",
            Self::ChargedBack => "LOST",
            Self::CaptureRetried => "CAPTURE_RETRY_IN_PROCESS",
            Self::RefundRetried => "REFUND_RETRY_IN_PROCESS",
            Self::CaptureFailed => "CAPTURE_RETRY_PROCESS_FAILED",
        }
    }

    /// Whether it speaks of operations that are, or were, tried again, and not of amounts.
    pub const fn is_retried(self) -> bool {
        matches!(self, Self::CaptureRetried | Self::RefundRetried | Self::CaptureFailed)
    }
}

db::codes! {
    /// What one attempt asks of an acquirer; on the wire the type of a transaction.
    pub enum AttemptKind {
        /// Pay at once.
        Purchase = 0,
        /// Hold.
        Authorise = 1,
        /// Check the card.
        Verify = 2,
        /// Take money that is held.
        Capture = 3,
        /// Let a hold go.
        Cancel = 4,
        /// Give money back.
        Refund = 5,
        /// Send money to a bank account.
        Payout = 6,
        /// The payer's bank takes money back: nobody here asked for it.
        Chargeback = 7,
    }
}

impl AttemptKind {
    /// The word of the payments API.
    pub const fn wire(self) -> &'static str {
        match self {
            Self::Purchase => "PURCHASE",
            Self::Authorise => "AUTHORIZE",
            Self::Verify => "VERIFY",
            Self::Capture => "CAPTURE",
            Self::Cancel => "CANCEL",
            Self::Refund => "REFUND",
            Self::Payout => "PAYOUT",
            Self::Chargeback => "CHARGEBACK",
        }
    }
}

impl From<Mode> for AttemptKind {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Purchase => Self::Purchase,
            Mode::Authorise => Self::Authorise,
            Mode::Verify => Self::Verify,
        }
    }
}

db::codes! {
    /// How far one attempt got.
    pub enum AttemptState {
        /// Written down; the acquirer may or may not have heard of it.
        Sending = 0,
        /// The acquirer did not answer in time and is being asked.
        Unknown = 1,
        /// Done.
        Succeeded = 2,
        /// Refused.
        Declined = 3,
        /// The acquirer failed for good.
        Errored = 4,
        /// Proven: it never had an effect. Kept for the record, shown to nobody.
        NotSent = 5,
        /// Nothing has happened yet: the payer must prove that the card is his.
        AwaitingPayer = 6,
        /// He did not in time.
        Expired = 7,
        /// Of a chargeback: it is disputed.
        Disputed = 8,
        /// Of a chargeback: the merchant was right.
        Won = 9,
        /// Of a chargeback: the payer was right.
        Lost = 10,
        /// Of a capture or refund: it came to nothing so far and is tried again later. No acquirer works on it.
        Waiting = 11,
    }
}

impl AttemptState {
    /// The transaction's `status`.
    pub const fn wire(self) -> &'static str {
        match self {
            Self::Sending => "CREATED",
            Self::Unknown | Self::AwaitingPayer | Self::Disputed | Self::Waiting => "PENDING",
            Self::Succeeded => "SUCCEEDED",
            Self::Declined => "DECLINED",
            Self::Errored | Self::NotSent => "ERROR",
            Self::Expired => "EXPIRED",
            Self::Won => "WON",
            Self::Lost => "LOST",
        }
    }

    /// Whether the acquirer's word is still to come.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Sending | Self::Unknown)
    }

    /// Whether it can still come to something.
    pub const fn is_unsettled(self) -> bool {
        self.is_open() || matches!(self, Self::AwaitingPayer)
    }
}

db::codes! {
    /// Which reply the request that made an operation gets, at once or when it is repeated.
    pub enum ReplyForm {
        /// `POST …/capture`: 200, transaction-shaped.
        Capture = 0,
        /// `POST …/cancel`: 200, transaction-shaped.
        Cancel = 1,
        /// `POST …/refund`: 200, payment-shaped.
        Refund = 2,
        /// `POST …/cancel-or-refund`: 201, transaction-shaped.
        CancelOrRefund = 3,
    }
}

db::codes! {
    /// Whose payment it is: who is told when it is settled or refunded.
    pub enum OriginKind {
        /// The payments API itself.
        Api = 0,
        /// A card check on the way to storing the card.
        Enrolment = 1,
        /// A payment link.
        Link = 2,
        /// A subscription.
        Subscription = 3,
        /// The delay of an authorisation, which captures or cancels it by itself.
        Delay = 4,
        /// An acquirer, unasked.
        Acquirer = 15,
    }
}

impl OriginKind {
    /// Whether nobody is there when it charges a card.
    pub const fn is_off_session(self) -> bool {
        matches!(self, Self::Subscription)
    }
}

db::codes! {
    /// The acquirers this product can talk to. A charge's captures, voids and refunds go where the charge went.
    pub enum Connector {
        /// The built-in sandbox acquirer.
        Sandbox = 0,
        /// The same, under a second name, with one card more that it approves.
        SandboxB = 1,
        /// Stripe.
        Stripe = 2,
    }
}

impl Connector {
    /// Its configured name, `connection_data.name` on the wire; also names its settlement account in the ledger.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::SandboxB => "sandbox_b",
            Self::Stripe => "stripe",
        }
    }

    /// The connector with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|connector| connector.name() == name)
    }

    /// Its owner id in the ledger.
    pub fn owner(self) -> Owner {
        static OWNERS: LazyLock<Vec<Owner>> =
            LazyLock::new(|| Connector::ALL.iter().map(|connector| Owner::connector(connector.name())).collect());
        let position = Self::ALL.iter().position(|connector| *connector == self);
        OWNERS[position.expect("every connector is among all connectors")]
    }

    /// Whether it is the built-in one, under whichever name.
    pub const fn is_sandbox(self) -> bool {
        matches!(self, Self::Sandbox | Self::SandboxB)
    }

    /// `provider_id` on the wire.
    pub const fn provider_id(self) -> &'static str {
        match self {
            Self::Sandbox | Self::SandboxB => "GUICHET_TEST_GW",
            Self::Stripe => "STRIPE",
        }
    }
}

/// What the caller's (cached) account says about money; travels with each ask so that no decision reads the account.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// The tenant.
    pub account_id: AccountId,
    /// What a captured amount costs the merchant.
    pub fee: FeeRate,
    /// How far refunds may take the merchant's balance below zero, in minor units, not negative.
    pub negative_limit: i64,
}

db::codes! {
    /// What kind of card the caller says it is.
    pub enum CardType {
        /// Paid later.
        Credit = 0,
        /// Paid at once.
        Debit = 1,
    }
}

impl CardType {
    /// The word of the payments API.
    pub const fn wire(self) -> &'static str {
        match self {
            Self::Credit => "CREDIT",
            Self::Debit => "DEBIT",
        }
    }
}

/// A card as the caller sent it. Lives only until the acquirer has been called; no part of it but [`CardFace`] is ever stored.
#[derive(Debug)]
pub struct CardAsk {
    /// The number.
    pub number: CardNumber,
    /// Good through the end of this month.
    pub expiry: CardExpiry,
    /// The three or four digits, never stored.
    pub security_code: Option<SecurityCode>,
    /// As embossed.
    pub holder_name: Arc<str>,
    /// What the caller says it is.
    pub card_type: Option<CardType>,
    /// The same for the same card within the account.
    pub fingerprint: Option<Uuid>,
}

/// What may be shown of a card, packed into one text so that a payment carries one column instead of nine:
/// brand, first digits, last four, lengths, type, expiry, fingerprint and holder, with `|` between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardFace(Arc<str>);

/// [`CardFace`], taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaskedCard<'a> {
    /// `VISA`, `MASTERCARD`, … or `UNKNOWN`.
    pub brand: &'a str,
    /// The first eight digits; six when the number has fewer than sixteen.
    pub iin: &'a str,
    /// The last four digits.
    pub last4: &'a str,
    /// How many digits the number has.
    pub number_length: u8,
    /// How many digits the security code had; 0 when none was sent.
    pub security_code_length: u8,
    /// What the caller said it is.
    pub card_type: Option<CardType>,
    /// 1 to 12.
    pub expiry_month: u8,
    /// Four digits.
    pub expiry_year: u16,
    /// The same for the same card within the account.
    pub fingerprint: Option<Uuid>,
    /// As embossed.
    pub holder_name: &'a str,
}

impl CardFace {
    /// What may be shown of `card`.
    pub fn of(card: &CardAsk) -> Self {
        let number = &card.number;
        Self(Arc::from(format!(
            "{}|{}|{}|{}|{}|{}|{}|{}|{}|{}",
            number.brand().name(),
            number.iin(),
            number.last4(),
            number.len(),
            card.security_code.as_ref().map_or(0, SecurityCode::len),
            card.card_type.map_or("", CardType::wire),
            card.expiry.month(),
            card.expiry.year(),
            card.fingerprint.map_or_else(String::new, |fingerprint| fingerprint.simple().to_string()),
            card.holder_name
        )))
    }

    /// What may be shown of `card` once it is stored, without a trace of its code.
    pub fn stored(card: &CardAsk) -> Self {
        let face = Self::of(card);
        let without = |text: &str| {
            let mut parts: Vec<&str> = text.splitn(10, '|').collect();
            parts[4] = "0";
            parts.join("|")
        };
        Self(without(&face.0).into())
    }

    /// The same without the name on the card: its holder is to be forgotten.
    #[must_use]
    pub fn anonymous(&self) -> Self {
        let holder = self.0.match_indices('|').nth(8);
        holder.map_or_else(|| self.clone(), |(at, _)| Self(self.0[..=at].into()))
    }

    /// The card again, with what the vault kept of it; `None` for a text that [`CardFace::of`] cannot have written.
    pub fn opened(&self, number: CardNumber, security_code: Option<SecurityCode>) -> Option<CardAsk> {
        let parts = self.parts()?;
        Some(CardAsk {
            number,
            expiry: CardExpiry::new(parts.expiry_month.into(), parts.expiry_year.into()).ok()?,
            security_code,
            holder_name: parts.holder_name.into(),
            card_type: parts.card_type,
            fingerprint: parts.fingerprint,
        })
    }

    /// Whether the card lasts longer than the same card with the `other` face.
    pub fn outlasts(&self, other: &CardFace) -> bool {
        let end = |face: &CardFace| face.parts().map(|parts| (parts.expiry_year, parts.expiry_month));
        end(self) > end(other)
    }

    /// The parts; `None` for a text that [`CardFace::of`] cannot have written.
    pub fn parts(&self) -> Option<MaskedCard<'_>> {
        let mut parts = self.0.splitn(10, '|');
        Some(MaskedCard {
            brand: parts.next()?,
            iin: parts.next()?,
            last4: parts.next()?,
            number_length: parts.next()?.parse().ok()?,
            security_code_length: parts.next()?.parse().ok()?,
            card_type: match parts.next()? {
                "" => None,
                word => Some(*CardType::ALL.iter().find(|kind| kind.wire() == word)?),
            },
            expiry_month: parts.next()?.parse().ok()?,
            expiry_year: parts.next()?.parse().ok()?,
            fingerprint: match parts.next()? {
                "" => None,
                hex => Some(Uuid::try_parse(hex).ok()?),
            },
            holder_name: parts.next()?,
        })
    }
}

impl Column for CardFace {
    const KIND: Kind = Kind::Text;
    fn to_value(&self) -> Value {
        Value::Text(self.0.clone())
    }
    fn from_value(value: Value) -> Option<Self> {
        let face = Self(Arc::from_value(value)?);
        face.parts().is_some().then_some(face)
    }
}

/// One sentence for a response code, to be shown to merchants.
pub fn response_message(code: &str) -> &'static str {
    match code {
        "SUCCEEDED" => "Transaction successful",
        "INSUFFICIENT_FUNDS" => "The card has insufficient funds",
        "DECLINED_BY_BANK" => "The bank declined the transaction",
        "DO_NOT_HONOR" => "The bank does not honour the transaction",
        "INVALID_SECURITY_CODE" => "The security code is wrong",
        "INVALID_CARD_DATA" => "The card data is wrong",
        "INVALID_CARD_NUMBER" => "The card number is wrong",
        "EXPIRED_CARD" => "The card has expired",
        "AUTHENTICATION_REQUIRED" => "The payer would have to be authenticated",
        "REPORTED_STOLEN" => "The card was reported stolen",
        "AUTHENTICATION_FAILED_THREE_D_SECURE" => "The payer was not authenticated",
        "CHALLENGE_REQUIRED" => "The payer must confirm the payment",
        "CANCELLED_BY_USER" => "The payer cancelled the payment",
        "CHALLENGE_EXPIRED" => "The payer did not confirm the payment in time",
        "CHARGEBACK" => "The payer's bank took the payment back",
        "PROVIDER_UNAVAILABLE" => "The acquirer could not be reached",
        "ERROR" => "The acquirer failed to process the transaction",
        _ => "The acquirer declined the transaction",
    }
}

/// What an acquirer said about one attempt, packed into one text: response code, ISO 8583 code, soft or hard with how the payer was
/// authenticated, authorisation code and the acquirer's own reference, with `|` between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response(Arc<str>);

/// [`Response`], taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said<'a> {
    /// Our word for it, upper snake case, such as `SUCCEEDED` or `INSUFFICIENT_FUNDS`.
    pub code: &'a str,
    /// ISO 8583 field 39.
    pub iso: Option<&'a str>,
    /// A refusal that trying again cannot mend.
    pub hard: bool,
    /// How the payer was authenticated (3-D Secure's electronic commerce indicator).
    pub eci: Option<&'a str>,
    /// The issuer's approval code.
    pub authorization_code: Option<&'a str>,
    /// The acquirer's own name for it.
    pub reference: Option<&'a str>,
}

impl Response {
    /// What `outcome` says; `None` while the acquirer has said nothing.
    pub fn of(outcome: &Outcome) -> Option<Self> {
        Some(match outcome {
            Outcome::Approved(Approval { reference, code, iso, authorization_code, eci }) => {
                let said = Self::pack(code, iso.as_deref(), false, authorization_code.as_deref(), Some(reference));
                match eci.as_deref() {
                    Some(eci) => said.authenticated(eci),
                    None => said,
                }
            }
            Outcome::Declined(Decline { reference, code, hard, iso }) => {
                Self::pack(code, iso.as_deref(), *hard, None, reference.as_deref())
            }
            Outcome::Failed { code } => Self::pack(code, None, false, None, None),
            Outcome::ActionRequired { reference } => Self::pack("CHALLENGE_REQUIRED", None, false, None, Some(reference)),
            Outcome::Pending | Outcome::NotSent { .. } | Outcome::Unknown { .. } => return None,
        })
    }

    /// The payer has to prove that the card is his.
    pub(crate) fn challenge() -> Self {
        Self::pack("CHALLENGE_REQUIRED", None, false, None, None)
    }

    /// What an acquirer said unasked.
    pub(crate) fn notified(code: &str, reference: Option<&str>) -> Self {
        Self::pack(code, None, false, None, reference)
    }

    /// What is said without an acquirer: a refusal of our own.
    pub(crate) fn own(code: &str) -> Self {
        Self::pack(code, None, true, None, None)
    }

    fn pack(code: &str, iso: Option<&str>, hard: bool, authorization: Option<&str>, reference: Option<&str>) -> Self {
        let (iso, authorization, reference) = (iso.unwrap_or(""), authorization.unwrap_or(""), reference.unwrap_or(""));
        let hard = if hard { "h" } else { "s" };
        Self(Arc::from([code, "|", iso, "|", hard, "|", authorization, "|", reference].concat()))
    }

    /// The same, of a payer who was authenticated so.
    #[must_use]
    pub(crate) fn authenticated(&self, eci: &str) -> Self {
        let mut parts = self.0.splitn(4, '|');
        let (Some(code), Some(iso), Some(manner), Some(rest)) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return self.clone();
        };
        Self(Arc::from([code, "|", iso, "|", manner.get(..1).unwrap_or("s"), eci, "|", rest].concat()))
    }

    /// The parts; `None` for a text that [`Response::of`] cannot have written.
    pub fn parts(&self) -> Option<Said<'_>> {
        let mut parts = self.0.splitn(5, '|');
        let (code, iso, manner) = (parts.next()?, parts.next()?, parts.next()?);
        let (authorization, reference) = (parts.next()?, parts.next()?);
        let unless_empty = |part| Some(part).filter(|part: &&str| !part.is_empty());
        Some(Said {
            code,
            iso: unless_empty(iso),
            hard: manner.starts_with('h'),
            eci: manner.get(1..).and_then(unless_empty),
            authorization_code: unless_empty(authorization),
            reference: unless_empty(reference),
        })
    }
}

impl Column for Response {
    const KIND: Kind = Kind::Text;
    fn to_value(&self) -> Value {
        Value::Text(self.0.clone())
    }
    fn from_value(value: Value) -> Option<Self> {
        let response = Self(Arc::from_value(value)?);
        response.parts().is_some().then_some(response)
    }
}
