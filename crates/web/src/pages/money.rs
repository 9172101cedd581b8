//! Amounts and cards as pages show them.

use kernel::Money;
use payments::MaskedCard;
use serde::Serialize;

use super::Language;

/// An amount on a page.
#[derive(Serialize)]
pub(crate) struct Amount {
    /// In the reader's way.
    pub value: String,
    /// ISO 4217.
    pub currency: &'static str,
}

/// A card on a page.
#[derive(Serialize)]
pub(crate) struct Card {
    /// As its owner calls it.
    pub brand: &'static str,
    /// The last four digits.
    pub last4: String,
}

/// An amount as people of that language write it: groups of three, all decimals.
pub(crate) fn amount(money: Money, language: Language) -> Amount {
    let plain = money.to_string();
    let digits = plain.split(' ').next().unwrap_or_default();
    let (whole, decimals) = digits.split_once('.').map_or((digits, None), |(whole, decimals)| (whole, Some(decimals)));
    let (group, point) = match language {
        Language::English => (",", "."),
        Language::French | Language::Norwegian => ("\u{a0}", ","),
    };
    let mut value = String::new();
    for (at, digit) in whole.chars().enumerate() {
        let left = whole.len() - at;
        if at > 0 && left.is_multiple_of(3) && !value.ends_with('-') {
            value.push_str(group);
        }
        value.push(digit);
    }
    if let Some(decimals) = decimals {
        value.push_str(point);
        value.push_str(decimals);
    }
    Amount { value, currency: money.currency().code() }
}

/// What is shown of a card.
pub(crate) fn card(face: &MaskedCard<'_>) -> Card {
    card_of(face.brand, face.last4)
}

/// The same, of a brand as the API spells it and the last four digits.
pub(crate) fn card_of(brand_word: &str, last4: &str) -> Card {
    Card { brand: brand(brand_word), last4: last4.to_owned() }
}

fn brand(word: &str) -> &'static str {
    match word {
        "VISA" => "Visa",
        "MASTERCARD" => "Mastercard",
        "AMEX" => "American Express",
        "DINERS" => "Diners Club",
        "DISCOVER" => "Discover",
        "JCB" => "JCB",
        _ => "Card",
    }
}

#[cfg(test)]
mod tests {
    use kernel::Currency;

    use super::*;

    #[test]
    fn amounts_are_written_in_the_readers_way() {
        let shown = |minor, currency, language| amount(Money::new(minor, currency), language).value;
        assert_eq!(shown(123_456_789, Currency::EUR, Language::English), "1,234,567.89");
        assert_eq!(shown(123_450, Currency::EUR, Language::French), "1\u{a0}234,50");
        assert_eq!(shown(520, Currency::JPY, Language::Norwegian), "520");
        assert_eq!(shown(-123_456, Currency::EUR, Language::English), "-1,234.56");
        assert_eq!(shown(-12_345, Currency::EUR, Language::English), "-123.45");
    }
}
