//! Amounts of money: an integer number of minor units and its currency. No float comes near them.

use std::fmt;

use thiserror::Error;

use crate::currency::Currency;

/// The greatest amount that comes from or goes outside, in minor units (spec of the payments family, section 2.0).
pub const AMOUNT_MINOR_MAX: i64 = 1_000_000_000_000;
/// The longest text of an amount, in characters.
pub const AMOUNT_TEXT_CHARS_MAX: usize = 32;

/// So many minor units (cents, øre; yen have none) of a currency; may be negative.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    minor: i64,
    currency: Currency,
}

/// Why an amount cannot be read or computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MoneyError {
    /// The text is longer than [`AMOUNT_TEXT_CHARS_MAX`].
    #[error("an amount has at most {AMOUNT_TEXT_CHARS_MAX} characters")]
    TextTooLong,
    /// The text is not a number of the JSON grammar (RFC 8259 section 6).
    #[error("an amount is a decimal number")]
    NotANumber,
    /// More decimals than the currency has.
    #[error("{currency} has {} decimals", currency.exponent())]
    TooManyDecimals {
        /// The currency whose exponent decides.
        currency: Currency,
    },
    /// Further from zero than [`AMOUNT_MINOR_MAX`], or than an `i64` when it was computed.
    #[error("the amount is too large")]
    OutOfRange,
    /// Two currencies in one sum.
    #[error("the amount must be in {expected}")]
    OtherCurrency {
        /// The currency of the first amount.
        expected: Currency,
    },
}

impl Money {
    /// So many minor units.
    pub const fn new(minor: i64, currency: Currency) -> Money {
        Money { minor, currency }
    }

    /// Nothing, in that currency.
    pub const fn zero(currency: Currency) -> Money {
        Money { minor: 0, currency }
    }

    /// The number of minor units.
    pub const fn minor(self) -> i64 {
        self.minor
    }

    /// The currency.
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// Whether there is more than nothing.
    pub const fn is_positive(self) -> bool {
        self.minor > 0
    }

    /// Whether there is nothing.
    pub const fn is_zero(self) -> bool {
        self.minor == 0
    }

    /// The sum.
    ///
    /// # Errors
    /// [`MoneyError::OtherCurrency`], or [`MoneyError::OutOfRange`] when an `i64` cannot hold the sum.
    pub fn plus(self, other: Money) -> Result<Money, MoneyError> {
        self.combined(other, i64::checked_add)
    }

    /// The difference, which may be negative.
    ///
    /// # Errors
    /// [`MoneyError::OtherCurrency`], or [`MoneyError::OutOfRange`] when an `i64` cannot hold the difference.
    pub fn minus(self, other: Money) -> Result<Money, MoneyError> {
        self.combined(other, i64::checked_sub)
    }

    fn combined(self, other: Money, operation: fn(i64, i64) -> Option<i64>) -> Result<Money, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::OtherCurrency { expected: self.currency });
        }
        let minor = operation(self.minor, other.minor).ok_or(MoneyError::OutOfRange)?;
        Ok(Money { minor, ..self })
    }

    /// Reads an amount in major units from the text of a JSON number, exactly.
    ///
    /// Without an exponent the digits after the point are counted as written, so `1.500` has too many decimals for
    /// EUR; a text with an exponent (`1.50E1`) is judged by its value. Negative amounts are read: whether they are
    /// allowed is the caller's business.
    ///
    /// # Errors
    /// [`MoneyError::TextTooLong`], [`MoneyError::NotANumber`], [`MoneyError::TooManyDecimals`], and
    /// [`MoneyError::OutOfRange`] beyond [`AMOUNT_MINOR_MAX`] on either side; tried in this order.
    pub fn from_decimal_text(text: &str, currency: Currency) -> Result<Money, MoneyError> {
        if text.len() > AMOUNT_TEXT_CHARS_MAX {
            return Err(MoneyError::TextTooLong);
        }
        let number = Decimal::parse(text.as_bytes()).ok_or(MoneyError::NotANumber)?;
        let exponent = i64::from(currency.exponent());
        if number.ten_to_the.is_none() && number.decimals > exponent {
            return Err(MoneyError::TooManyDecimals { currency });
        }
        let (mut digits, mut shift) = (number.digits, number.ten_to_the.unwrap_or(0).saturating_sub(number.decimals - exponent));
        if digits == 0 {
            return Ok(Money::zero(currency));
        }
        while shift < 0 {
            if !digits.is_multiple_of(10) {
                return Err(MoneyError::TooManyDecimals { currency });
            }
            (digits, shift) = (digits / 10, shift + 1);
        }
        while shift > 0 && digits <= AMOUNT_MINOR_MAX.unsigned_abs().into() {
            (digits, shift) = (digits * 10, shift - 1);
        }
        let minor = i64::try_from(digits).ok().filter(|minor| *minor <= AMOUNT_MINOR_MAX).ok_or(MoneyError::OutOfRange)?;
        Ok(Money { minor: if number.negative { -minor } else { minor }, currency })
    }

    /// Appends the shortest decimal text in major units: `520`, `9.99`, `-0.5`.
    pub fn push_decimal_text(self, out: &mut String) {
        self.push_text(out, false);
    }

    /// The shortest decimal text in major units, which is a JSON number: `520`, `9.99`, `-0.5`.
    pub fn to_decimal_text(self) -> String {
        let mut text = String::with_capacity(AMOUNT_TEXT_CHARS_MAX);
        self.push_decimal_text(&mut text);
        text
    }

    /// Appends the decimal text in major units with all decimals of the currency: `520` yen, `9.90`, `-0.50`.
    pub fn push_full_decimal_text(self, out: &mut String) {
        self.push_text(out, true);
    }

    fn push_text(self, out: &mut String, all_decimals: bool) {
        let mut digits = [b'0'; 20]; // an i64 has at most 19 digits
        let mut left = self.minor.unsigned_abs();
        for place in digits.iter_mut().rev() {
            *place = b'0' + u8::try_from(left % 10).expect("one digit");
            left /= 10;
        }
        let (whole, decimals) = digits.split_at(digits.len() - usize::from(self.currency.exponent()));
        let whole = &whole[whole.iter().position(|digit| *digit != b'0').unwrap_or(whole.len() - 1)..];
        let shown = match decimals.iter().rposition(|digit| *digit != b'0') {
            _ if all_decimals => decimals.len(),
            Some(last) => last + 1,
            None => 0,
        };
        if self.minor < 0 {
            out.push('-');
        }
        out.extend(whole.iter().copied().map(char::from));
        if shown > 0 {
            out.push('.');
            out.extend(decimals[..shown].iter().copied().map(char::from));
        }
    }
}

impl fmt::Display for Money {
    /// Major units with all decimals of the currency, and its code: `12.50 EUR`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(AMOUNT_TEXT_CHARS_MAX);
        self.push_text(&mut text, true);
        text.push(' ');
        text.push_str(self.currency.code());
        f.pad(&text)
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The parts of a decimal number as it was written.
struct Decimal {
    negative: bool,
    /// All digits without point and exponent; [`AMOUNT_TEXT_CHARS_MAX`] digits fit.
    digits: u128,
    /// How many of the digits stood after the point.
    decimals: i64,
    /// The exponent, if one was written; saturated, which is far beyond every limit.
    ten_to_the: Option<i64>,
}

impl Decimal {
    /// The number grammar of RFC 8259 section 6: `-? (0 | [1-9][0-9]*) ('.' [0-9]+)? ([eE] [+-]? [0-9]+)?`.
    fn parse(text: &[u8]) -> Option<Decimal> {
        let (negative, rest) = text.strip_prefix(b"-").map_or((false, text), |rest| (true, rest));
        let (whole, rest) = leading_digits(rest);
        if whole.is_empty() || (whole.len() > 1 && whole[0] == b'0') {
            return None;
        }
        let (decimals, rest) = match rest.strip_prefix(b".") {
            Some(rest) => Some(leading_digits(rest)).filter(|(decimals, _)| !decimals.is_empty())?,
            None => (&[][..], rest),
        };
        let ten_to_the = match rest {
            [] => None,
            [b'e' | b'E', rest @ ..] => Some(exponent(rest)?),
            _ => return None,
        };
        let digits = whole.iter().chain(decimals).fold(0, |sum: u128, digit| sum * 10 + u128::from(digit - b'0'));
        Some(Decimal { negative, digits, decimals: i64::try_from(decimals.len()).ok()?, ten_to_the })
    }
}

fn leading_digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count())
}

/// What follows the `e` of a number.
fn exponent(text: &[u8]) -> Option<i64> {
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let (digits, rest) = leading_digits(text);
    if digits.is_empty() || !rest.is_empty() {
        return None;
    }
    let value = digits.iter().fold(0, |sum: i64, digit| sum.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One currency for each exponent there is: 0, 2, 3 and 4. (ISO 4217 has none with 1.)
    const CURRENCIES: [&str; 4] = ["JPY", "EUR", "KWD", "CLF"];

    fn currency() -> impl Strategy<Value = Currency> {
        proptest::sample::select(&CURRENCIES[..]).prop_map(|code| Currency::parse(code).expect("a currency"))
    }

    fn eur(text: &str) -> Result<i64, MoneyError> {
        Money::from_decimal_text(text, Currency::EUR).map(Money::minor)
    }

    /// The value of a plain decimal text in minor units, computed in another way: by padding the text.
    fn padded(text: &str, exponent: usize) -> i128 {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        format!("{whole}{decimals:0<exponent$}").parse().expect("digits")
    }

    proptest! {
        #[test]
        fn text_of_an_amount_reads_back(minor in -AMOUNT_MINOR_MAX..=AMOUNT_MINOR_MAX, currency in currency()) {
            let money = Money::new(minor, currency);
            prop_assert_eq!(Money::from_decimal_text(&money.to_decimal_text(), currency), Ok(money));
            let shown = money.to_string();
            let amount = shown.strip_suffix(currency.code()).and_then(|text| text.strip_suffix(' ')).expect("amount and code");
            prop_assert_eq!(Money::from_decimal_text(amount, currency), Ok(money));
        }

        #[test]
        fn the_text_is_the_shortest(minor in any::<i64>(), currency in currency()) {
            let text = Money::new(minor, currency).to_decimal_text();
            prop_assert_eq!(padded(&text, currency.exponent().into()), i128::from(minor));
            if text.contains('.') {
                prop_assert!(!text.ends_with('0') && !text.ends_with('.'), "{}", text);
            }
        }

        #[test]
        fn plain_texts_mean_what_they_say(whole in 0_i64..2_000_000_000_000, decimals in "[0-9]{0,6}", currency in currency()) {
            let exponent = usize::from(currency.exponent());
            let text = if decimals.is_empty() { whole.to_string() } else { format!("{whole}.{decimals}") };
            let read = Money::from_decimal_text(&text, currency).map(Money::minor);
            if decimals.len() > exponent {
                prop_assert_eq!(read, Err(MoneyError::TooManyDecimals { currency }));
            } else {
                let value = padded(&text, exponent);
                let expected = i64::try_from(value).ok().filter(|minor| *minor <= AMOUNT_MINOR_MAX).ok_or(MoneyError::OutOfRange);
                prop_assert_eq!(read, expected);
            }
        }

        #[test]
        fn an_exponent_moves_the_point(minor in 1..=AMOUNT_MINOR_MAX, shift in 0_usize..=8, currency in currency()) {
            // The same value written with all its digits and a negative exponent, and with zeros cut off.
            let scale = usize::from(currency.exponent()) + shift;
            let text = format!("{minor}{}e-{scale}", "0".repeat(shift));
            prop_assert_eq!(Money::from_decimal_text(&text, currency), Ok(Money::new(minor, currency)));
            let digits = minor.to_string();
            let short = digits.trim_end_matches('0');
            let power = i64::try_from(digits.len() - short.len()).expect("small") - i64::from(currency.exponent());
            prop_assert_eq!(Money::from_decimal_text(&format!("{short}E{power:+}"), currency), Ok(Money::new(minor, currency)));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}", currency in currency()) {
            let _ = Money::from_decimal_text(&text, currency);
        }

        #[test]
        fn no_number_makes_it_panic(text in "-?[0-9.eE+-]{0,33}", currency in currency()) {
            let read = Money::from_decimal_text(&text, currency);
            if text.len() > AMOUNT_TEXT_CHARS_MAX {
                prop_assert_eq!(read, Err(MoneyError::TextTooLong));
            }
        }

        #[test]
        fn sums_are_exact_or_refused(a in any::<i64>(), b in any::<i64>()) {
            let (a_eur, b_eur) = (Money::new(a, Currency::EUR), Money::new(b, Currency::EUR));
            prop_assert_eq!(a_eur.plus(b_eur).ok().map(Money::minor), a.checked_add(b));
            prop_assert_eq!(a_eur.minus(b_eur).ok().map(Money::minor), a.checked_sub(b));
            let yen = Money::new(b, Currency::JPY);
            prop_assert_eq!(a_eur.plus(yen), Err(MoneyError::OtherCurrency { expected: Currency::EUR }));
        }
    }

    #[test]
    fn grammar_is_that_of_json() {
        let good = [
            ("0", 0),
            ("-0", 0),
            ("-0.00", 0),
            ("0.01", 1),
            ("9.99", 999),
            ("520", 52_000),
            ("1e3", 100_000),
            ("1.50E1", 1_500),
            ("1.500e0", 150),
            ("1E+2", 10_000),
            ("100e-4", 1),
            ("-12.5", -1_250),
            ("0e400", 0),
            ("0.000e-9", 0),
            ("1e-2", 1),
            ("10000000000", AMOUNT_MINOR_MAX),
            ("10000000000.00", AMOUNT_MINOR_MAX),
            ("0e99999999999999999999999999999", 0),
        ];
        for (text, minor) in good {
            assert_eq!(eur(text), Ok(minor), "{text}");
        }
        let not_numbers = [
            "",
            "-",
            "+1",
            "01",
            "-01",
            "1.",
            ".5",
            "1e",
            "1e+",
            "1.e3",
            "NaN",
            "Infinity",
            "-Infinity",
            "0x10",
            "1 ",
            " 1",
            "1,5",
            "1_000",
            "--1",
            "1e1.5",
            "1ee3",
            "\u{661}",
            "null",
            "\"1\"",
            "1.2.3",
            "e3",
        ];
        for text in not_numbers {
            assert_eq!(eur(text), Err(MoneyError::NotANumber), "{text}");
        }
    }

    #[test]
    fn decimals_and_range_are_refused() {
        let too_many = Err(MoneyError::TooManyDecimals { currency: Currency::EUR });
        for text in ["1.999", "1.500", "0.000", "1e-3", "1.05e-1", "1e-400", "1e-99999999999999999999999999999"] {
            assert_eq!(eur(text), too_many, "{text}");
        }
        let largest = [
            "10000000000.01",
            "1e400",
            "-1e400",
            "1e99999999999999999999999999999",
            "9223372036854775807",
            "9999999999999999999",
        ];
        for text in largest {
            assert_eq!(eur(text), Err(MoneyError::OutOfRange), "{text}");
        }
        assert_eq!(eur("99999999999999999999999999999999"), Err(MoneyError::OutOfRange)); // 32 characters
        assert_eq!(eur("100000000000000000000000000000000"), Err(MoneyError::TextTooLong));
        assert_eq!(eur("0.0000000000000000000000000000000"), Err(MoneyError::TextTooLong));
        assert_eq!(Money::from_decimal_text("1.0", Currency::JPY), Err(MoneyError::TooManyDecimals { currency: Currency::JPY }));
        assert_eq!(Money::from_decimal_text("1.5e1", Currency::JPY), Ok(Money::new(15, Currency::JPY)));
    }

    #[test]
    fn amounts_are_shown() {
        let shown = [
            (1_250, Currency::EUR, "12.50 EUR", "12.5"),
            (52_000, Currency::EUR, "520.00 EUR", "520"),
            (-5, Currency::EUR, "-0.05 EUR", "-0.05"),
            (0, Currency::EUR, "0.00 EUR", "0"),
            (520, Currency::JPY, "520 JPY", "520"),
            (1_005, Currency::KWD, "1.005 KWD", "1.005"),
            (i64::MIN, Currency::EUR, "-92233720368547758.08 EUR", "-92233720368547758.08"),
        ];
        for (minor, currency, long, short) in shown {
            let money = Money::new(minor, currency);
            assert_eq!((money.to_string().as_str(), money.to_decimal_text().as_str()), (long, short));
        }
    }
}
