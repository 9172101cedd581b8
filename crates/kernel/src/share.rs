//! Parts of an amount: what the platform keeps, and how an amount is divided.

use thiserror::Error;

use crate::money::Money;

/// Into how many parts an amount can be split.
pub const SPLIT_PARTS_MAX: usize = 1_000;
/// One hundred per cent in basis points.
pub const BASIS_POINTS_WHOLE: u32 = 10_000;

/// What the platform keeps of an amount: a share and a fixed part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeeRate {
    /// Hundredths of a per cent.
    pub basis_points: u32,
    /// Minor units of whatever currency the amount is in; not negative.
    pub fixed_minor: i64,
}

impl FeeRate {
    /// No fee.
    pub const NONE: FeeRate = FeeRate { basis_points: 0, fixed_minor: 0 };

    /// The fee on an amount, both in minor units: the share is rounded half up, and the whole is never below zero
    /// nor above the amount (payments family, section 3.9).
    pub fn fee(self, amount_minor: i64) -> i64 {
        let amount = i128::from(amount_minor.max(0));
        let whole = i128::from(BASIS_POINTS_WHOLE);
        let share = (amount * i128::from(self.basis_points) + whole / 2) / whole;
        let fee = (share + i128::from(self.fixed_minor)).clamp(0, amount);
        i64::try_from(fee).expect("at most the amount, which is an i64")
    }
}

/// Why an amount cannot be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SplitError {
    /// No weights, or all of them zero.
    #[error("there is nothing to split by")]
    NoWeight,
    /// More than [`SPLIT_PARTS_MAX`] weights.
    #[error("at most {SPLIT_PARTS_MAX} parts")]
    TooMany,
}

/// Splits `total` over `weights` so that the parts add up to `total` exactly.
///
/// Works in minor units. Each part is rounded towards zero and the units left over go one each to the largest
/// remainders, earlier first, so equal inputs always give equal outputs. Source: Hamilton's method of apportionment.
///
/// # Errors
/// [`SplitError::NoWeight`] when `weights` is empty or adds up to zero; [`SplitError::TooMany`] above [`SPLIT_PARTS_MAX`].
///
/// # Example
/// ```
/// use kernel::{Currency, Money, split};
///
/// let parts = split(Money::new(100, Currency::EUR), &[1, 1, 1]).expect("three parts");
/// assert_eq!(parts.iter().map(|part| part.minor()).collect::<Vec<_>>(), [34, 33, 33]);
/// ```
pub fn split(total: Money, weights: &[u64]) -> Result<Vec<Money>, SplitError> {
    if weights.len() > SPLIT_PARTS_MAX {
        return Err(SplitError::TooMany);
    }
    let sum: u128 = weights.iter().copied().map(u128::from).sum();
    if sum == 0 {
        return Err(SplitError::NoWeight);
    }
    let amount = u128::from(total.minor().unsigned_abs());
    let products: Vec<u128> = weights.iter().map(|weight| amount * u128::from(*weight)).collect();
    let mut parts: Vec<u128> = products.iter().map(|product| product / sum).collect();
    let left = amount - parts.iter().sum::<u128>();
    let mut by_remainder: Vec<usize> = (0..weights.len()).collect();
    by_remainder.sort_by_key(|part| std::cmp::Reverse(products[*part] % sum)); // stable: earlier first
    for part in by_remainder.into_iter().take(usize::try_from(left).expect("fewer units are left than there are parts")) {
        parts[part] += 1;
    }
    let signed = |part: u128| i64::try_from(if total.minor() < 0 { -part.cast_signed() } else { part.cast_signed() });
    Ok(parts.into_iter().map(|part| Money::new(signed(part).expect("no part exceeds the total"), total.currency())).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::currency::Currency;
    use crate::money::AMOUNT_MINOR_MAX;

    proptest! {
        #[test]
        fn a_fee_is_the_share_rounded_half_up_and_never_more_than_the_amount(
            amount in 0..=AMOUNT_MINOR_MAX, basis_points in 0_u32..=20_000, fixed_minor in 0_i64..=1_000,
        ) {
            let fee = FeeRate { basis_points, fixed_minor }.fee(amount);
            prop_assert!((0..=amount).contains(&fee));
            if fee < amount {
                // Half up: the exact share lies in [rounded - 1/2, rounded + 1/2).
                let error = (i128::from(fee) - i128::from(fixed_minor)) * 10_000 - i128::from(amount) * i128::from(basis_points);
                prop_assert!(-5_000 < error && error <= 5_000, "{}", error);
            }
        }

        #[test]
        fn parts_add_up_and_are_within_one_unit_of_their_share(
            total in any::<i64>(), weights in proptest::collection::vec(prop_oneof![0_u64..=1_000, any::<u64>()], 1..20),
        ) {
            let sum: u128 = weights.iter().copied().map(u128::from).sum();
            let parts = split(Money::new(total, Currency::EUR), &weights);
            prop_assume!(sum > 0);
            let parts = parts.expect("some weight");
            prop_assert_eq!(parts.iter().map(|part| i128::from(part.minor())).sum::<i128>(), i128::from(total));
            for (part, weight) in parts.iter().zip(&weights) {
                let share = u128::from(total.unsigned_abs()) * u128::from(*weight) / sum;
                let part = u128::from(part.minor().unsigned_abs());
                prop_assert!(part == share || part == share + 1);
            }
        }
    }

    #[test]
    fn fees_of_the_demo() {
        let rate = FeeRate { basis_points: 140, fixed_minor: 25 };
        assert_eq!(rate.fee(1_999), 53); // 27.986 + 25
        assert_eq!(rate.fee(2_250), 57); // 31.5 + 25, half up
        assert_eq!(rate.fee(10), 10); // never above the amount
        assert_eq!(rate.fee(-10), 0);
        assert_eq!(FeeRate { basis_points: u32::MAX, fixed_minor: i64::MAX }.fee(i64::MAX), i64::MAX);
        assert_eq!(FeeRate::NONE.fee(1_999), 0);
    }

    #[test]
    fn what_cannot_be_split() {
        let total = Money::new(100, Currency::EUR);
        assert_eq!(split(total, &[]), Err(SplitError::NoWeight));
        assert_eq!(split(total, &[0, 0]), Err(SplitError::NoWeight));
        assert_eq!(split(total, &vec![1; SPLIT_PARTS_MAX + 1]), Err(SplitError::TooMany));
    }
}
