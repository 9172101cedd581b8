use kernel::{AccountId, Money};

use super::{Recipe, RecipeCode};
use crate::types::{AccountKind, Booking, Owner, Party};

/// Money is about to leave for a merchant's bank: amount and fee are set aside. The money must be there.
#[derive(Clone, Debug)]
pub struct PayoutStart {
    /// Whose money.
    pub merchant: AccountId,
    /// What arrives at the bank.
    pub amount: Money,
    /// What the platform earns by it, in minor units of the same currency, on top.
    pub fee_minor: i64,
}

/// The bank has the money.
#[derive(Clone, Debug)]
pub struct PayoutDone {
    /// Whose money.
    pub merchant: AccountId,
    /// What arrived at the bank.
    pub amount: Money,
    /// The fee of the start.
    pub fee_minor: i64,
}

/// The payout did not happen: amount and fee return.
#[derive(Clone, Debug)]
pub struct PayoutFailed {
    /// Whose money.
    pub merchant: AccountId,
    /// The amount of the start.
    pub amount: Money,
    /// The fee of the start.
    pub fee_minor: i64,
}

impl Recipe for PayoutStart {
    const CODE: RecipeCode = RecipeCode::PayoutStart;

    fn booking(&self) -> Booking {
        Booking::new(self.amount.currency()).leg(
            own(self.merchant),
            transit(self.merchant),
            with_fee(self.amount, self.fee_minor),
        )
    }
}

impl Recipe for PayoutDone {
    const CODE: RecipeCode = RecipeCode::PayoutDone;

    fn booking(&self) -> Booking {
        let (cash, fees) = (Party::new(Owner::PLATFORM, AccountKind::Cash), Party::new(Owner::PLATFORM, AccountKind::Fees));
        let transit = transit(self.merchant);
        Booking::new(self.amount.currency()).leg(transit, cash, self.amount.minor()).leg(transit, fees, self.fee_minor)
    }
}

impl Recipe for PayoutFailed {
    const CODE: RecipeCode = RecipeCode::PayoutFailed;

    fn booking(&self) -> Booking {
        Booking::new(self.amount.currency()).leg(
            transit(self.merchant),
            own(self.merchant),
            with_fee(self.amount, self.fee_minor),
        )
    }
}

/// Saturating is enough: a sum that large is far above what a leg may be and is refused.
fn with_fee(amount: Money, fee_minor: i64) -> i64 {
    amount.minor().saturating_add(fee_minor)
}

fn own(merchant: AccountId) -> Party {
    Party::new(merchant, AccountKind::Available)
}

fn transit(merchant: AccountId) -> Party {
    Party::new(merchant, AccountKind::PayoutTransit)
}
