use kernel::{AccountId, Money};

use super::{Recipe, RecipeCode};
use crate::rules::{Floor, usual_floor};
use crate::types::{AccountKind, Booking, Owner, Party, Split};

/// A refund is about to be asked for: the money is set aside first, so that it cannot be spent twice.
#[derive(Clone, Debug)]
pub struct RefundStart {
    /// Whose payment is given back.
    pub merchant: AccountId,
    /// Who pays for it; its total is the amount refunded.
    pub split: Split,
    /// How far below zero the merchant's own money may fall for it, in minor units; not negative.
    pub negative_limit: i64,
}

/// The acquirer gave the money back.
#[derive(Clone, Debug)]
pub struct RefundDone {
    /// Whose payment was given back.
    pub merchant: AccountId,
    /// Who owes us less now.
    pub connector: Owner,
    /// How much.
    pub amount: Money,
}

/// The refund did not happen: everybody who paid for it gets the money back.
#[derive(Clone, Debug)]
pub struct RefundFailed {
    /// Whose payment was to be given back.
    pub merchant: AccountId,
    /// The split of the start.
    pub split: Split,
}

impl Recipe for RefundStart {
    const CODE: RecipeCode = RecipeCode::RefundStart;

    fn booking(&self) -> Booking {
        let transit = transit(self.merchant);
        let booking = Booking::new(self.split.total().currency());
        self.split.parts().iter().fold(booking, |booking, part| booking.leg(part.party, transit, part.minor))
    }

    fn floor(&self, kind: AccountKind) -> Floor {
        if kind == AccountKind::Available { Some(-self.negative_limit.max(0)) } else { usual_floor(kind) }
    }
}

impl Recipe for RefundDone {
    const CODE: RecipeCode = RecipeCode::RefundDone;

    fn booking(&self) -> Booking {
        let due = Party::new(self.connector, AccountKind::Due);
        Booking::new(self.amount.currency()).leg(transit(self.merchant), due, self.amount.minor())
    }
}

impl Recipe for RefundFailed {
    const CODE: RecipeCode = RecipeCode::RefundFailed;

    fn booking(&self) -> Booking {
        let transit = transit(self.merchant);
        let booking = Booking::new(self.split.total().currency());
        self.split.parts().iter().fold(booking, |booking, part| booking.leg(transit, part.party, part.minor))
    }
}

fn transit(merchant: AccountId) -> Party {
    Party::new(merchant, AccountKind::RefundTransit)
}
