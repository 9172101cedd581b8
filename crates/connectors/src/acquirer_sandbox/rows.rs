//! Its one table: every attempt it received.

use std::sync::Arc;

use kernel::{AccountId, AttemptId, Currency, Money, PaymentId, Timestamp};
use payments::{AttemptKind, Connector};
use uuid::Uuid;

use super::cards::Verdict;

db::codes! {
    /// What an attempt asked for.
    pub enum Operation {
        /// Pay at once.
        Purchase = 0,
        /// Hold.
        Authorise = 1,
        /// Check the card.
        Verify = 2,
        /// Take what is held.
        Capture = 3,
        /// Let a hold go.
        Void = 4,
        /// Give back.
        Refund = 5,
        /// Refuse this attempt should it come.
        Fence = 6,
        /// Send to a bank account.
        Payout = 7,
    }
}

impl From<AttemptKind> for Operation {
    fn from(kind: AttemptKind) -> Self {
        match kind {
            AttemptKind::Purchase => Self::Purchase,
            AttemptKind::Authorise => Self::Authorise,
            AttemptKind::Verify => Self::Verify,
            AttemptKind::Capture => Self::Capture,
            AttemptKind::Cancel => Self::Void,
            // A chargeback is something it tells, never something it is asked for.
            AttemptKind::Refund | AttemptKind::Chargeback => Self::Refund,
            AttemptKind::Payout => Self::Payout,
        }
    }
}

impl Operation {
    /// The word of `/dev/acquirer/charges`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Purchase => "PURCHASE",
            Self::Authorise => "AUTHORIZE",
            Self::Verify => "VERIFY",
            Self::Capture => "CAPTURE",
            Self::Void => "VOID",
            Self::Refund => "REFUND",
            Self::Fence => "FENCE",
            Self::Payout => "PAYOUT",
        }
    }
}

db::row! {
    /// One attempt it received, and for a charge what was done to it since.
    pub struct ReceivedRow: "received" {
        key { /// The platform's id of the attempt, by which it recognises repeats.
              attempt_id: AttemptId }
        once { /// Its own id.
               id: Uuid,
               /// The platform's account.
               account_id: AccountId,
               /// The platform's payment, of a charge; its payout, of a payout.
               payment_id: Option<PaymentId>,
               /// The charge it is about, of anything but a charge.
               charge: Option<AttemptId>,
               /// Under which of its names it was called.
               connector: Connector,
               /// What was asked for.
               operation: Operation,
               /// The platform's order, of a charge; its reference, of a payout.
               merchant_order_id: Option<Arc<str>>,
               /// In which currency; none for a fence.
               currency: Option<Currency>,
               /// How much was asked for, in minor units.
               amount: i64,
               /// The card's or bank account's last digits.
               last4: Option<Arc<str>>,
               /// What it will come to once the payer is authenticated, of a charge that waits for that.
               after_challenge: Option<Verdict>,
               /// When, by its own clock.
               created_at: Timestamp }
        state { /// What it made of it.
                verdict: Verdict,
                /// Requests received for this attempt.
                calls: i64,
                /// Of a charge: taken, in minor units.
                captured: i64,
                /// Of a charge: given back, in minor units.
                refunded: i64,
                /// Of a charge: let go, in minor units.
                voided: i64 }
    }
}

impl ReceivedRow {
    /// The amount asked for; `None` for a fence.
    pub fn money(&self) -> Option<Money> {
        self.currency.map(|currency| Money::new(self.amount, currency))
    }

    /// What it takes the moment it approves: the amount of a purchase.
    pub(crate) fn captured_at_once(&self) -> i64 {
        if self.operation == Operation::Purchase { self.authorised() } else { 0 }
    }

    /// What it holds of the payer's money at most: the amount of an approved purchase or authorisation.
    pub fn authorised(&self) -> i64 {
        if self.verdict.approved() { self.amount } else { 0 }
    }
}
