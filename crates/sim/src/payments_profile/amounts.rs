//! Amounts as they stand on the wire, from and to minor units, without a float.

use kernel::Currency;
use serde_json::Value;

/// A JSON number of major units.
///
/// # Panics
/// Never: it is built of digits.
pub fn wire(minor: i64, currency: Currency) -> Value {
    let exponent = usize::from(currency.exponent());
    let digits = format!("{:0>width$}", minor.unsigned_abs(), width = exponent + 1);
    let (whole, part) = digits.split_at(digits.len() - exponent);
    let sign = if minor < 0 { "-" } else { "" };
    let text = if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") };
    serde_json::from_str(&text).expect("digits with a point are a number")
}

/// Minor units of a JSON number; `None` when it is none, or has too many decimals.
pub fn minor(value: &Value, currency: Currency) -> Option<i64> {
    let text = value.as_number()?.to_string();
    let (sign, digits) = text.strip_prefix('-').map_or((1, text.as_str()), |digits| (-1, digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let part = part.trim_end_matches('0');
    let exponent = usize::from(currency.exponent());
    if part.len() > exponent {
        return None;
    }
    format!("{whole}{part:0<exponent$}").parse::<i64>().ok().map(|minor| sign * minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_go_there_and_back() {
        for (units, currency, text) in [
            (1_999, Currency::EUR, "19.99"),
            (500, Currency::JPY, "500"),
            (1_005, Currency::KWD, "1.005"),
            (-3, Currency::EUR, "-0.03"),
            (0, Currency::EUR, "0.0"),
        ] {
            let value = wire(units, currency);
            assert_eq!((value.to_string().as_str(), minor(&value, currency)), (text, Some(units)));
        }
        assert_eq!(minor(&serde_json::json!("1"), Currency::EUR), None);
        assert_eq!(minor(&serde_json::json!(1.234), Currency::EUR), None);
    }
}
