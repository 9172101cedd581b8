//! Payments: what a merchant wants, the attempts it takes, and the acquirers that are asked.
//!
//! A **payment** is what the merchant wants; an **attempt** is one request to one acquirer. The payment's row carries its first attempt
//! (purchase, authorisation or card check; of several tries at different acquirers, the last); captures, cancels and refunds are attempts of their own. An attempt is carried out in three
//! steps: its *intent* is committed ([`begin`]), the acquirer is called under the attempt's id, and what it said is *settled*: result,
//! postings, recorded reply and the product's own change in one commit. Between the steps no transaction is open.
//!
//! # Invariants
//! - An acquirer is called only for an intent that is committed, always with the attempt's id, so no attempt moves money twice.
//! - An unknown outcome is a state. It is resolved by asking, never guessed and never sent again; the request's key stays taken.
//! - A key is given back only when it is proven that nothing happened outside.
//! - Amounts of captures and refunds are reserved with their intents, so parallel ones never exceed the total.
//! - What is refused by a rule leaves no trace; what is refused by an acquirer is recorded like a success.
//! - Of a card only [`CardFace`] is stored in clear; a number that is kept is in the [`vault`], and so is a code, for minutes.
//! - Every attempt is settled once, whoever learned its outcome: the request, the resolver, or the next start of the process.
//!
//! # Products
//! A product that charges cards calls [`begin`] inside its own decision, then [`Payments::carry_out`], and implements [`Origin`], whose
//! functions run inside the settling commit. The payments API is the first such product.
//!
//! # Example
//! ```
//! use kernel::{Currency, Money, Timestamp};
//! use payments::Mode;
//! use payments::rules::{Operation, Standing, Verdict};
//!
//! let now = Timestamp::from_seconds(1_800_000_000);
//! let mut held = Standing::created(Mode::Authorise, Money::new(1_000, Currency::EUR));
//! held.judge(Verdict::Approved, now);
//! let part = held.plan_capture(Money::new(400, Currency::EUR), now).expect("it is within the hold");
//! held.reserve(Operation::Capture, part); // while the acquirer is asked, nobody else can take these 4.00 EUR
//! assert_eq!(held.capturable(), 600);
//! ```

mod acquirer;
mod announce;
mod asking;
mod asks;
mod attempt;
mod balances;
mod by_time;
mod challenges;
mod codes;
mod commands;
pub mod customers;
pub mod delays;
mod earlier;
mod errands;
mod error;
mod facts;
pub mod fulfilments;
pub mod links;
mod made_for;
pub mod methods;
mod notifications;
mod origin;
pub mod payouts;
pub mod queries;
pub mod reports;
mod resolver;
pub mod retries;
mod retry;
pub mod routing;
mod rows;
pub mod rules;
pub mod search;
mod service;
pub mod settlements;
mod split;
pub mod subscriptions;
pub mod tokens;
mod types;
mod unknown;
pub mod vault;
pub mod verify;

pub use acquirer::{
    Acquirer, Acquirers, Answering, AsksPayer, AttemptRef, Behind, ChargeAsk, ChargeListing, Fenced, FollowUpAsk, Inquiry,
    ListedCharge, Listing, NotTaken, PayerAsked, PayoutAsk, PaysOut, Proof, Wrong, WrongKind,
};
pub use asks::{
    Answer, Cancel, CancelOrRefund, Capture, CreateCheckoutSession, CreatePayment, Means, Once, PatchCheckoutSession, Refund,
    Target,
};
pub use attempt::{Asked, Attempt};
pub use balances::Balance;
pub use challenges::{Challenge, ChallengeAnswer, ChallengeShown, Challenges, Sent};
pub use codes::{Coded, Codes, REJECTED};
pub use commands::{Charge, Ending, Finished, begin, begin_keys};
pub use earlier::{Earlier, EarlierTry};
pub use error::{AmountRefusal, PaymentsError, Refusal};
pub use facts::{Authentication, Faces, MethodFacts, OperationFacts, PaymentFacts, PaymentRead, TokenFacts, TransactionFacts};
pub use made_for::MadeFor;
pub use methods::CardSource;
pub use notifications::{Event, Notification, NotificationRefused, NotificationState, masked};
pub use origin::{Ended, JSON, Origin, Origins};
pub use rows::{AskingRow, AttemptRow, ChallengeRow, CheckoutSessionRow, NotificationRow, PaymentRow};
pub use service::{Parts, Patience, Payments};
pub use types::{
    AttemptKind, AttemptState, CardAsk, CardFace, CardType, Connector, MaskedCard, Mode, OriginKind, PaymentState, ReplyForm,
    Response, Said, SplitPlan, Terms, Workflow, response_message,
};
pub use unknown::{UnknownOutcome, unknown_outcomes};
pub use vault::Vault;

/// The tables of this crate.
pub const MIGRATION: db::Migration = db::Migration {
    number: 5,
    topic: "payments",
    sqlite: include_str!("../../../migrations/0005_payments/sqlite.sql"),
    postgres: include_str!("../../../migrations/0005_payments/postgres.sql"),
};

/// 3-D Secure.
pub const CHALLENGES_MIGRATION: db::Migration = db::Migration {
    number: 13,
    topic: "challenges",
    sqlite: include_str!("../../../migrations/0013_challenges/sqlite.sql"),
    postgres: include_str!("../../../migrations/0013_challenges/postgres.sql"),
};

/// What acquirers tell us unasked.
pub const NOTIFICATIONS_MIGRATION: db::Migration = db::Migration {
    number: 14,
    topic: "notifications",
    sqlite: include_str!("../../../migrations/0014_notifications/sqlite.sql"),
    postgres: include_str!("../../../migrations/0014_notifications/postgres.sql"),
};

/// Notifications that name an attempt, or what the acquirer calls a charge.
pub const NOTIFICATIONS_BY_ATTEMPT_MIGRATION: db::Migration = db::Migration {
    number: 16,
    topic: "notifications_by_attempt",
    sqlite: include_str!("../../../migrations/0016_notifications_by_attempt/sqlite.sql"),
    postgres: include_str!("../../../migrations/0016_notifications_by_attempt/postgres.sql"),
};

/// What receivers of webhooks are told of besides payments.
pub const TOLD_MIGRATION: db::Migration = db::Migration {
    number: 18,
    topic: "told",
    sqlite: include_str!("../../../migrations/0018_told/sqlite.sql"),
    postgres: include_str!("../../../migrations/0018_told/postgres.sql"),
};

#[cfg(test)]
mod tests;
