use kernel::{AMOUNT_MINOR_MAX, Currency};

use super::{Recipe, RecipeCode};
use crate::types::{AccountKind, Booking, Owner, Party};

/// How many transfers each of the two sums of a settlement may take: a sum of many amounts may be larger than one transfer.
const TRANSFERS_MAX: i64 = 100;
/// The largest net or cost of one settlement in minor units, on either side of zero.
pub const SETTLEMENT_MINOR_MAX: i64 = TRANSFERS_MAX * AMOUNT_MINOR_MAX;

/// An acquirer paid what it owes us for some attempts, less its costs. Where it took back more than it paid, the net is negative and goes
/// the other way; so does a cost that it gave back.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// Who owes us less now.
    pub connector: Owner,
    /// Of both sums.
    pub currency: Currency,
    /// What arrived at our bank, in minor units.
    pub net_minor: i64,
    /// What the acquirer kept for its trouble, in minor units.
    pub cost_minor: i64,
}

impl Recipe for Settlement {
    const CODE: RecipeCode = RecipeCode::Settlement;

    fn booking(&self) -> Booking {
        let due = Party::new(self.connector, AccountKind::Due);
        let platform = |kind| Party::new(Owner::PLATFORM, kind);
        let booking = in_parts(Booking::new(self.currency), platform(AccountKind::Cash), due, self.net_minor);
        in_parts(booking, platform(AccountKind::Costs), due, self.cost_minor)
    }
}

/// As many transfers as the sum needs. A sum beyond the limit ends with one that is refused for its amount.
fn in_parts(mut booking: Booking, ours: Party, due: Party, minor: i64) -> Booking {
    let (debit, credit) = if minor < 0 { (due, ours) } else { (ours, due) };
    let mut rest = i64::try_from(minor.unsigned_abs()).unwrap_or(i64::MAX);
    for _ in 1..TRANSFERS_MAX {
        let part = rest.min(AMOUNT_MINOR_MAX);
        booking = booking.leg(debit, credit, part);
        rest -= part;
    }
    booking.leg(debit, credit, rest)
}
