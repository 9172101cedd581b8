//! Why the ledger refuses.

use kernel::Currency;
use thiserror::Error;

use crate::types::AccountKind;

/// Why a posting was not made. None of its rows were changed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PostRefusal {
    /// An account would fall below its floor: zero, or what the recipe allows. For a merchant's own money this is "not enough money";
    /// for every other kind it is a defect of the caller.
    #[error("{kind:?} in {currency:?} would be {would_be}, below its floor of {floor} minor units")]
    BelowFloor {
        /// Which kind of account.
        kind: AccountKind,
        /// Its currency.
        currency: Currency,
        /// The balance the posting would leave, in minor units.
        would_be: i64,
        /// The lowest balance allowed, in minor units.
        floor: i64,
    },
    /// A leg is not within 1 and the largest amount, or there is no leg at all.
    #[error("the amount is not one that can be booked")]
    Amount,
    /// A running sum no longer fits 64 bits: nine million times the largest amount on one account.
    #[error("the sums of a ledger account are full")]
    Full,
    /// This cause and recipe were posted before with other accounts or another amount: a defect of the caller.
    #[error("the same posting was made before, differently")]
    Differs,
}

/// Why a list of parts is not a split.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SplitError {
    /// None, or more than [`crate::SPLIT_PARTS_MAX`].
    #[error("a split has between 1 and {} parts", crate::SPLIT_PARTS_MAX)]
    Parts,
    /// An account of a kind that charges are never credited to.
    #[error("a charge cannot be credited to that kind of account")]
    Kind,
    /// Negative parts, or a sum other than the charge.
    #[error("the parts do not add up to the charge")]
    Sum,
}
