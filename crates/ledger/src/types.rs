//! What things are: owners, kinds of accounts, legs, splits.

use std::sync::Arc;

use kernel::id::uuid_of_name;
use kernel::{AccountId, Currency, Money};
use uuid::Uuid;

use crate::error::SplitError;

/// How many ledger accounts one charge may be split over.
pub const SPLIT_PARTS_MAX: usize = 8;

/// `uuid_of_name("platform")`, written out because a constant cannot hash; a test compares.
const PLATFORM_ID: u128 = 0xd43a_4225_790e_81b5_a45d_3a0d_b3eb_80fe;

/// Who a ledger account belongs to: an account (tenant), a connector, or the platform itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner(Uuid);

impl Owner {
    /// The platform: fees earned, cash at the bank, costs. The same id in every installation, derived from the name `platform`.
    pub const PLATFORM: Owner = Owner(Uuid::from_u128(PLATFORM_ID));

    /// A merchant, organiser or other tenant.
    pub fn account(account: AccountId) -> Self {
        Self(account.uuid())
    }

    /// The connector of this name: what an acquirer owes us is its account. The id is derived from the name, so it is the same
    /// everywhere and needs no table. Costs a hash: keep the result.
    pub fn connector(name: &str) -> Self {
        Self(uuid_of_name(&format!("connector {name}")))
    }

    /// The owner stored under this id.
    pub const fn from_uuid(id: Uuid) -> Self {
        Self(id)
    }

    /// The id it is stored under.
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl From<AccountId> for Owner {
    fn from(account: AccountId) -> Self {
        Self::account(account)
    }
}

db::codes! {
    /// What the money in a ledger account is. There is one ledger account per (owner, kind, currency).
    pub enum AccountKind {
        /// An account's own money, free to be paid out.
        Available = 1,
        /// Taken from available for a payout under way.
        LockedOut = 2,
        /// Announced, not yet received.
        LockedIn = 3,
        /// Taken from a merchant for a refund whose outcome is not known yet.
        RefundTransit = 4,
        /// Taken from a merchant for a payout whose outcome is not known yet.
        PayoutTransit = 5,
        /// In dispute between the merchant and a payer's bank.
        Disputed = 6,
        /// Held back from each capture for some days.
        Rolling = 7,
        /// Fees of the application that brought the payment.
        AppFees = 8,
        /// What a connector owes us (an asset).
        Due = 9,
        /// What a provider has announced (memo).
        Pending = 10,
        /// Authorised and not yet captured (memo): the merchant's side is debited, the connector's side credited.
        Hold = 11,
        /// Fees the platform earned.
        Fees = 12,
        /// Money at our bank (an asset).
        Cash = 13,
        /// What acquirers charged us (an asset side: it grows by debits).
        Costs = 14,
        /// What the platform has charged its owner so far: counted beside the transfers, none of which books it.
        Charged = 15,
    }
}

/// On which side an account grows, and whether it may go below zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Money we owe to its owner, or have earned: grows by credits and never falls below its floor.
    Credit,
    /// Money owed to us or spent: grows by debits, without floor, because settlements may run ahead of us.
    Asset,
    /// Remembered, not money: one side of a pair that only cancels out, without floor.
    Memo,
}

impl AccountKind {
    /// The side this kind grows on.
    pub const fn side(self) -> Side {
        match self {
            AccountKind::Available
            | AccountKind::LockedOut
            | AccountKind::LockedIn
            | AccountKind::RefundTransit
            | AccountKind::PayoutTransit
            | AccountKind::Disputed
            | AccountKind::Rolling
            | AccountKind::AppFees
            | AccountKind::Fees => Side::Credit,
            AccountKind::Due | AccountKind::Cash | AccountKind::Costs => Side::Asset,
            AccountKind::Pending | AccountKind::Hold | AccountKind::Charged => Side::Memo,
        }
    }
}

/// One side of a transfer: an owner's account of some kind; the currency is the posting's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Party {
    /// Whose account.
    pub owner: Owner,
    /// Which of them.
    pub kind: AccountKind,
}

impl Party {
    /// `owner`'s account of this kind.
    pub fn new(owner: impl Into<Owner>, kind: AccountKind) -> Self {
        Self { owner: owner.into(), kind }
    }
}

/// One transfer to be made: `minor` units leave `debit` and arrive at `credit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// The account debited.
    pub debit: Party,
    /// The account credited.
    pub credit: Party,
    /// Amount in minor units; a posting is refused unless it is within 1 and [`kernel::AMOUNT_MINOR_MAX`].
    pub minor: i64,
}

/// All transfers of one posting, in leg order, in one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booking {
    /// The currency of every leg.
    pub currency: Currency,
    /// The transfers. The first one always has number 0, so that its row stands for the posting.
    pub legs: Vec<Leg>,
}

impl Booking {
    /// Nothing yet.
    pub fn new(currency: Currency) -> Self {
        Self { currency, legs: Vec::with_capacity(2) }
    }

    /// One more transfer; an amount of zero books nothing and takes no leg number.
    #[must_use]
    pub fn leg(mut self, debit: Party, credit: Party, minor: i64) -> Self {
        if minor != 0 {
            self.legs.push(Leg { debit, credit, minor });
        }
        self
    }
}

/// Which accounts a charge is credited to, and with how much each. The parts add up to the charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    total: Money,
    parts: Vec<Part>,
}

/// One account's part of a charge, in minor units of the charge's currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The account.
    pub party: Party,
    /// Its part; not negative.
    pub minor: i64,
}

impl Split {
    /// Kinds of account that a charge may be credited to.
    pub const KINDS: [AccountKind; 4] = [AccountKind::Available, AccountKind::Rolling, AccountKind::AppFees, AccountKind::Fees];

    /// A split over any accounts of [`Split::KINDS`].
    ///
    /// # Errors
    /// [`SplitError::Parts`] with none or more than [`SPLIT_PARTS_MAX`], [`SplitError::Kind`] for an account that may not take part,
    /// [`SplitError::Sum`] when the parts are negative or do not add up to `total`.
    pub fn new(total: Money, parts: Vec<Part>) -> Result<Self, SplitError> {
        if parts.is_empty() || parts.len() > SPLIT_PARTS_MAX {
            return Err(SplitError::Parts);
        }
        if parts.iter().any(|part| !Self::KINDS.contains(&part.party.kind)) {
            return Err(SplitError::Kind);
        }
        let sum = parts.iter().try_fold(0_i64, |sum, part| if part.minor < 0 { None } else { sum.checked_add(part.minor) });
        if sum != Some(total.minor()) {
            return Err(SplitError::Sum);
        }
        Ok(Self { total, parts })
    }

    /// What happens to a charge without a split of its own: the fee goes to the platform, the rest is the merchant's.
    ///
    /// `fee_minor` is taken as at least 0 and at most the amount, as the fee rule gives it anyway.
    pub fn charge(merchant: AccountId, amount: Money, fee_minor: i64) -> Self {
        let fee = fee_minor.clamp(0, amount.minor().max(0));
        let own = Part { party: Party::new(merchant, AccountKind::Available), minor: amount.minor() - fee };
        let fees = Part { party: Party::new(Owner::PLATFORM, AccountKind::Fees), minor: fee };
        Self { total: amount, parts: vec![own, fees] }
    }

    /// All of it to or from the merchant's own money: the default for refunds, where the fee stays with the platform.
    pub fn all_available(merchant: AccountId, amount: Money) -> Self {
        Self { total: amount, parts: vec![Part { party: Party::new(merchant, AccountKind::Available), minor: amount.minor() }] }
    }

    /// The whole charge.
    pub fn total(&self) -> Money {
        self.total
    }

    /// The parts, in the order given.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }
}

/// What a posting is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The tenant in whose books the transfers are listed.
    pub account_id: AccountId,
    /// The attempt (transaction) or payout that moved the money; a posting is unique per cause and recipe.
    pub id: Uuid,
    /// The payment or payout that the cause belongs to.
    pub subject: Uuid,
    /// The request that asked for it, when one did; kept on the posting's first leg.
    pub request_id: Option<Arc<str>>,
}
