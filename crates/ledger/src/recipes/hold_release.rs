use kernel::{AccountId, Money};

use super::{Recipe, RecipeCode};
use crate::types::{AccountKind, Booking, Owner, Party};

/// All or part of a hold ends: it was captured, cancelled, or ran out.
#[derive(Clone, Debug)]
pub struct HoldRelease {
    /// Whose payment.
    pub merchant: AccountId,
    /// Who had promised.
    pub connector: Owner,
    /// How much of the hold ends.
    pub amount: Money,
}

impl Recipe for HoldRelease {
    const CODE: RecipeCode = RecipeCode::HoldRelease;

    fn booking(&self) -> Booking {
        let (merchant, connector) = (Party::new(self.merchant, AccountKind::Hold), Party::new(self.connector, AccountKind::Hold));
        Booking::new(self.amount.currency()).leg(connector, merchant, self.amount.minor())
    }
}
