//! What the lines of a settlement are, and what may be wrong with them.

use std::sync::Arc;

use kernel::{AttemptId, Currency, Money, Timestamp};

use super::rows::SettlementDifferenceRow;
use crate::types::{AttemptKind, Connector};

db::codes! {
    /// What a line of an acquirer's file is about.
    pub enum LineKind {
        /// A purchase or a capture: the acquirer owes us.
        Charge = 1,
        /// Money given back to a payer.
        Refund = 2,
        /// A dispute that the payer won.
        Chargeback = 3,
        /// What the acquirer takes for itself, about no attempt.
        Fee = 4,
    }
}

impl LineKind {
    /// The word of the file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Charge => "CHARGE",
            Self::Refund => "REFUND",
            Self::Chargeback => "CHARGEBACK",
            Self::Fee => "FEE",
        }
    }

    /// The kind with this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.word() == word)
    }

    /// Whether a line of this kind can settle such an attempt.
    pub const fn fits(self, attempt: AttemptKind) -> bool {
        match self {
            Self::Charge => matches!(attempt, AttemptKind::Purchase | AttemptKind::Capture),
            Self::Refund => matches!(attempt, AttemptKind::Refund),
            Self::Chargeback => matches!(attempt, AttemptKind::Chargeback),
            Self::Fee => false,
        }
    }

    /// What an attempt of so much changes in what the acquirer owes us, in minor units.
    pub const fn signed(self, amount: i64) -> i64 {
        match self {
            Self::Charge => amount,
            Self::Refund | Self::Chargeback => -amount,
            Self::Fee => 0,
        }
    }
}

db::codes! {
    /// Why a line is not matched.
    pub enum Difference {
        /// This acquirer has no attempt of ours by that name.
        Unknown = 1,
        /// The attempt is about another amount.
        Amount = 2,
        /// The attempt is in another currency.
        Currency = 3,
        /// The attempt is something else, such as a refund where the line says charge.
        Kind = 4,
        /// An earlier line or file settled it.
        Twice = 5,
        /// The attempt came to nothing, or to nothing yet.
        NotApproved = 6,
    }
}

impl Difference {
    /// The word that is shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Amount => "AMOUNT",
            Self::Currency => "CURRENCY",
            Self::Kind => "KIND",
            Self::Twice => "TWICE",
            Self::NotApproved => "NOT_APPROVED",
        }
    }
}

/// One line of a file, its form judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SettledLine {
    /// Where it stands in the file; the header is on line 1.
    pub(super) number: u32,
    pub(super) kind: LineKind,
    /// Our id of the attempt, as the acquirer says it; it may be no id at all.
    pub(super) named: Option<Arc<str>>,
    /// What the acquirer calls it.
    pub(super) reference: Option<Arc<str>>,
    pub(super) currency: Currency,
    /// What it changes in what we are owed, in minor units.
    pub(super) gross: i64,
    /// What the acquirer keeps of it, in minor units.
    pub(super) cost: i64,
    /// The beginning of the day.
    pub(super) settled_on: Timestamp,
}

impl SettledLine {
    /// What it changes in our account at the bank, in minor units.
    pub(super) const fn net(&self) -> i64 {
        self.gross - self.cost
    }

    /// The attempt it names, if what it says is an id.
    pub(super) fn attempt(&self) -> Option<AttemptId> {
        self.named.as_deref()?.to_ascii_lowercase().parse().ok()
    }
}

/// How an acquirer stands with us in one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The acquirer.
    pub connector: Connector,
    /// What it still owes us; negative when we owe it.
    pub due: Money,
    /// What it has settled, costs included.
    pub settled: Money,
    /// What it kept of that.
    pub cost: Money,
    /// Lines that nothing explains yet.
    pub differences: u64,
    /// What those would have brought us.
    pub unmatched: Money,
}

/// A difference, and whether something after it explains it.
#[derive(Clone, Debug)]
pub struct ListedDifference {
    /// The line.
    pub row: SettlementDifferenceRow,
    /// Whether what it names was settled later, or another line takes it back.
    pub explained: bool,
}
