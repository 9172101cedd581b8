//! What a reply is drawn from: borrowed rows, given to the edge's plain functions, so that recovery answers exactly as the first request
//! would have been answered.

use std::sync::Arc;

use kernel::{AttemptId, Money, Timestamp};
use uuid::Uuid;

use crate::challenges::Challenges;
use crate::commands::NOT_AUTHENTICATED;
use crate::customers::{CustomerRow, CustomerSessionRow};
use crate::earlier::EarlierTry;
use crate::links::LinkFacts;
use crate::methods::PaymentMethodRow;
use crate::payouts::PayoutRow;
use crate::rows::{AttemptRow, CheckoutSessionRow, PaymentRow};
use crate::subscriptions::SubscriptionRow;
use crate::tokens::TokenRow;
use crate::types::{AttemptKind, AttemptState, Connector, PaymentState, Said};

/// How replies are drawn; pure, given by the edge once. The bytes are stored and replayed as they are.
#[derive(Clone, Debug)]
pub struct Faces {
    /// The payment object: create (201) and refund (200).
    pub payment: fn(&PaymentFacts<'_>) -> Vec<u8>,
    /// The transaction object with its payment nested: capture and cancel (200), cancel-or-refund (201).
    pub operation: fn(&OperationFacts<'_>) -> Vec<u8>,
    /// A checkout session (200).
    pub session: fn(&CheckoutSessionRow) -> Vec<u8>,
    /// A payout (201).
    pub payout: fn(&PayoutRow) -> Vec<u8>,
    /// A payment link (200).
    pub link: fn(&LinkFacts<'_>) -> Vec<u8>,
    /// A subscription (200).
    pub subscription: fn(&SubscriptionRow) -> Vec<u8>,
    /// What is only echoed of the payment of a subscription's cycle.
    pub cycle: fn(&SubscriptionRow) -> Option<Arc<[u8]>>,
    /// A customer (201, 200).
    pub customer: fn(&CustomerRow) -> Vec<u8>,
    /// A customer's session (201).
    pub customer_session: fn(&CustomerSessionRow) -> Vec<u8>,
    /// A one-time token (201).
    pub token: fn(&TokenFacts<'_>) -> Vec<u8>,
    /// What is only echoed of the payment that checks a card before it is stored.
    pub check: fn(&PaymentMethodRow) -> Option<Arc<[u8]>>,
    /// A stored payment method (201, 200).
    pub method: fn(&MethodFacts<'_>) -> Vec<u8>,
    /// Where payers are sent to.
    pub challenges: Challenges,
}

/// A one-time token as it is shown, once.
#[derive(Clone, Copy, Debug)]
pub struct TokenFacts<'a> {
    /// The token.
    pub token: &'a TokenRow,
    /// What else the request said.
    pub details: Option<&'a [u8]>,
}

/// A stored payment method as it is shown.
#[derive(Clone, Copy, Debug)]
pub struct MethodFacts<'a> {
    /// The method.
    pub method: &'a PaymentMethodRow,
    /// Whether it is the one that its customer paid with last.
    pub last: bool,
    /// The time at which it is looked at: an enrolment that nobody finished expires by itself.
    pub now: Timestamp,
    /// Where its payer proves that the card is his, while the check of it waits for that.
    pub page: Option<&'a str>,
}

/// A payment as it is shown.
#[derive(Clone, Copy, Debug)]
pub struct PaymentFacts<'a> {
    /// The payment and its first attempt.
    pub payment: &'a PaymentRow,
    /// The later attempts at hand, oldest first; the last one is the latest transaction.
    pub operations: &'a [AttemptRow],
    /// Whether the transactions are listed one by one.
    pub history: bool,
    /// Whether the acquirer's words are shown in full.
    pub raw: bool,
    /// Where payers are sent to.
    pub challenges: &'a Challenges,
}

/// What our own run of 3-D Secure came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authentication<'a> {
    /// Electronic commerce indicator: 05 authenticated, 06 attempted, 07 not authenticated.
    pub eci: &'a str,
    /// The run's name.
    pub transaction_id: Uuid,
    /// Its name at the directory server.
    pub directory_server_transaction_id: Uuid,
}

/// A capture, cancel or refund as it is shown.
#[derive(Clone, Copy, Debug)]
pub struct OperationFacts<'a> {
    /// The payment after it.
    pub payment: &'a PaymentRow,
    /// The operation.
    pub operation: &'a AttemptRow,
}

/// One attempt as it is shown.
#[derive(Clone, Copy, Debug)]
pub struct TransactionFacts<'a> {
    /// Its id.
    pub id: AttemptId,
    /// What it asked for.
    pub kind: AttemptKind,
    /// How far it got.
    pub state: AttemptState,
    /// How much it is about.
    pub amount: Money,
    /// Where it was sent.
    pub connector: Connector,
    /// What the acquirer said; `None` while it has said nothing.
    pub said: Option<Said<'a>>,
    /// What is only echoed of an operation; `None` for the first attempt, whose echo is the payment's.
    pub details: Option<&'a [u8]>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl<'a> PaymentFacts<'a> {
    /// Where the payer proves that the card is his; `None` unless the payment waits for that.
    pub fn redirect_url(&self) -> Option<String> {
        (self.payment.state == PaymentState::AwaitingPayer).then(|| self.challenges.url(self.payment.attempt_id))
    }

    /// How the payer was authenticated by us; `None` where he was not asked, or elsewhere.
    pub fn authentication(&self) -> Option<Authentication<'a>> {
        let said = self.payment.said().filter(|_| self.payment.connector.is_sandbox())?;
        let refused = (said.code == NOT_AUTHENTICATED).then_some("07");
        let eci = refused.or(said.eci)?;
        let [transaction_id, directory_server_transaction_id] = self.challenges.names_of_run(self.payment.attempt_id);
        Some(Authentication { eci, transaction_id, directory_server_transaction_id })
    }

    /// The first attempt; of several tries, the last.
    pub fn first(&self) -> TransactionFacts<'a> {
        let payment = self.payment;
        TransactionFacts {
            id: payment.attempt_id,
            kind: payment.mode.into(),
            state: payment.attempt,
            amount: payment.money(),
            connector: payment.connector,
            said: payment.said(),
            details: None,
            created_at: payment.try_began_at(),
            updated_at: payment.answered_at.unwrap_or(payment.try_began_at()),
        }
    }

    /// All attempts at hand, oldest first.
    pub fn transactions(&self) -> impl Iterator<Item = TransactionFacts<'a>> + use<'a> {
        let payment = self.payment;
        let earlier = payment.earlier_tries().iter().map(move |one| earlier_facts(payment, one));
        earlier
            .chain(std::iter::once(self.first()))
            .chain(self.operations.iter().map(move |operation| operation_facts(payment, operation)))
    }

    /// The latest attempt.
    pub fn latest(&self) -> TransactionFacts<'a> {
        self.operations.last().map_or_else(|| self.first(), |operation| operation_facts(self.payment, operation))
    }
}

impl<'a> OperationFacts<'a> {
    /// The attempt.
    pub fn transaction(&self) -> TransactionFacts<'a> {
        operation_facts(self.payment, self.operation)
    }
}

fn earlier_facts<'a>(payment: &'a PaymentRow, one: &'a EarlierTry) -> TransactionFacts<'a> {
    TransactionFacts {
        id: one.id,
        kind: payment.mode.into(),
        state: one.state,
        amount: payment.money(),
        connector: one.connector,
        said: one.said(),
        details: None,
        created_at: one.began_at,
        updated_at: one.ended_at,
    }
}

fn operation_facts<'a>(payment: &'a PaymentRow, operation: &'a AttemptRow) -> TransactionFacts<'a> {
    TransactionFacts {
        id: operation.id,
        kind: operation.kind,
        state: operation.state,
        amount: operation.money(),
        connector: payment.connector,
        said: operation.said(),
        details: operation.details.as_deref(),
        created_at: operation.created_at,
        updated_at: operation.updated_at,
    }
}

/// A payment with its later attempts, as read for showing.
#[derive(Clone, Debug)]
pub struct PaymentRead {
    /// The payment.
    pub payment: PaymentRow,
    /// Its later attempts, oldest first.
    pub operations: Vec<AttemptRow>,
}

impl PaymentRead {
    /// To be drawn.
    pub fn facts<'a>(&'a self, history: bool, raw: bool, challenges: &'a Challenges) -> PaymentFacts<'a> {
        PaymentFacts { payment: &self.payment, operations: &self.operations, history, raw, challenges }
    }
}
