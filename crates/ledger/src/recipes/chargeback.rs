use kernel::{AccountId, Money};

use super::{Recipe, RecipeCode};
use crate::rules::{Floor, usual_floor};
use crate::types::{AccountKind, Booking, Owner, Party};

/// A payer's bank takes a payment back: the money is set aside until the dispute is over. It is taken whether or not it is there.
#[derive(Clone, Debug)]
pub struct ChargebackOpen {
    /// Whose payment is disputed.
    pub merchant: AccountId,
    /// How much of it.
    pub amount: Money,
}

/// The payer was right: the acquirer keeps the money.
#[derive(Clone, Debug)]
pub struct ChargebackLost {
    /// Whose payment was disputed.
    pub merchant: AccountId,
    /// Who owes us less now.
    pub connector: Owner,
    /// The amount of the opening.
    pub amount: Money,
    /// What the platform takes for its trouble, in minor units of the same currency.
    pub fee_minor: i64,
}

/// The merchant was right: the money returns.
#[derive(Clone, Debug)]
pub struct ChargebackWon {
    /// Whose payment was disputed.
    pub merchant: AccountId,
    /// The amount of the opening.
    pub amount: Money,
}

/// Nobody asks the merchant whether he can afford it.
fn no_floor(kind: AccountKind) -> Floor {
    if kind == AccountKind::Available { None } else { usual_floor(kind) }
}

impl Recipe for ChargebackOpen {
    const CODE: RecipeCode = RecipeCode::ChargebackOpen;

    fn booking(&self) -> Booking {
        Booking::new(self.amount.currency()).leg(own(self.merchant), disputed(self.merchant), self.amount.minor())
    }

    fn floor(&self, kind: AccountKind) -> Floor {
        no_floor(kind)
    }
}

impl Recipe for ChargebackLost {
    const CODE: RecipeCode = RecipeCode::ChargebackLost;

    fn booking(&self) -> Booking {
        let (due, fees) = (Party::new(self.connector, AccountKind::Due), Party::new(Owner::PLATFORM, AccountKind::Fees));
        Booking::new(self.amount.currency()).leg(disputed(self.merchant), due, self.amount.minor()).leg(
            own(self.merchant),
            fees,
            self.fee_minor,
        )
    }

    fn floor(&self, kind: AccountKind) -> Floor {
        no_floor(kind)
    }
}

impl Recipe for ChargebackWon {
    const CODE: RecipeCode = RecipeCode::ChargebackWon;

    fn booking(&self) -> Booking {
        Booking::new(self.amount.currency()).leg(disputed(self.merchant), own(self.merchant), self.amount.minor())
    }
}

fn own(merchant: AccountId) -> Party {
    Party::new(merchant, AccountKind::Available)
}

fn disputed(merchant: AccountId) -> Party {
    Party::new(merchant, AccountKind::Disputed)
}
