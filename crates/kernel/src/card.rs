//! Card data as the payer types it. Numbers and codes are masked in `Debug` and wiped when dropped.

use std::fmt;

use thiserror::Error;
use zeroize::Zeroize;

use crate::time::Timestamp;

/// Fewest digits of a card number (payments family, section 2.0).
pub const CARD_NUMBER_DIGITS_MIN: usize = 8;
/// Most digits of a card number (ISO/IEC 7812-1).
pub const CARD_NUMBER_DIGITS_MAX: usize = 19;
/// The fewest digits that are taken for a card number in free text.
pub const FOUND_NUMBER_DIGITS_MIN: usize = 13;

/// Why card data is refused; never says what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CardError {
    /// Not 8 to 19 digits.
    #[error("a card number has 8 to 19 digits")]
    Number,
    /// Not a month of a year.
    #[error("an expiry is a month from 1 to 12 and a year of 2 or 4 digits")]
    Expiry,
    /// Not 3 or 4 digits.
    #[error("a security code has 3 or 4 digits")]
    SecurityCode,
}

/// A card number (PAN).
#[derive(Clone)]
pub struct CardNumber {
    digits: [u8; CARD_NUMBER_DIGITS_MAX],
    len: u8,
}

impl CardNumber {
    /// Reads 8 to 19 digits; spaces are skipped. Whether the check digit is right is [`CardNumber::luhn`]'s answer.
    ///
    /// # Errors
    /// [`CardError::Number`].
    pub fn parse(text: &str) -> Result<CardNumber, CardError> {
        let mut number = CardNumber { digits: [b'0'; CARD_NUMBER_DIGITS_MAX], len: 0 };
        for byte in text.bytes().filter(|byte| *byte != b' ') {
            let place = number.digits.get_mut(usize::from(number.len)).ok_or(CardError::Number)?;
            if !byte.is_ascii_digit() {
                return Err(CardError::Number);
            }
            *place = byte;
            number.len += 1;
        }
        if number.len() < CARD_NUMBER_DIGITS_MIN { Err(CardError::Number) } else { Ok(number) }
    }

    /// All digits; only for the acquirer, never to be logged, shown or stored in clear.
    pub fn expose(&self) -> &str {
        std::str::from_utf8(&self.digits[..self.len()]).expect("digits are ASCII")
    }

    /// How many digits it has: 8 to 19.
    #[expect(clippy::len_without_is_empty, reason = "a card number is never empty")]
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether the check digit is right (Luhn, ISO/IEC 7812-1 annex B).
    pub fn luhn(&self) -> bool {
        luhn(&self.digits[..self.len()])
    }

    /// The brand that owns the number's range.
    pub fn brand(&self) -> Brand {
        Brand::of(&self.digits[..self.len()])
    }

    /// The first 8 digits, or 6 when there are fewer than 16: what may be shown and stored of the beginning. Of a short number fewer, so
    /// that together with the last four two digits at least stay hidden.
    pub fn iin(&self) -> &str {
        let usual = if self.len() < 16 { 6 } else { 8 };
        &self.expose()[..usual.min(self.len() - 6)]
    }

    /// The last 4 digits: what may be shown and stored of the end.
    pub fn last4(&self) -> &str {
        &self.expose()[self.len() - 4..]
    }
}

impl Drop for CardNumber {
    fn drop(&mut self) {
        self.digits.zeroize();
    }
}

impl fmt::Debug for CardNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CardNumber(****{})", self.last4())
    }
}

/// Whether a row of ASCII digits has the right check digit.
fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (u32::from(digit - b'0'), place % 2) {
            (digit, 0) => digit,
            (digit, _) => digit * 2 / 10 + digit * 2 % 10,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Declares the brands with their stored code and public name.
macro_rules! brands {
    ($($(#[$doc:meta])* $brand:ident = $code:literal $name:literal,)+) => {
        /// A card brand.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Brand { $($(#[$doc])* $brand,)+ }

        impl Brand {
            /// All brands.
            pub const ALL: &'static [Brand] = &[$(Brand::$brand),+];

            /// The number under which it is stored; never changed.
            pub const fn code(self) -> i64 {
                match self { $(Brand::$brand => $code,)+ }
            }

            /// The brand of a stored number.
            pub const fn from_code(code: i64) -> Option<Brand> {
                match code { $($code => Some(Brand::$brand),)+ _ => None }
            }

            /// The public name, upper case.
            pub const fn name(self) -> &'static str {
                match self { $(Brand::$brand => $name,)+ }
            }
        }
    };
}

brands! {
    /// None of the others.
    Unknown = 0 "UNKNOWN",
    /// Visa.
    Visa = 1 "VISA",
    /// Mastercard.
    Mastercard = 2 "MASTERCARD",
    /// American Express.
    Amex = 3 "AMEX",
    /// Diners Club.
    Diners = 4 "DINERS",
    /// Discover.
    Discover = 5 "DISCOVER",
    /// JCB.
    Jcb = 6 "JCB",
}

impl Brand {
    /// By the first four digits, the ranges that the brands publish.
    fn of(digits: &[u8]) -> Brand {
        let first4 = digits[..4].iter().fold(0, |sum: u32, digit| sum * 10 + u32::from(digit - b'0'));
        match first4 {
            4000..=4999 => Brand::Visa,
            2221..=2720 | 5100..=5599 => Brand::Mastercard,
            3400..=3499 | 3700..=3799 => Brand::Amex,
            3000..=3059 | 3095 | 3600..=3699 | 3800..=3999 => Brand::Diners,
            6011 | 6440..=6499 | 6500..=6599 => Brand::Discover,
            3528..=3589 => Brand::Jcb,
            _ => Brand::Unknown,
        }
    }
}

impl fmt::Display for Brand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The month with which a card ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CardExpiry {
    year: u16,
    month: u8,
}

impl CardExpiry {
    /// Takes a month and a year of four digits, or of two, which are taken for this century.
    ///
    /// # Errors
    /// [`CardError::Expiry`].
    pub fn new(month: i64, year: i64) -> Result<CardExpiry, CardError> {
        let year = match year {
            0..=99 => year + 2_000,
            1_000..=9_999 => year,
            _ => return Err(CardError::Expiry),
        };
        match (u8::try_from(month), u16::try_from(year)) {
            (Ok(month @ 1..=12), Ok(year)) => Ok(CardExpiry { year, month }),
            _ => Err(CardError::Expiry),
        }
    }

    /// 1 to 12.
    pub fn month(self) -> u8 {
        self.month
    }

    /// Four digits.
    pub fn year(self) -> u16 {
        self.year
    }

    /// Whether the whole month is over, in UTC.
    pub fn is_past(self, now: Timestamp) -> bool {
        let (year, month, _) = now.date();
        (self.year, self.month) < (year, month)
    }
}

/// The code printed on a card (CVV). Kept no longer than the authorisation takes, never stored.
#[derive(Clone)]
pub struct SecurityCode {
    digits: [u8; 4],
    len: u8,
}

impl SecurityCode {
    /// Reads 3 or 4 digits.
    ///
    /// # Errors
    /// [`CardError::SecurityCode`].
    pub fn parse(text: &str) -> Result<SecurityCode, CardError> {
        if !matches!(text.len(), 3 | 4) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(CardError::SecurityCode);
        }
        let mut digits = [0; 4];
        digits[..text.len()].copy_from_slice(text.as_bytes());
        Ok(SecurityCode { digits, len: u8::try_from(text.len()).expect("3 or 4") })
    }

    /// The digits; only for the acquirer.
    pub fn expose(&self) -> &str {
        std::str::from_utf8(&self.digits[..self.len()]).expect("digits are ASCII")
    }

    /// How many digits it has: 3 or 4.
    #[expect(clippy::len_without_is_empty, reason = "a security code is never empty")]
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }
}

impl Drop for SecurityCode {
    fn drop(&mut self) {
        self.digits.zeroize();
    }
}

impl fmt::Debug for SecurityCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecurityCode(***)")
    }
}

/// Whether free text contains what looks like a card number: a number of 13 to 19 digits with a right check digit,
/// written in one piece or in groups with single spaces or dashes between them.
///
/// A hyphenated UUID is not looked into: its groups can be digits by chance, and ids are what merchants send most.
pub fn contains_card_number(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_alphanumeric() {
            at += 1;
        } else if let Some(uuid) = text.get(at..at + 36).filter(|part| is_uuid(part)) {
            at += uuid.len();
        } else if bytes[at].is_ascii_digit() && card_number_starts(&bytes[at..]) {
            return true;
        } else {
            at += group_len(&bytes[at..]).max(1);
        }
    }
    false
}

/// Whether 36 characters are a hyphenated UUID, in either case.
fn is_uuid(text: &str) -> bool {
    uuid::Uuid::try_parse(text).is_ok()
}

/// The digits at the beginning.
fn group_len(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Whether the group of digits at the beginning, alone or with the groups after it, is a card number.
fn card_number_starts(text: &[u8]) -> bool {
    let mut digits = [0; CARD_NUMBER_DIGITS_MAX];
    let (mut len, mut at) = (0, 0);
    loop {
        let group = group_len(&text[at..]);
        if group == 0 || len + group > digits.len() {
            return false;
        }
        digits[len..len + group].copy_from_slice(&text[at..at + group]);
        (len, at) = (len + group, at + group);
        if len >= FOUND_NUMBER_DIGITS_MIN && luhn(&digits[..len]) {
            return true;
        }
        if !matches!(text.get(at), Some(b' ' | b'-')) {
            return false;
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Digits with a right check digit, the last one.
    fn with_check_digit(mut digits: String) -> String {
        for check in '0'..='9' {
            digits.push(check);
            if luhn(digits.as_bytes()) {
                return digits;
            }
            digits.pop();
        }
        unreachable!("one of ten check digits is right")
    }

    proptest! {
        #[test]
        fn a_card_number_is_found_in_text_however_it_is_grouped(
            digits in "[1-9][0-9]{11,17}", gaps in proptest::collection::vec(0_u8..3, 19), before in "[a-z ]{0,8}[^0-9a-fA-F -]?", after in "[^0-9]?[a-z ]{0,8}",
        ) {
            let card = with_check_digit(digits);
            let mut written = String::new();
            for (place, digit) in card.chars().enumerate() {
                match gaps[place] {
                    1 if place > 0 => written.push(' '),
                    2 if place > 0 => written.push('-'),
                    _ => {}
                }
                written.push(digit);
            }
            let text = format!("{before}{written}{after}");
            prop_assert!(contains_card_number(&text), "{}", text);
        }

        #[test]
        fn a_wrong_check_digit_is_not_found(digits in "[1-9][0-9]{11,17}", off in 1_u8..10) {
            let mut card = with_check_digit(digits).into_bytes();
            let last = card.last_mut().expect("not empty");
            *last = b'0' + (*last - b'0' + off) % 10;
            let text = String::from_utf8(card).expect("digits");
            prop_assert!(!contains_card_number(&text), "{}", text);
        }

        #[test]
        fn one_wrong_digit_or_a_swap_of_neighbours_breaks_the_check_digit(digits in "[0-9]{7,18}", at in any::<proptest::sample::Index>()) {
            let card = with_check_digit(digits).into_bytes();
            let at = at.index(card.len() - 1);
            let mut changed = card.clone();
            changed[at] = b'0' + (changed[at] - b'0' + 1) % 10;
            prop_assert!(!luhn(&changed));
            let mut swapped = card.clone();
            swapped.swap(at, at + 1);
            // Luhn's known blind spot: 09 and 90.
            let blind = card[at] == card[at + 1] || matches!((card[at], card[at + 1]), (b'0', b'9') | (b'9', b'0'));
            prop_assert_eq!(luhn(&swapped), blind);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,80}") {
            let _ = contains_card_number(&text);
            let _ = CardNumber::parse(&text);
            let _ = SecurityCode::parse(&text);
        }
    }

    #[test]
    fn free_text_without_card_numbers() {
        let clean = [
            "",
            "order 1001",
            "+33 6 12 34 56 78",
            "2026-01-31T09:08:07.123456Z",
            "450799000000000",
            "4507 9900 0000 0003",
            "4507  9900  0000  0002",
            "45079900000000024507990000000002",
            "00000000-0000-0000-0000-000000000000",
            "id 01934567-8901-7234-8567-890123456782 paid",
            "4507.9900.0000.0002",
        ];
        for text in clean {
            assert!(!contains_card_number(text), "{text}");
        }
        let found = [
            "4507990000000002",
            "pan=4507990000000002;",
            "4507-9900-0000-0002",
            "3700 000000 00002",
            "\u{e9}4507990000000002\u{e9}",
            "12 4507990000000002",
            "a4507990000000002b",
            "4507990000000002 12",
        ];
        for text in found {
            assert!(contains_card_number(text), "{text}");
        }
    }

    #[test]
    fn what_is_shown_of_a_number() {
        let card = CardNumber::parse("4507 9900 0000 0002").expect("a number");
        assert_eq!(
            (card.iin(), card.last4(), card.len(), card.brand(), card.luhn()),
            ("45079900", "0002", 16, Brand::Visa, true)
        );
        assert_eq!(format!("{card:?}"), "CardNumber(****0002)");
        let amex = CardNumber::parse("370000000000002").expect("a number");
        assert_eq!((amex.iin(), amex.brand()), ("370000", Brand::Amex));
        assert_eq!(format!("{:?}", SecurityCode::parse("123").expect("a code")), "SecurityCode(***)");
        for text in
            ["1234567", "12345678901234567890", "4507-9900-0000-0002", "", "450799000000000x", "4507990000000\u{662}\u{662}"]
        {
            assert_eq!(CardNumber::parse(text).err(), Some(CardError::Number), "{text}");
        }
        for text in ["12", "12345", "12a", ""] {
            assert_eq!(SecurityCode::parse(text).err(), Some(CardError::SecurityCode), "{text}");
        }
    }

    #[test]
    fn brands_by_their_ranges() {
        let known = [
            ("4507990000000002", Brand::Visa),
            ("5252440000000003", Brand::Mastercard),
            ("2221000000000009", Brand::Mastercard),
            ("2720990000000007", Brand::Mastercard),
            ("2721000000000004", Brand::Unknown),
            ("340000000000009", Brand::Amex),
            ("30569309025904", Brand::Diners),
            ("36000000000008", Brand::Diners),
            ("6011000000000004", Brand::Discover),
            ("6500000000000002", Brand::Discover),
            ("3530111333300000", Brand::Jcb),
            ("9999999999999995", Brand::Unknown),
        ];
        for (number, brand) in known {
            assert_eq!(CardNumber::parse(number).expect("a number").brand(), brand, "{number}");
        }
        for brand in Brand::ALL {
            assert_eq!(Brand::from_code(brand.code()), Some(*brand));
        }
        assert_eq!(Brand::from_code(99), None);
    }

    #[test]
    fn a_card_lasts_to_the_end_of_its_month() {
        let expiry = CardExpiry::new(2, 28).expect("an expiry");
        assert_eq!((expiry.month(), expiry.year()), (2, 2028));
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        assert!(!expiry.is_past(at("2028-02-29T23:59:59.999999Z")));
        assert!(expiry.is_past(at("2028-03-01T00:00:00Z")));
        assert!(!CardExpiry::new(1, 2030).expect("an expiry").is_past(at("2029-12-01T00:00:00Z")));
        for (month, year) in [(0, 30), (13, 30), (1, 100), (1, 999), (1, 10_000), (-1, 30), (1, -1)] {
            assert_eq!(CardExpiry::new(month, year), Err(CardError::Expiry));
        }
    }
}
