use kernel::{AccountId, Money};

use super::{Recipe, RecipeCode};
use crate::types::{AccountKind, Booking, Owner, Party};

/// An acquirer promised `amount`: remembered, no money moved.
#[derive(Clone, Debug)]
pub struct AuthoriseHold {
    /// Whose payment.
    pub merchant: AccountId,
    /// Whose promise.
    pub connector: Owner,
    /// How much.
    pub amount: Money,
}

impl Recipe for AuthoriseHold {
    const CODE: RecipeCode = RecipeCode::AuthoriseHold;

    fn booking(&self) -> Booking {
        let (merchant, connector) = (Party::new(self.merchant, AccountKind::Hold), Party::new(self.connector, AccountKind::Hold));
        Booking::new(self.amount.currency()).leg(merchant, connector, self.amount.minor())
    }
}
