//! Recipes: one file per business event, each a few typed parameters that become a fixed list of transfers.
//!
//! | recipe | debit | credit |
//! |---|---|---|
//! | [`AuthoriseHold`] x | hold (merchant) x | hold (connector) x |
//! | [`HoldRelease`] x: capture, cancel, expiry | hold (connector) x | hold (merchant) x |
//! | [`Capture`] x, with its split | due (connector) x | the split's parts; usually available x - f, fees f |
//! | [`RefundStart`] x | the split's parts; usually available x | refund transit x |
//! | [`RefundDone`] x | refund transit x | due (connector) x |
//! | [`RefundFailed`] x | refund transit x | the split's parts again |
//! | [`ChargebackOpen`] x | available x | disputed x |
//! | [`ChargebackLost`] x, f | disputed x, available f | due (connector) x, fees f |
//! | [`ChargebackWon`] x | disputed x | available x |
//! | [`PayoutStart`] x + f | available x + f | payout transit x + f |
//! | [`PayoutDone`] x, f | payout transit x + f | cash x, fees f |
//! | [`PayoutFailed`] x + f | payout transit x + f | available x + f |
//! | [`Settlement`] n, c: what is negative goes the other way | cash n, costs c | due (connector) n + c |
//!
//! Each line is balanced, because each transfer is. A leg of amount zero is left out.

mod authorise_hold;
mod capture;
mod chargeback;
mod hold_release;
mod payout;
mod refund;
mod settlement;

pub use authorise_hold::AuthoriseHold;
pub use capture::Capture;
pub use chargeback::{ChargebackLost, ChargebackOpen, ChargebackWon};
pub use hold_release::HoldRelease;
pub use payout::{PayoutDone, PayoutFailed, PayoutStart};
pub use refund::{RefundDone, RefundFailed, RefundStart};
pub use settlement::{SETTLEMENT_MINOR_MAX, Settlement};

use crate::rules::{self, Floor};
use crate::types::{AccountKind, Booking, Owner, Party, Split};

db::codes! {
    /// The stored name of a recipe. Codes are never reused.
    pub enum RecipeCode {
        /// [`AuthoriseHold`]
        AuthoriseHold = 1,
        /// [`HoldRelease`]
        HoldRelease = 2,
        /// [`Capture`]
        Capture = 3,
        /// [`RefundStart`]
        RefundStart = 4,
        /// [`RefundDone`]
        RefundDone = 5,
        /// [`RefundFailed`]
        RefundFailed = 6,
        /// [`PayoutStart`]
        PayoutStart = 7,
        /// [`PayoutDone`]
        PayoutDone = 8,
        /// [`PayoutFailed`]
        PayoutFailed = 9,
        /// [`ChargebackOpen`]
        ChargebackOpen = 10,
        /// [`ChargebackLost`]
        ChargebackLost = 11,
        /// [`ChargebackWon`]
        ChargebackWon = 12,
        /// [`Settlement`]
        Settlement = 13,
    }
}

/// A business event that moves money.
pub trait Recipe {
    /// The name its transfers are stored under.
    const CODE: RecipeCode;

    /// The transfers it makes, always the same ones for the same parameters.
    fn booking(&self) -> Booking;

    /// The lowest balance, in minor units, that debiting an account of this kind may leave; `None` when there is no limit.
    fn floor(&self, kind: AccountKind) -> Floor {
        rules::usual_floor(kind)
    }
}

/// Whether a transfer between these two is one that `code` books for `tenant`: the rule by which stored transfers are judged.
pub(crate) fn books(code: RecipeCode, tenant: Owner, debit: Party, credit: Party) -> bool {
    use AccountKind::{Available, Cash, Costs, Disputed, Due, Fees, Hold, PayoutTransit, RefundTransit};
    let kinds = (debit.kind, credit.kind);
    match code {
        RecipeCode::AuthoriseHold => kinds == (Hold, Hold) && debit.owner == tenant && credit.owner != tenant,
        RecipeCode::HoldRelease => kinds == (Hold, Hold) && debit.owner != tenant && credit.owner == tenant,
        RecipeCode::Capture => debit.kind == Due && Split::KINDS.contains(&credit.kind),
        RecipeCode::RefundStart => Split::KINDS.contains(&debit.kind) && credit.kind == RefundTransit && credit.owner == tenant,
        RecipeCode::RefundDone => kinds == (RefundTransit, Due) && debit.owner == tenant,
        RecipeCode::RefundFailed => debit.kind == RefundTransit && debit.owner == tenant && Split::KINDS.contains(&credit.kind),
        RecipeCode::PayoutStart => kinds == (Available, PayoutTransit) && debit.owner == tenant && credit.owner == tenant,
        RecipeCode::PayoutDone => debit == Party::new(tenant, PayoutTransit) && matches!(credit.kind, Cash | Fees),
        RecipeCode::PayoutFailed => kinds == (PayoutTransit, Available) && debit.owner == tenant && credit.owner == tenant,
        RecipeCode::ChargebackOpen => kinds == (Available, Disputed) && debit.owner == tenant && credit.owner == tenant,
        RecipeCode::ChargebackLost => matches!(kinds, (Disputed, Due) | (Available, Fees)) && debit.owner == tenant,
        RecipeCode::ChargebackWon => kinds == (Disputed, Available) && debit.owner == tenant && credit.owner == tenant,
        RecipeCode::Settlement => {
            let ours = |party: Party| party.owner == tenant && matches!(party.kind, Cash | Costs);
            tenant == Owner::PLATFORM && (ours(debit) && credit.kind == Due || debit.kind == Due && ours(credit))
        }
    }
}

/// The floor that a stored debit is judged by. A refund may use up the merchant's negative limit, which is not written in the
/// transfer, so its floor is not known here.
pub(crate) const fn known_floor(code: RecipeCode, kind: AccountKind) -> Floor {
    match (code, kind) {
        (RecipeCode::RefundStart | RecipeCode::ChargebackOpen | RecipeCode::ChargebackLost, AccountKind::Available) => None,
        _ => rules::usual_floor(kind),
    }
}

#[cfg(test)]
mod tests;
