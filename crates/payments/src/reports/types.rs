//! What a report lists and what is asked for.

use std::sync::Arc;

use kernel::{Country, Currency, ReportId, Timestamp};

use super::rows::ReportRow;
use crate::codes::Codes;
use crate::payouts::PayoutRow;
use crate::rows::{AttemptRow, PaymentRow};
use crate::types::{AttemptKind, AttemptState, PaymentState};

db::codes! {
    /// What the lines of a report are.
    pub enum ReportKind {
        /// Payments.
        Payments = 0,
        /// Transactions: the steps of payments.
        Transactions = 1,
        /// Payouts.
        Payouts = 2,
    }
}

impl ReportKind {
    /// The word on the wire.
    pub fn wire(self) -> &'static str {
        match self {
            Self::Payments => "PAYMENTS",
            Self::Transactions => "TRANSACTIONS",
            Self::Payouts => "PAYOUTS",
        }
    }

    /// Whether its lines can be of this type; only transactions have one.
    pub fn lists(self, kind: AttemptKind) -> bool {
        self == Self::Transactions && kind != AttemptKind::Payout
    }

    /// Whether its lines can be in this state: payments have states of their own, and nobody confirms or disputes a payout.
    pub fn shows(self, state: AttemptState) -> bool {
        match self {
            Self::Payments => false,
            Self::Transactions => true,
            Self::Payouts => !matches!(
                state,
                AttemptState::AwaitingPayer
                    | AttemptState::Expired
                    | AttemptState::Disputed
                    | AttemptState::Won
                    | AttemptState::Lost
            ),
        }
    }
}

/// Which of them: those to which all of it applies.
#[derive(Clone, Debug)]
pub struct ReportFilter {
    /// Payments in these states, and their transactions.
    pub payment_states: Codes<PaymentState>,
    /// Transactions of these types.
    pub transaction_kinds: Codes<AttemptKind>,
    /// Transactions and payouts in these states.
    pub transaction_states: Codes<AttemptState>,
    /// In these currencies; in any when empty.
    pub currencies: Vec<Currency>,
    /// In these countries; in any when empty.
    pub countries: Vec<Country>,
}

/// A report to be made.
#[derive(Clone, Debug)]
pub struct CreateReport {
    /// What its lines are.
    pub kind: ReportKind,
    /// Only what was made at this time or later.
    pub start_at: Timestamp,
    /// Only what was made before this time.
    pub end_at: Timestamp,
    /// The merchant's own name for it.
    pub merchant_reference: Option<Arc<str>>,
    /// Which of them.
    pub filter: ReportFilter,
    /// How the reply is drawn.
    pub face: fn(&ReportRow) -> Vec<u8>,
}

/// Part of the list of reports.
#[derive(Clone, Debug)]
pub struct ReportPage {
    /// What is on the page.
    pub items: Vec<ReportRow>,
    /// Where the next page begins: after this one. `None`: there is nothing more.
    pub next: Option<ReportId>,
}

/// A step of a payment, or several.
#[derive(Clone, Debug)]
pub struct Step {
    /// The payment as it stands.
    pub payment: PaymentRow,
    /// A later attempt; `None` stands for the first one, with the tries before it.
    pub operation: Option<AttemptRow>,
}

/// Some lines of a report, in the order in which they were made.
#[derive(Clone, Debug)]
pub enum Lines {
    /// Payments.
    Payments(Vec<PaymentRow>),
    /// Steps of payments.
    Transactions(Vec<Step>),
    /// Payouts.
    Payouts(Vec<PayoutRow>),
}

impl Lines {
    /// How many rows they are drawn from.
    pub fn len(&self) -> usize {
        match self {
            Self::Payments(rows) => rows.len(),
            Self::Transactions(rows) => rows.len(),
            Self::Payouts(rows) => rows.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
