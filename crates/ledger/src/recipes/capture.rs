use super::{Recipe, RecipeCode};
use crate::types::{AccountKind, Booking, Owner, Party, Split};

/// The acquirer took money from a payer and owes it to us; it is credited along the split. A purchase books the same without a hold.
#[derive(Clone, Debug)]
pub struct Capture {
    /// Who owes us the money now.
    pub connector: Owner,
    /// Who it belongs to; its total is the amount captured.
    pub split: Split,
}

impl Recipe for Capture {
    const CODE: RecipeCode = RecipeCode::Capture;

    fn booking(&self) -> Booking {
        let due = Party::new(self.connector, AccountKind::Due);
        let booking = Booking::new(self.split.total().currency());
        self.split.parts().iter().fold(booking, |booking, part| booking.leg(due, part.party, part.minor))
    }
}
