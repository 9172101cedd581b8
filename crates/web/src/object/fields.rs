//! What single fields of bodies can be.

use std::sync::Arc;

use kernel::json::{Node, Value};
use kernel::money::AMOUNT_TEXT_CHARS_MAX;
use kernel::{AccountId, Country, Currency, Money, contains_card_number, text};
use serde::Serialize;
use serde_json::value::RawValue;
use url::Url;
use utoipa::openapi::schema::{ArrayBuilder, KnownFormat, SchemaFormat, SchemaType};
use utoipa::openapi::{ObjectBuilder, Ref, RefOr, Schema, Type};

use super::{Components, Field, Reader, Refusals};
use crate::envelope::Code;

/// A text of `MIN` to `MAX` Unicode scalars without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Text<const MIN: usize, const MAX: usize>(pub Arc<str>);

impl<const MIN: usize, const MAX: usize> Field for Text<MIN, MAX> {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let found = reader.text(value)?;
        match text::check(found, MIN..=MAX) {
            Ok(()) => Some(Text(found.into())),
            Err(error) => reader.invalid(error),
        }
    }

    fn property() -> RefOr<Schema> {
        string().min_length(Some(MIN)).max_length(Some(MAX)).build().into()
    }
}

/// A text of `MIN` to `MAX` Unicode scalars that is kept and shown, so it must not contain a card number (payments
/// specification, section 6.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Prose<const MIN: usize, const MAX: usize>(pub Arc<str>);

impl<const MIN: usize, const MAX: usize> Field for Prose<MIN, MAX> {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let Text(found) = Text::<MIN, MAX>::read(value, reader)?;
        if contains_card_number(&found) { reader.invalid(CARD_NUMBER) } else { Some(Prose(found)) }
    }

    fn property() -> RefOr<Schema> {
        Text::<MIN, MAX>::property()
    }
}

/// What is said of a card number where none belongs.
const CARD_NUMBER: &str = "must not contain a card number";

/// An address of the web, `http` or `https`, up to `MAX` characters. It is kept and shown, never fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Link<const MAX: usize>(pub Arc<str>);

impl<const MAX: usize> Field for Link<MAX> {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let Text(found) = Text::<3, MAX>::read(value, reader)?;
        // The case of a scheme does not count (RFC 3986, section 3.1).
        let of_the_web = |scheme: &str| scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
        let rest = found.split_once("://").and_then(|(scheme, rest)| of_the_web(scheme).then_some(rest));
        let names_a_host = rest.is_some_and(|rest| rest.starts_with(|first: char| first.is_alphanumeric() || first == '['));
        // A browser mends much of what is wrong with an address; what it cannot read is refused here, not met by a payer.
        if names_a_host && !found.contains(char::is_whitespace) && Url::parse(&found).is_ok() {
            Some(Link(found))
        } else {
            reader.invalid("must be an http or https address")
        }
    }

    fn property() -> RefOr<Schema> {
        string().format(Some(SchemaFormat::Custom("uri".to_owned()))).max_length(Some(MAX)).build().into()
    }
}

/// An address of the web that is shown to others as it is, so it must not contain a card number either.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Shown<const MAX: usize>(pub Arc<str>);

impl<const MAX: usize> Field for Shown<MAX> {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let Link(found) = Link::<MAX>::read(value, reader)?;
        if contains_card_number(&found) { reader.invalid(CARD_NUMBER) } else { Some(Shown(found)) }
    }

    fn property() -> RefOr<Schema> {
        Link::<MAX>::property()
    }
}

/// A string of `MIN` to `MAX` decimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Digits<const MIN: usize, const MAX: usize>(pub Arc<str>);

impl<const MIN: usize, const MAX: usize> Field for Digits<MIN, MAX> {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let found = reader.text(value)?;
        if (MIN..=MAX).contains(&found.len()) && found.bytes().all(|byte| byte.is_ascii_digit()) {
            Some(Digits(found.into()))
        } else {
            reader.invalid(format_args!("must be a string of {MIN} to {MAX} digits"))
        }
    }

    fn property() -> RefOr<Schema> {
        string().pattern(Some(format!("^[0-9]{{{MIN},{MAX}}}$"))).build().into()
    }
}

/// A whole number from `MIN` to `MAX`, written without fraction and exponent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Whole<const MIN: i64, const MAX: i64>(pub i64);

impl<const MIN: i64, const MAX: i64> Field for Whole<MIN, MAX> {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let found = match &value.node {
            Node::Number(text) => text.parse().ok().filter(|number| (MIN..=MAX).contains(number)),
            _ => None,
        };
        match found {
            Some(number) => Some(Whole(number)),
            None => reader.invalid(format_args!("must be a whole number from {MIN} to {MAX}")),
        }
    }

    fn property() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(MIN)).maximum(Some(MAX)).build().into()
    }
}

impl Field for bool {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        match value.node {
            Node::Bool(is) => Some(is),
            _ => reader.invalid("must be true or false"),
        }
    }

    fn property() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Boolean).build().into()
    }
}

/// The id of the account whose key is used; another's is refused as one that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account(pub AccountId);

impl Field for Account {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let found = reader.text(value)?.parse::<AccountId>().ok();
        let own = found.filter(|id| reader.account() == Some(*id));
        if own.is_none() {
            reader.wrong(Code::InvalidAccountId, "must be the account of the access key");
        }
        own.map(Account)
    }

    fn property() -> RefOr<Schema> {
        string().format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid))).build().into()
    }

    fn refusals(into: &mut Refusals) {
        into.push((Code::InvalidAccountId, "`account_id` is not the account of the key."));
    }
}

/// An ISO 3166-1 alpha-2 country code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Land(pub Country);

impl Field for Land {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let found = Country::parse(reader.text(value)?);
        if found.is_none() {
            reader.wrong(Code::CountryNotSupported, "must be a country code of ISO 3166-1 alpha-2");
        }
        found.map(Land)
    }

    fn property() -> RefOr<Schema> {
        string().pattern(Some("^[A-Z]{2}$")).examples(["FR"]).build().into()
    }

    fn refusals(into: &mut Refusals) {
        into.push((Code::CountryNotSupported, "A country is none of ISO 3166-1."));
    }
}

/// An ISO 4217 currency code.
struct Coin(Currency);

impl Field for Coin {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let found = Currency::parse(reader.text(value)?);
        if found.is_none() {
            reader.wrong(Code::CurrencyNotAllowed, "must be a currency code of ISO 4217");
        }
        found.map(Coin)
    }

    fn property() -> RefOr<Schema> {
        string().pattern(Some("^[A-Z]{3}$")).examples(["EUR"]).build().into()
    }
}

/// The text of a number, before its currency says how many decimals it may have.
struct Number(String);

impl Field for Number {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        match value.node {
            // One character more than allowed is enough to be refused for it later.
            Node::Number(text) => Some(Number(text.chars().take(AMOUNT_TEXT_CHARS_MAX + 1).collect())),
            _ => reader.invalid("must be a number"),
        }
    }

    fn property() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Number).examples([serde_json::json!(520)]).build().into()
    }
}

/// `{currency, value}` with the value in major units; never negative. Zero is read, whether it is allowed is the body's rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Amount(pub Money);

impl Field for Amount {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let members = reader.object(value)?;
        let coin: Option<Coin> = reader.member(members, "currency", Coin::absent);
        let number: Option<Number> = match members.get("value") {
            // Payments specification, section 2.0: of an amount, null is a wrong value rather than none.
            Some(value) if value.node == Node::Null => reader.inside("value", |reader| reader.invalid("must be a number")),
            _ => reader.member(members, "value", Number::absent),
        };
        let (Coin(currency), Number(text)) = (coin?, number?);
        reader.inside("value", |reader| {
            match Money::from_decimal_text(&text, currency) {
                Ok(money) if money.minor() >= 0 => return Some(Amount(money)),
                Ok(_) => reader.wrong(Code::InvalidAmount, "must not be negative"),
                Err(error) => reader.wrong(Code::InvalidAmount, error),
            }
            None
        })
    }

    fn property() -> RefOr<Schema> {
        Ref::from_schema_name("Amount").into()
    }

    fn components(into: &mut Components) {
        if into.iter().all(|(name, _)| name != "Amount") {
            let schema = ObjectBuilder::new()
                .description(Some(
                    "An amount of money. Its value is a number in major units, read from its decimal text, exactly.",
                ))
                .property("currency", Coin::property())
                .property("value", Number::property())
                .required("currency")
                .required("value");
            into.push(("Amount".to_owned(), schema.build().into()));
        }
    }

    fn refusals(into: &mut Refusals) {
        into.push((Code::CurrencyNotAllowed, "A currency is none of ISO 4217."));
        into.push((Code::InvalidAmount, "An amount is negative, too large, or has more decimals than its currency."));
    }
}

/// At least `MIN` and at most `MAX` of something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Items<T, const MAX: usize, const MIN: usize = 0>(pub Vec<T>);

impl<T: Field, const MAX: usize, const MIN: usize> Field for Items<T, MAX, MIN> {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let Node::List(items) = &value.node else { return reader.invalid("must be a list") };
        if items.len() > MAX {
            return reader.invalid(format_args!("must have at most {MAX} items"));
        }
        if items.len() < MIN {
            return reader.invalid(format_args!("must have {MIN} to {MAX} items"));
        }
        // All items are read before the first bad one ends it, so that each bad one is named.
        let read: Vec<Option<T>> =
            items.iter().enumerate().map(|(at, item)| reader.at_item(at, |reader| T::read(item, reader))).collect();
        read.into_iter().collect::<Option<Vec<T>>>().map(Items)
    }

    fn property() -> RefOr<Schema> {
        let least = Some(MIN).filter(|min| *min > 0);
        ArrayBuilder::new().items(T::property()).min_items(least).max_items(Some(MAX)).build().into()
    }

    fn components(into: &mut Components) {
        T::components(into);
    }

    fn refusals(into: &mut Refusals) {
        T::refusals(into);
    }
}

/// Any value, kept as it was sent and given back unchanged; at most `BYTES_MAX` bytes, without card numbers and control
/// characters at any depth.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub(crate) struct Echo<const BYTES_MAX: usize>(pub Box<RawValue>);

impl<const BYTES_MAX: usize> Field for Echo<BYTES_MAX> {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        if value.raw.len() > BYTES_MAX {
            return reader.invalid(format_args!("must have at most {BYTES_MAX} bytes"));
        }
        match harm(value) {
            Some(what) => reader.invalid(what),
            None => Some(Echo(RawValue::from_string(value.raw.to_owned()).expect("the reader has just read it as JSON"))),
        }
    }

    fn property() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(SchemaType::AnyValue).build().into()
    }
}

/// What must not be kept of a value, if anything.
fn harm(value: &Value<'_>) -> Option<&'static str> {
    let of_text = |found: &str| {
        if text::has_control_character(found) {
            Some("must not contain control characters")
        } else {
            contains_card_number(found).then_some(CARD_NUMBER)
        }
    };
    match &value.node {
        Node::Null | Node::Bool(_) => None,
        Node::Number(digits) => contains_card_number(digits).then_some(CARD_NUMBER),
        Node::Text(found) => of_text(found),
        Node::List(items) => items.iter().find_map(harm),
        Node::Object(members) => members.iter().find_map(|(name, value)| of_text(name).or_else(|| harm(value))),
    }
}

/// The beginning of a string's schema.
pub(crate) fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads one value and says what was wrong, empty when it is good.
    fn judged<T: Field>(json: &str) -> String {
        let mut reader = Reader::new(None);
        let value = kernel::json::read(json.as_bytes()).expect("valid");
        let read = T::read(&value, &mut reader);
        let faults: Vec<_> = reader.faults.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(read.is_some(), faults.is_empty());
        faults.join("; ")
    }

    #[test]
    fn texts() {
        assert_eq!(judged::<Text<1, 3>>(r#""été""#), "");
        assert_eq!(judged::<Text<1, 3>>(r#""étés""#), "body: must have at most 3 characters");
        assert_eq!(judged::<Text<1, 3>>(r#""a\u0000""#), "body: must not contain control characters");
        assert_eq!(judged::<Text<1, 30>>(r#""4507990000000002""#), "");
        assert_eq!(judged::<Prose<1, 30>>(r#""my 4507 9900 0000 0002""#), "body: must not contain a card number");
        assert_eq!(judged::<Digits<1, 3>>(r#""33""#), "");
        assert_eq!(judged::<Digits<1, 3>>(r#""+33""#), "body: must be a string of 1 to 3 digits");
    }

    #[test]
    fn links() {
        assert_eq!(judged::<Link<526>>(r#""https://shop.example/back?x=1""#), "");
        assert_eq!(judged::<Link<526>>(r#""http://[::1]/""#), "");
        assert_eq!(judged::<Link<526>>(r#""HTTPS://Shop.Example/back""#), "");
        for bad in [
            "javascript:alert(1)",
            "ftp://a.b",
            "https://",
            "https:///x",
            "http://a b",
            "//a.b",
            "https://[::1/x",
            "https://a:99999/",
        ] {
            assert_eq!(judged::<Link<526>>(&format!("\"{bad}\"")), "body: must be an http or https address", "{bad}");
            assert_eq!(judged::<Shown<526>>(&format!("\"{bad}\"")), "body: must be an http or https address", "{bad}");
        }
        assert_eq!(judged::<Link<526>>(r#""https://a.example/?c=4507990000000002""#), "");
        assert_eq!(judged::<Shown<526>>(r#""https://a.example/?c=6A12345678901""#), "");
        assert_eq!(judged::<Shown<526>>(r#""https://a.example/?c=4507990000000002""#), "body: must not contain a card number");
    }

    #[test]
    fn lists_have_their_bounds() {
        assert_eq!(judged::<Items<bool, 2, 1>>("[true]"), "");
        assert_eq!(judged::<Items<bool, 2, 1>>("[]"), "body: must have 1 to 2 items");
        assert_eq!(judged::<Items<bool, 2>>("[]"), "");
        assert_eq!(judged::<Items<bool, 2>>("[true,true,true]"), "body: must have at most 2 items");
        let schema = |of: RefOr<Schema>| serde_json::to_value(of).expect("a schema")["minItems"].clone();
        assert_eq!(schema(Items::<bool, 2, 1>::property()), 1);
        assert!(schema(Items::<bool, 2>::property()).is_null());
    }

    #[test]
    fn numbers_are_whole_or_refused() {
        assert_eq!(judged::<Whole<0, 50>>("50"), "");
        for bad in ["51", "-1", "1.0", "1e1", "\"1\"", "99999999999999999999", "true"] {
            assert_eq!(judged::<Whole<0, 50>>(bad), "body: must be a whole number from 0 to 50", "{bad}");
        }
    }

    #[test]
    fn echoes_hide_no_card_number_at_any_depth() {
        assert_eq!(judged::<Echo<100>>(r#"{"a":[1,{"b":"2026"}]}"#), "");
        for bad in [
            r#"{"a":[{"b":"4507990000000002"}]}"#,
            "[4507990000000002]",
            r#"{"4507990000000002":0}"#,
            r#""45079900\u003000000002""#,
        ] {
            assert_eq!(judged::<Echo<100>>(bad), "body: must not contain a card number", "{bad}");
        }
        assert_eq!(judged::<Echo<100>>(r#"["\n"]"#), "body: must not contain control characters");
        assert_eq!(judged::<Echo<3>>("[10]"), "body: must have at most 3 bytes");
    }
}
