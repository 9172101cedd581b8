//! The port to acquirers: who is asked for money, and how their answers are understood.
//!
//! Every call carries the attempt's id, which is the acquirer's idempotency key: asking twice with one id never moves money twice.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use kernel::{AccountId, AttemptId, Money, Outcome, PaymentId, PayoutId, Timestamp};

use crate::notifications::Notification;
use crate::payouts::BankAccountNumber;
use crate::types::{AttemptKind, CardAsk, Connector};

/// The future of an answer; boxed, so that acquirers can be chosen at run time.
pub type Answering<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A first attempt: purchase, authorisation or card check.
#[derive(Debug)]
pub struct ChargeAsk {
    /// The tenant.
    pub account_id: AccountId,
    /// The payment, for the acquirer's records.
    pub payment_id: PaymentId,
    /// The attempt: the idempotency key.
    pub attempt_id: AttemptId,
    /// Purchase, authorise or verify.
    pub kind: AttemptKind,
    /// How much; zero for a card check.
    pub amount: Money,
    /// For the acquirer's records.
    pub merchant_order_id: Arc<str>,
    /// For the acquirer's records; the sandbox lets it choose an outcome.
    pub description: Arc<str>,
    /// Whose money. Dropped, and wiped, with the ask.
    pub card: CardAsk,
    /// Nobody is there who could prove that the card is his: a regular charge of a kept card.
    pub off_session: bool,
    /// Where the payer comes back to, should the acquirer ask him on a page of its own.
    pub returns_to: Option<Arc<str>>,
}

/// A capture, void or refund of an earlier charge.
#[derive(Clone, Debug)]
pub struct FollowUpAsk {
    /// The tenant.
    pub account_id: AccountId,
    /// The attempt: the idempotency key.
    pub attempt_id: AttemptId,
    /// Capture, cancel or refund.
    pub kind: AttemptKind,
    /// How much.
    pub amount: Money,
    /// The first attempt of the payment.
    pub charge: AttemptId,
    /// What the acquirer called that charge.
    pub charge_reference: Option<Arc<str>>,
}

/// Money to be sent to a bank account.
#[derive(Debug)]
pub struct PayoutAsk {
    /// The tenant.
    pub account_id: AccountId,
    /// The payout, for the acquirer's records.
    pub payout_id: PayoutId,
    /// The attempt: the idempotency key.
    pub attempt_id: AttemptId,
    /// How much arrives.
    pub amount: Money,
    /// For the acquirer's records.
    pub merchant_reference: Arc<str>,
    /// For the acquirer's records; the sandbox lets it choose an outcome.
    pub description: Arc<str>,
    /// Where it goes, where the withdrawal method names an account. Dropped, and wiped, with the ask.
    pub bank_account: Option<BankAccountNumber>,
}

/// Names an attempt whose outcome is asked for.
#[derive(Clone, Debug)]
pub struct AttemptRef {
    /// The tenant.
    pub account_id: AccountId,
    /// The attempt.
    pub attempt_id: AttemptId,
    /// What it asked for.
    pub kind: AttemptKind,
    /// How much it asked for.
    pub amount: Money,
    /// What the acquirer called the charge that a later attempt is about.
    pub charge_reference: Option<Arc<str>>,
}

/// What an acquirer says when it is asked about an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inquiry {
    /// It knows it, and this is what became of it.
    Found(Outcome),
    /// It knows of no such attempt; one may still be on its way.
    NotFound,
    /// It does not say.
    NoAnswer,
}

/// What an acquirer says when it is told to refuse an attempt should it arrive late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fenced {
    /// It will never act on it.
    Promised,
    /// It has acted on it already, and this is what became of it.
    TooLate(Outcome),
    /// It cannot make such a promise.
    Unable,
    /// It does not say.
    NoAnswer,
}

/// What a payer's code proves (3-D Secure).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The card is his (ECI 05).
    Authenticated,
    /// His bank could not tell, and vouches all the same (ECI 06).
    Attempted,
    /// His bank says no, whatever he types.
    Refused,
    /// Nothing: he may try again.
    Wrong,
}

impl Proof {
    /// As 3-D Secure's electronic commerce indicator says it; `None` for what proves nothing.
    pub(crate) const fn eci(self) -> Option<&'static str> {
        match self {
            Self::Authenticated => Some("05"),
            Self::Attempted => Some("06"),
            Self::Refused | Self::Wrong => None,
        }
    }
}

/// Why a notification was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// This acquirer sends none, or cannot sign them.
    NotOffered,
    /// Its signature is missing or not the acquirer's.
    NotGenuine,
    /// It is the acquirer's and no JSON object; the text says why.
    NotAnObject(String),
    /// It is the acquirer's, and these parts of it are wrong.
    Malformed(Vec<Wrong>),
}

impl NotTaken {
    /// It is the acquirer's and cannot be read, which cannot be said of one part more than of another.
    pub fn unreadable(text: impl Into<String>) -> Self {
        Self::Malformed(vec![Wrong { kind: WrongKind::Invalid, text: text.into() }])
    }
}

/// One part of a notification that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// In which way.
    pub kind: WrongKind,
    /// Its path and what is wrong with it.
    pub text: String,
}

/// In which way a part of a notification is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrongKind {
    /// It is not there.
    Missing,
    /// It is of another type or length, or too large.
    Invalid,
    /// It is no time.
    Date,
    /// It is no currency.
    Currency,
}

/// What became of a charge whose payer the acquirer asks itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayerAsked {
    /// He is still to come: to this page of the acquirer's, where it has told of one.
    Waits(Option<String>),
    /// He has come, or the acquirer has given up.
    Over(Outcome),
    /// It does not say.
    NoAnswer,
}

/// The capability of an acquirer to ask payers on pages of its own.
pub trait AsksPayer: Send + Sync {
    /// How the charge stands that it calls so.
    fn look<'a>(&'a self, reference: &'a str) -> Answering<'a, PayerAsked>;
    /// Gives a charge up whose payer did not come, so that he cannot make it any more.
    fn give_up<'a>(&'a self, reference: &'a str) -> Answering<'a, Fenced>;
}

/// Whose a charge is that an acquirer speaks of by its own name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// Made by this attempt of ours.
    Attempt(AttemptId),
    /// Somebody else's.
    Nobody,
    /// It does not say.
    NoAnswer,
}

/// One acquirer. No call is ever made from inside a decision.
pub trait Acquirer: Send + Sync + 'static {
    /// Which one it is.
    fn connector(&self) -> Connector;
    /// Whether it can do this at all; what it cannot do is never asked of it.
    fn supports(&self, _kind: AttemptKind) -> bool {
        true
    }
    /// Charges, holds or checks a card.
    fn charge<'a>(&'a self, ask: &'a ChargeAsk) -> Answering<'a, Outcome>;
    /// Captures, voids or refunds.
    fn follow_up<'a>(&'a self, ask: &'a FollowUpAsk) -> Answering<'a, Outcome>;
    /// What a code means that a payer typed to prove that the card is his. Without 3-D Secure no code is right.
    fn judge_code(&self, _code: &str) -> Proof {
        Proof::Wrong
    }
    /// Goes on with a charge for which the acquirer wanted a proof; the same attempt, told twice, is carried out once.
    fn proven<'a>(&'a self, _attempt: &'a AttemptRef, _proof: Proof) -> Answering<'a, Outcome> {
        Box::pin(std::future::ready(Outcome::Failed { code: "ERROR".into() }))
    }
    /// The part of it that asks payers on pages of its own, where it has one; else they are asked on ours.
    fn asking_payers(&self) -> Option<&dyn AsksPayer> {
        None
    }
    /// Which attempt of ours made the charge that it calls so.
    fn behind<'a>(&'a self, _reference: &'a str) -> Answering<'a, Behind> {
        Box::pin(std::future::ready(Behind::Nobody))
    }
    /// Reads what it told us unasked, after a look at its signature; `header` gives a header of the request by its lower-case name.
    ///
    /// # Errors
    /// [`NotTaken`].
    fn read_notification(
        &self,
        _header: &dyn Fn(&str) -> Option<String>,
        _body: &[u8],
        _now: Timestamp,
    ) -> Result<Notification, NotTaken> {
        Err(NotTaken::NotOffered)
    }
    /// What became of an attempt.
    fn inquire<'a>(&'a self, about: &'a AttemptRef) -> Answering<'a, Inquiry>;
    /// Makes sure that an attempt it does not know will never be acted upon.
    fn fence<'a>(&'a self, attempt: &'a AttemptRef) -> Answering<'a, Fenced>;
    /// The part of it that sends money to bank accounts, where it has one.
    fn paying_out(&self) -> Option<&dyn PaysOut> {
        None
    }
}

/// The capability of an acquirer to send money to bank accounts. What became of it is asked like that of a charge.
pub trait PaysOut: Send + Sync {
    /// Sends money to a bank account.
    fn pay_out<'a>(&'a self, ask: &'a PayoutAsk) -> Answering<'a, Outcome>;
}

/// The acquirers at hand; the first one takes new charges.
#[derive(Clone)]
pub struct Acquirers(Arc<[Arc<dyn Acquirer>]>);

impl Acquirers {
    /// These, in order of preference; `None` for an empty list.
    pub fn new(acquirers: Vec<Arc<dyn Acquirer>>) -> Option<Self> {
        (!acquirers.is_empty()).then(|| Self(acquirers.into()))
    }

    /// Where new charges go.
    pub fn preferred(&self) -> &dyn Acquirer {
        &*self.0[0]
    }

    /// Where new payouts go; `None` when no acquirer can send money.
    pub fn preferred_for_payouts(&self) -> Option<&dyn Acquirer> {
        self.0.iter().find(|acquirer| acquirer.paying_out().is_some()).map(|acquirer| &**acquirer)
    }

    /// All of them, the preferred one first.
    pub fn all(&self) -> Vec<Connector> {
        self.0.iter().map(|acquirer| acquirer.connector()).collect()
    }

    /// Whether there is nothing to choose.
    pub(crate) fn are_one(&self) -> bool {
        self.0.len() == 1
    }

    /// Those that can do this, the preferred one first.
    pub(crate) fn supporting(&self, kind: AttemptKind) -> Vec<Connector> {
        self.0.iter().filter(|acquirer| acquirer.supports(kind)).map(|acquirer| acquirer.connector()).collect()
    }

    /// The one a charge went to; `None` when it is no longer configured.
    pub fn get(&self, connector: Connector) -> Option<&dyn Acquirer> {
        self.0.iter().find(|acquirer| acquirer.connector() == connector).map(|acquirer| &**acquirer)
    }
}

impl fmt::Debug for Acquirers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|acquirer| acquirer.connector())).finish()
    }
}

/// One charge as an acquirer's own books have it: what `verify` compares ours with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedCharge {
    /// Where.
    pub connector: Connector,
    /// Our attempt.
    pub attempt_id: AttemptId,
    /// The tenant, as we told it.
    pub account_id: AccountId,
    /// The payment, or the payout under its own id, as we told it.
    pub payment_id: PaymentId,
    /// What was asked for.
    pub amount: Money,
    /// Taken, in minor units; a purchase's amount.
    pub captured: i64,
    /// Given back, in minor units.
    pub refunded: i64,
    /// Let go by a void, in minor units.
    pub voided: i64,
}

/// The future of a page of an acquirer's books; it stays on its thread, as snapshots do.
pub type Listing<'a> = Pin<Box<dyn Future<Output = Result<Vec<ListedCharge>, String>> + 'a>>;

/// An acquirer's books can be read.
pub trait ChargeListing {
    /// Whether charges sent through this connector are in these books.
    fn covers(&self, _connector: Connector) -> bool {
        true
    }
    /// Approved charges whose attempts come after `after`, in order of the attempt ids, at most `limit`. The error says in words why the
    /// books cannot be read.
    fn charges(&self, after: Option<AttemptId>, limit: u32) -> Listing<'_>;
}
