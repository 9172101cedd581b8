//! Parts that several bodies of this family share (payments specification, section 2.0).

use std::borrow::Cow;
use std::sync::Arc;

use kernel::json::Value;
use kernel::time::MICROS_PER_DAY;
use kernel::{CardExpiry, CardNumber, CustomerId, SecurityCode, Timestamp};
use payments::{CardAsk, CardType};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};

use super::details::raw;
use crate::envelope::Code;
use crate::object::{
    Body, Components, Digits, Echo, Field, Items, Land, Prose, Reader, Refusals, Text, Whole, object, string, words,
};

/// Largest document that is echoed unchanged, in bytes.
pub(super) const ECHO_BYTES_MAX: usize = 64 * 1024;

/// A document that comes back unchanged.
pub(super) type Echoed = Echo<ECHO_BYTES_MAX>;
/// A merchant's own name for something.
pub(super) type Reference = Text<3, 255>;

object! {
    /// A card as its holder reads it off. Never stored.
    pub(super) struct CardData {
        /// 8 to 19 digits; spaces are removed.
        number: Number,
        /// The month with which the card ends.
        expiration_month: Whole<1, 12>,
        /// The year with which the card ends, of two or four digits.
        expiration_year: Year,
        /// The three or four digits printed on the card.
        security_code: Option<Code3>,
        /// As embossed.
        holder_name: Prose<3, 26>,
        /// What kind of card it is.
        card_type as "type": Option<CardKind>,
    }
}

words! {
    /// What kind of card it is.
    pub(super) enum CardKind {
        /// Paid later.
        Credit = "CREDIT",
        /// Paid at once.
        Debit = "DEBIT",
    }
}

/// A card number.
#[derive(Debug)]
pub(super) struct Number(pub(super) CardNumber);

impl Field for Number {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        match CardNumber::parse(reader.text(value)?) {
            Ok(number) => Some(Number(number)),
            Err(error) => reader.invalid(error),
        }
    }

    fn property() -> RefOr<Schema> {
        string().pattern(Some("^( *[0-9] *){8,19}$")).examples(["4507990000000002"]).build().into()
    }
}

/// A security code.
#[derive(Debug)]
pub(super) struct Code3(pub(super) SecurityCode);

impl Field for Code3 {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        match SecurityCode::parse(reader.text(value)?) {
            Ok(code) => Some(Code3(code)),
            Err(error) => reader.invalid(error),
        }
    }

    fn property() -> RefOr<Schema> {
        string().pattern(Some("^[0-9]{3,4}$")).examples(["123"]).build().into()
    }
}

/// The earliest year that stands on a card: an earlier one of four digits is a slip.
const YEAR_MIN: i64 = 1_900;

/// A year of two or four digits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Year(pub(super) i64);

impl Field for Year {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let Whole(year) = Whole::<0, 9_999>::read(value, reader)?;
        match year {
            10..=99 | YEAR_MIN..=9_999 => Some(Year(year)),
            _ => reader.invalid("must be a year of two or four digits, as 30 or 2030"),
        }
    }

    fn property() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(10)).maximum(Some(9_999)).examples([2030]).build().into()
    }
}

impl CardData {
    /// The month with which it ends.
    pub(super) fn expiry(&self) -> Option<CardExpiry> {
        CardExpiry::new(self.expiration_month.0, self.expiration_year.0).ok()
    }

    /// The card for the domain; its fingerprint is made with the account's key, once the caller is looked at.
    pub(super) fn ask(self) -> Option<CardAsk> {
        Some(CardAsk {
            expiry: self.expiry()?,
            number: self.number.0,
            security_code: self.security_code.map(|code| code.0),
            holder_name: self.holder_name.0,
            card_type: self.card_type.map(|kind| match kind {
                CardKind::Credit => CardType::Credit,
                CardKind::Debit => CardType::Debit,
            }),
            fingerprint: None,
        })
    }
}

object! {
    /// A postal address.
    #[derive(Serialize)]
    pub(super) struct Address {
        /// Street and number.
        address_line_1: Prose<3, 255>,
        /// What does not fit there.
        address_line_2: Option<Prose<0, 255>>,
        /// Town.
        city: Prose<3, 255>,
        /// ISO 3166-1 alpha-2.
        country: Option<Land>,
        /// State or region.
        state: Option<Prose<0, 255>>,
        /// Postal code.
        zip_code: Option<Text<3, 11>>,
        /// Part of the town.
        neighborhood: Option<Prose<0, 255>>,
    }
}

object! {
    /// A telephone number.
    #[derive(Serialize)]
    pub(super) struct Phone {
        /// Country calling code, without a plus.
        country_code: Option<Digits<1, 3>>,
        /// The rest of it.
        number: Option<Text<1, 32>>,
    }
}

object! {
    /// A paper that says who somebody is.
    #[derive(Serialize)]
    pub(super) struct Document {
        /// Its kind.
        document_type: Option<Text<1, 6>>,
        /// Its number.
        document_number: Option<Text<3, 40>>,
    }
}

words! {
    /// A person's gender; NA not applicable, NK not known, U not said.
    pub(super) enum Gender {
        /// Male.
        Male = "M",
        /// Female.
        Female = "F",
        /// Non-binary.
        NonBinary = "NB",
        /// Not applicable.
        NotApplicable = "NA",
        /// Not known.
        NotKnown = "NK",
        /// Not said.
        Unsaid = "U",
    }
}

/// `2001-02-28`
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub(super) struct Day(std::sync::Arc<str>);

impl Field for Day {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let text = reader.text(value)?;
        // A day is the beginning of a time of that day, whose reader knows the calendar.
        if text.len() == 10 && format!("{text}T00:00:00Z").parse::<Timestamp>().is_ok() {
            Some(Day(text.into()))
        } else {
            reader.invalid("must be a date like 2001-02-28")
        }
    }

    fn property() -> RefOr<Schema> {
        string().pattern(Some("^[0-9]{4}-[0-9]{2}-[0-9]{2}$")).build().into()
    }
}

/// A point in time in RFC 3339; a day alone is its beginning in UTC.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment(pub(super) Timestamp);

/// What is said of a text that is none.
pub(super) const NO_MOMENT: &str = "must be a time like 2026-01-31T09:08:07Z or a date like 2026-01-31";

impl Moment {
    /// The time of a text; of a date alone its beginning.
    pub(super) fn of(text: &str) -> Option<Timestamp> {
        text.parse().ok().or_else(|| midnight(text))
    }

    /// When what a text names is over: a time itself, and a date alone with the day after it.
    pub(super) fn over(text: &str) -> Option<Timestamp> {
        text.parse().ok().or_else(|| midnight(text).map(|day| day.plus_days(1)))
    }

    /// The last moment of what a text names: a time itself, and the end of a date alone.
    pub(super) fn last(text: &str) -> Option<Timestamp> {
        text.parse().ok().or_else(|| midnight(text).map(|day| day.plus_micros(MICROS_PER_DAY - 1)))
    }
}

/// The beginning of a date in UTC.
fn midnight(date: &str) -> Option<Timestamp> {
    format!("{date}T00:00:00Z").parse().ok()
}

impl Field for Moment {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let time = Moment::of(reader.text(value)?);
        if time.is_none() {
            reader.wrong(Code::InvalidDate, NO_MOMENT);
        }
        time.map(Moment)
    }

    fn property() -> RefOr<Schema> {
        string().examples(["2030-01-31T09:00:00Z"]).build().into()
    }

    fn refusals(into: &mut Refusals) {
        into.push((Code::InvalidDate, "A time cannot be read."));
    }
}

/// The text of such a point in time, kept and shown as it was sent.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub(super) struct MomentText(Arc<str>);

impl Field for MomentText {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let text = reader.text(value)?;
        if Moment::of(text).is_none() {
            reader.wrong(Code::InvalidDate, NO_MOMENT);
            return None;
        }
        Some(MomentText(text.into()))
    }

    fn property() -> RefOr<Schema> {
        Moment::property()
    }

    fn refusals(into: &mut Refusals) {
        Moment::refusals(into);
    }
}

/// The end of a time that is spoken of, itself left out; a date alone means all of its day.
#[derive(Debug, Clone, Copy)]
pub(super) struct Until(pub(super) Timestamp);

impl Field for Until {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let time = Moment::over(reader.text(value)?);
        if time.is_none() {
            reader.wrong(Code::InvalidDate, NO_MOMENT);
        }
        time.map(Until)
    }

    fn property() -> RefOr<Schema> {
        Moment::property()
    }

    fn refusals(into: &mut Refusals) {
        Moment::refusals(into);
    }
}

object! {
    /// When something counts.
    pub(super) struct Availability {
        /// From when on; at once when absent. A date alone is its beginning in UTC.
        start_at: Option<Moment>,
        /// From when on not any more; never when absent. A date alone means that all of its day in UTC still counts.
        finish_at: Option<Until>,
    }
}

impl Availability {
    /// Beginning and end.
    pub(super) fn times(availability: Option<&Availability>) -> (Option<Timestamp>, Option<Timestamp>) {
        let start = availability.and_then(|both| both.start_at).map(|Moment(time)| time);
        (start, availability.and_then(|both| both.finish_at).map(|Until(time)| time))
    }
}

object! {
    /// An operation without fields; the body may be left out.
    pub(super) struct EmptyBody {
        /// Accepted and not kept.
        reason: Option<Text<0, 255>>,
    }
}

impl Body for EmptyBody {
    type Ask = ();
    const MAY_BE_EMPTY: bool = true;

    fn name() -> &'static str {
        "EmptyBody"
    }

    fn judge(self, _reader: &mut Reader) -> Option<()> {
        Some(())
    }
}

/// Something with one @ inside.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub(super) struct Email(std::sync::Arc<str>);

impl Field for Email {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let Text(text) = Text::<3, 255>::read(value, reader)?;
        let mut parts = text.split('@');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(name), Some(host), None) if !name.is_empty() && !host.is_empty() => Some(Email(text)),
            (_, Some(_), None) => reader.invalid("must have something before and after its @"),
            _ => reader.invalid("must have one @"),
        }
    }

    fn property() -> RefOr<Schema> {
        string().pattern(Some("^[^@]+@[^@]+$")).min_length(Some(3)).max_length(Some(255)).build().into()
    }
}

object! {
    /// Who pays.
    #[derive(Serialize)]
    pub(super) struct CustomerPayer {
        /// A customer made before; the other fields describe one that was not.
        id: Option<Text<1, 64>>,
        /// Your name for the customer.
        merchant_customer_id: Option<Text<3, 255>>,
        /// When you made the customer.
        merchant_customer_created_at: Option<MomentText>,
        /// First name.
        first_name: Option<Prose<1, 255>>,
        /// Family name.
        last_name: Option<Prose<1, 255>>,
        /// M, F, NB, NA, NK or U.
        gender: Option<Gender>,
        /// Day of birth.
        date_of_birth: Option<Day>,
        /// E-mail address.
        email: Option<Email>,
        /// ISO 3166-1 alpha-2.
        nationality: Option<Land>,
        /// ISO 3166-1 alpha-2.
        country: Option<Land>,
        /// Identity paper.
        document: Option<Document>,
        /// Telephone.
        phone: Option<Phone>,
        /// Where bills go.
        billing_address: Option<Address>,
        /// Where goods go.
        shipping_address: Option<Address>,
        /// Your own notes, at most 50, each key once.
        metadata: Option<Metadata>,
        /// Where the payer's browser is on the network.
        ip_address: Option<Text<2, 45>>,
        /// What the payer's browser says; comes back unchanged.
        browser_info: Option<Echoed>,
        /// What the payer's device looks like; comes back unchanged.
        device_fingerprints: Option<Echoed>,
    }
}

impl CustomerPayer {
    /// The customer it names.
    pub(super) fn customer(&self) -> Option<Arc<str>> {
        self.id.as_ref().map(|Text(id)| id.clone()).filter(|id| !id.is_empty())
    }

    /// What a payment keeps of it: of a customer that was made before only the id, so that forgetting the customer is enough.
    pub(super) fn kept(&self) -> Cow<'static, RawValue> {
        if self.id.is_none() {
            return raw(self);
        }
        raw(&CustomerPayer {
            browser_info: self.browser_info.clone(),
            device_fingerprints: self.device_fingerprints.clone(),
            ..CustomerPayer::only(self.id.clone())
        })
    }

    /// A customer of whom nothing else is said, drawn like one who was sent so.
    pub(super) fn named(customer: CustomerId) -> Cow<'static, RawValue> {
        raw(&CustomerPayer::only(Some(Text(customer.to_string().into()))))
    }

    fn only(id: Option<Text<1, 64>>) -> CustomerPayer {
        CustomerPayer {
            id,
            merchant_customer_id: None,
            merchant_customer_created_at: None,
            first_name: None,
            last_name: None,
            gender: None,
            date_of_birth: None,
            email: None,
            nationality: None,
            country: None,
            document: None,
            phone: None,
            billing_address: None,
            shipping_address: None,
            metadata: None,
            ip_address: None,
            browser_info: None,
            device_fingerprints: None,
        }
    }
}

object! {
    /// A note of the merchant's own.
    #[derive(Serialize)]
    pub(super) struct MetadataEntry {
        /// Its name; unique among the notes.
        key: Prose<1, 48>,
        /// What it says.
        value: Prose<1, 512>,
    }
}

/// Notes of the merchant's own, each name once.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Metadata(Items<MetadataEntry, 50>);

impl Field for Metadata {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let Items(entries) = Items::<MetadataEntry, 50>::read(value, reader)?;
        let twice = entries.iter().enumerate().any(|(at, entry)| entries[..at].iter().any(|earlier| earlier.key == entry.key));
        if twice { reader.invalid("must not have the same key twice") } else { Some(Metadata(Items(entries))) }
    }

    fn property() -> RefOr<Schema> {
        Items::<MetadataEntry, 50>::property()
    }

    fn components(into: &mut Components) {
        Items::<MetadataEntry, 50>::components(into);
    }
}

/// Notes an amount that is nothing.
pub(super) fn must_be_positive(amount: kernel::Money, reader: &mut Reader) {
    if !amount.is_positive() {
        reader.wrong_at(&["amount", "value"], Code::InvalidAmount, "must be more than zero");
    }
}
