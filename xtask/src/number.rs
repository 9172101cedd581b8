//! Numbers for people without floating point: ratios in thousandths, and medians.

use std::fmt;

use serde::{Serialize, Serializer};

/// A ratio, kept in thousandths: `Milli(1_250)` reads "1.25".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Milli(pub u64);

impl Milli {
    /// `a / b` rounded to the nearest thousandth; zero when there is nothing to divide by.
    pub fn ratio(a: u64, b: u64) -> Milli {
        if b == 0 {
            return Milli(0);
        }
        let thousandths = (u128::from(a) * 1_000 + u128::from(b) / 2) / u128::from(b);
        Milli(u64::try_from(thousandths).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Milli {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:03}", self.0 / 1_000, self.0 % 1_000);
        // Three digits matter below ten, one above.
        let shown = if self.0 >= 10_000 { &text[..text.len() - 2] } else { &text[..text.len() - 1] };
        out.pad(shown)
    }
}

impl Serialize for Milli {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = format!("{}.{:03}", self.0 / 1_000, self.0 % 1_000);
        serializer.serialize_f64(text.parse().map_err(serde::ser::Error::custom)?)
    }
}

/// Median, least and greatest of several rounds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Spread {
    /// The middle value; of an even number the mean of the two in the middle.
    pub median: Milli,
    /// The least value.
    pub min: Milli,
    /// The greatest value.
    pub max: Milli,
}

impl Spread {
    /// Of at least one value; `None` for none.
    pub fn of(mut values: Vec<Milli>) -> Option<Spread> {
        values.sort_unstable();
        let (min, max) = (*values.first()?, *values.last()?);
        let (below, above) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        Some(Spread { median: Milli(u64::midpoint(below.0, above.0)), min, max })
    }
}

/// `12345678` as "12 345 678".
pub fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_rounded_and_read_like_decimals() {
        assert_eq!(Milli::ratio(2, 3), Milli(667));
        assert_eq!(Milli::ratio(1, 0), Milli(0));
        assert_eq!(Milli(1_254).to_string(), "1.25");
        assert_eq!(Milli(12_345).to_string(), "12.3");
        assert_eq!(serde_json::to_string(&Milli(1_250)).expect("a number"), "1.25");
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_ones() {
        let spread = Spread::of(vec![Milli(40), Milli(10), Milli(30), Milli(20)]).expect("not empty");
        assert_eq!((spread.median, spread.min, spread.max), (Milli(25), Milli(10), Milli(40)));
        assert_eq!(Spread::of(Vec::new()), None);
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!([grouped(7), grouped(1_234), grouped(12_345_678)], ["7", "1 234", "12 345 678"]);
    }
}
