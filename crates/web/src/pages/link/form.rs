//! The form of a payment link: what was sent, and which fields are wrong and why.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use kernel::{CardExpiry, CardNumber, SecurityCode, Timestamp, text};
use payments::CardAsk;

use super::Shown;
use crate::envelope::Problem;
use crate::extract::decoded;
use crate::object::{Digits, Text, object};
use crate::route::{Needs, Part};
use crate::state::Web;

object! {
    /// The form of a link's page, for the reference.
    pub(super) struct LinkForm {
        /// Out of the page; it counts together with the page's cookie, and once.
        csrf: Text<97, 97>,
        /// The card's number; blanks and hyphens are left out.
        number: Text<8, 40>,
        /// The month with which the card ends, as `MM/YY`.
        expiration: Text<3, 10>,
        /// The three or four digits printed on the card.
        security_code: Digits<3, 4>,
        /// As embossed.
        holder_name: Text<3, 26>,
    }
}

/// A field that is wrong, and the key of the text that says why.
pub(super) type Wrong = (&'static str, &'static str);

/// What a form sent: names and values, decoded.
pub(super) struct Form(pub(super) Result<Vec<(String, String)>, Problem>);

impl FromRequest<Web> for Form {
    type Rejection = Infallible;

    async fn from_request(request: Request<Body>, _web: &Web) -> Result<Self, Infallible> {
        let bytes = crate::body::read(request.into_body()).await;
        Ok(Form(bytes.map(|bytes| decoded(&String::from_utf8_lossy(&bytes)))))
    }
}

impl Part for Form {
    fn describe(needs: &mut Needs) {
        needs.reads = true;
    }
}

impl Form {
    /// The last value of a field; empty when there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        let pairs = self.0.as_deref().unwrap_or_default();
        pairs.iter().rev().find_map(|(known, value)| (known == name).then_some(value.trim())).unwrap_or_default()
    }

    /// The form to be filled in again.
    pub(super) fn again(&self) -> Shown {
        let short = |text: &str| text.chars().take(26).filter(|found| !found.is_control()).collect::<String>();
        let holder_name = short(self.get("holder_name"));
        let holder_name = if kernel::contains_card_number(&holder_name) { String::new() } else { holder_name };
        let expiration = short(self.get("expiration")).chars().take(7).collect();
        Shown { expiration, holder_name, ..Shown::form() }
    }

    /// The card, or the fields that are wrong.
    pub(super) fn card(&self, now: Timestamp) -> Result<CardAsk, Vec<Wrong>> {
        match (self.number(), self.expiry(now), self.security_code(), self.holder()) {
            (Ok(number), Ok(expiry), Ok(code), Ok(holder)) => Ok(CardAsk {
                number,
                expiry,
                security_code: Some(code),
                holder_name: holder.into(),
                card_type: None,
                fingerprint: None, // made with the account's key
            }),
            (number, expiry, code, holder) => {
                let fields = [number.err(), expiry.err(), code.err(), holder.err()];
                Err(fields.into_iter().flatten().collect())
            }
        }
    }

    fn number(&self) -> Result<CardNumber, Wrong> {
        let plain: String = self.get("number").chars().filter(|found| !matches!(found, ' ' | '-')).collect();
        match CardNumber::parse(&plain) {
            Ok(number) if number.luhn() => Ok(number),
            _ if plain.is_empty() => Err(("number", "number")),
            _ => Err(("number", "number_mistyped")),
        }
    }

    fn expiry(&self, now: Timestamp) -> Result<CardExpiry, Wrong> {
        match expiry(self.get("expiration")) {
            Some(expiry) if expiry.is_past(now) => Err(("expiration", "expiration_past")),
            Some(expiry) => Ok(expiry),
            None => Err(("expiration", "expiration")),
        }
    }

    fn security_code(&self) -> Result<SecurityCode, Wrong> {
        SecurityCode::parse(self.get("security_code")).map_err(|_| ("security_code", "security_code"))
    }

    fn holder(&self) -> Result<&str, Wrong> {
        let holder = self.get("holder_name");
        let fits = text::check(holder, 3..=26).is_ok() && !kernel::contains_card_number(holder);
        fits.then_some(holder).ok_or(("holder_name", "holder_name"))
    }
}

/// Month and year, the year of two or four digits: `MM/YY`, also with blanks, another mark between them, or none at all, for there are
/// keyboards that have no mark.
fn expiry(text: &str) -> Option<CardExpiry> {
    let text = text.trim();
    let (month, year) = match text.split_once(['/', '-', '.', ' ']) {
        Some((month, year)) => (month, year.trim_start_matches([' ', '/', '-', '.'])),
        None => text.split_at_checked(match text.len() {
            3 => 1,
            4 | 6 => 2,
            _ => return None,
        })?,
    };
    let digits = |text: &str, lengths: &[usize]| lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(month, &[1, 2]) || !digits(year, &[2, 4]) {
        return None;
    }
    CardExpiry::new(month.parse().ok()?, year.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expirations_are_read_as_people_write_them() {
        for (text, expected) in [
            ("12/30", Some((12, 2030))),
            (" 1 / 2031 ", Some((1, 2031))),
            ("1230", Some((12, 2030))),
            ("122030", Some((12, 2030))),
            ("830", Some((8, 2030))),
            ("12-30", Some((12, 2030))),
            ("08.2030", Some((8, 2030))),
            ("08 30", Some((8, 2030))),
            ("13/30", None),
            ("1330", None),
            ("+1/30", None),
            ("12/", None),
            ("12/30/1", None),
            ("12345", None),
            ("8é0", None),
            ("", None),
        ] {
            assert_eq!(expiry(text).map(|read| (read.month(), read.year())), expected, "{text}");
        }
    }

    #[test]
    fn wrong_fields_are_named_with_the_reason_and_the_number_is_never_given_back() {
        let now = Timestamp::from_seconds(1_790_000_000); // September 2026
        let form = |body: &str| Form(Ok(decoded(body)));
        let good = form("number=4507+9900+0000+0010&expiration=12%2F40&security_code=123&holder_name=Ada+Martin");
        assert_eq!(good.card(now).map(|card| card.holder_name.to_string()), Ok("Ada Martin".to_owned()));
        let bad = form("number=4507990000000011&expiration=x&holder_name=4507990000000010");
        let wrong = [
            ("number", "number_mistyped"),
            ("expiration", "expiration"),
            ("security_code", "security_code"),
            ("holder_name", "holder_name"),
        ];
        assert_eq!(bad.card(now).err(), Some(wrong.to_vec()));
        assert_eq!(bad.again().holder_name, "");
        for (number, why) in
            [("", "number"), ("+", "number"), ("4507", "number_mistyped"), ("450799000000001x", "number_mistyped")]
        {
            assert_eq!(form(&format!("number={number}")).number().err(), Some(("number", why)), "{number}");
        }
        for (expiration, why) in [("09%2F26", None), ("08%2F26", Some("expiration_past")), ("0120", Some("expiration_past"))] {
            let found = form(&format!("expiration={expiration}")).expiry(now).err();
            assert_eq!(found, why.map(|why| ("expiration", why)), "{expiration}");
        }
    }
}
