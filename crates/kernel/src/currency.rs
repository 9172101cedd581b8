//! Currencies of ISO 4217 that have minor units.

use std::fmt;
use std::str::FromStr;

use iso_currency::Currency as Iso;
use serde::{Serialize, Serializer};
use thiserror::Error;

/// A currency of ISO 4217 with an exponent; metals, test codes and "no currency" (XAU, XTS, XXX) are none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency(Iso);

/// Currencies the list we build on still has, which ISO 4217 withdrew (list three, up to the euro in Bulgaria on 1 January 2026).
const WITHDRAWN: [Iso; 5] = [Iso::BGN, Iso::CUC, Iso::HRK, Iso::SLL, Iso::ZWL];

/// The text is not the upper-case code of a currency with minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a currency code of ISO 4217")]
pub struct CurrencyError;

impl Currency {
    /// Swiss franc.
    pub const CHF: Currency = Currency(Iso::CHF);
    /// Euro.
    pub const EUR: Currency = Currency(Iso::EUR);
    /// Pound sterling.
    pub const GBP: Currency = Currency(Iso::GBP);
    /// Yen, which has no minor unit.
    pub const JPY: Currency = Currency(Iso::JPY);
    /// Kuwaiti dinar, which has 1000 minor units.
    pub const KWD: Currency = Currency(Iso::KWD);
    /// Norwegian krone.
    pub const NOK: Currency = Currency(Iso::NOK);
    /// US dollar.
    pub const USD: Currency = Currency(Iso::USD);

    /// The currency with this three-letter code, upper case only. One that is not paid with any more is none.
    pub fn parse(code: &str) -> Option<Currency> {
        Iso::from_code(code).filter(|iso| !WITHDRAWN.contains(iso)).and_then(Currency::of)
    }

    /// The currency with this three-digit code of ISO 4217.
    pub fn from_numeric(numeric: u16) -> Option<Currency> {
        Iso::from_numeric(numeric).and_then(Currency::of)
    }

    fn of(iso: Iso) -> Option<Currency> {
        iso.exponent().map(|_| Currency(iso))
    }

    /// The three-letter code.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// The three-digit code, which is how currencies are stored.
    pub fn numeric(self) -> u16 {
        self.0.numeric()
    }

    /// How many decimals the currency has: 0 to 4.
    pub fn exponent(self) -> u8 {
        self.0.exponent().and_then(|exponent| u8::try_from(exponent).ok()).expect("checked when the value was made")
    }

    /// All currencies that are paid with, by code.
    pub fn all() -> impl Iterator<Item = Currency> {
        <Iso as iso_currency::IntoEnumIterator>::iter().filter(|iso| !WITHDRAWN.contains(iso)).filter_map(Currency::of)
    }
}

impl FromStr for Currency {
    type Err = CurrencyError;

    fn from_str(code: &str) -> Result<Currency, CurrencyError> {
        Currency::parse(code).ok_or(CurrencyError)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_paid_with_any_more_is_not_asked_for_and_still_read() {
        for iso in WITHDRAWN {
            assert_eq!(Currency::parse(iso.code()), None);
            assert_eq!(Currency::from_numeric(iso.numeric()).map(Currency::code), Some(iso.code()));
        }
    }

    #[test]
    fn codes_exponents_and_numbers() {
        let known = [("EUR", 2, 978), ("JPY", 0, 392), ("KWD", 3, 414), ("CLF", 4, 990), ("ISK", 0, 352), ("NOK", 2, 578)];
        for (code, exponent, numeric) in known {
            let currency = Currency::parse(code).expect("a currency");
            assert_eq!((currency.code(), currency.exponent(), currency.numeric()), (code, exponent, numeric));
        }
        for code in ["eur", "EU", "EURO", "XXX", "XTS", "XAU", "", "ÉUR"] {
            assert_eq!(Currency::parse(code), None, "{code}");
        }
    }

    #[test]
    fn every_currency_is_found_by_code_and_number_and_has_0_to_4_decimals() {
        assert!(Currency::all().count() > 150);
        for currency in Currency::all() {
            assert_eq!(Currency::parse(currency.code()), Some(currency));
            assert_eq!(Currency::from_numeric(currency.numeric()), Some(currency));
            assert!(currency.exponent() <= 4);
        }
    }
}
