//! What the sandbox acquirer tells the platform unasked, signed with a secret both know; and how the platform's side reads it.
//!
//! The body is the event of the one-click interface's payment side: amounts in minor units, one payment and one order it is about. The
//! signature is `x-hmac-signature`: base64 of HMAC-SHA-256 over the raw body.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel::json::{Members, Node, Value};
use kernel::{AMOUNT_MINOR_MAX, Currency, KeyedHash, Money, PaymentId, SecretText, Timestamp, equal_in_constant_time, sha256};
use payments::{Connector, Event, NotTaken, Notification, WrongKind, masked};
use uuid::Uuid;

use super::rows::ReceivedRow;
use crate::form::{self, Form};

/// The header with the signature.
pub const SIGNATURE_HEADER: &str = "x-hmac-signature";
/// Characters an order or a code may have.
const TEXT_MAX: usize = 255;
/// Operations an event may name.
const OPERATIONS_MAX: usize = 100;
/// Furthest from 1970 that a number of milliseconds can name a time (ECMAScript, time values), either way.
const MILLIS_MAX: f64 = 8.64e15;
/// Characters of a date alone, such as 2026-01-31.
const DATE_CHARS: usize = 10;
const DATE: &str = "notification.event_date";
const PAYMENT: &str = "notification.payment_id";
const NO_TIME: &str = "must be a time like 2026-01-31T09:08:07Z, a date like 2026-01-31, or milliseconds since 1970";

/// Signs and checks.
#[derive(Clone)]
pub(crate) struct Seal(KeyedHash);

impl Seal {
    pub(crate) fn new(secret: &SecretText) -> Self {
        Self(KeyedHash::of_text(secret))
    }

    /// The value of [`SIGNATURE_HEADER`] for this body.
    pub(crate) fn sign(&self, body: &[u8]) -> String {
        STANDARD.encode(self.0.hash(body))
    }

    fn is_of(&self, signature: &str, body: &[u8]) -> bool {
        let sent: Option<[u8; 32]> = STANDARD.decode(signature).ok().and_then(|bytes| bytes.try_into().ok());
        sent.is_some_and(|sent| equal_in_constant_time(&sent, &self.0.hash(body)))
    }
}

/// Reads a notification that came with this signature.
pub(crate) fn read(seal: &Seal, connector: Connector, signature: Option<&str>, body: &[u8]) -> Result<Notification, NotTaken> {
    if !signature.is_some_and(|signature| seal.is_of(signature, body)) {
        return Err(NotTaken::NotGenuine);
    }
    let document = form::document(body)?;
    let Node::Object(members) = &document.node else { return Err(NotTaken::unreadable("the body must be a JSON object")) };
    let mut form = Form::default();
    match told(&mut form, members) {
        Some(told) if form.is_good() => Ok(told.notification(connector, document.raw)),
        _ => Err(form.refusal()),
    }
}

/// An event, read where it lies.
struct Told<'v> {
    live: bool,
    amount: Money,
    event_code: &'v str,
    /// As it was sent: a repeat is sent with the same.
    event_date: &'v str,
    order_id: &'v str,
    payment_id: PaymentId,
    success: bool,
}

/// Every part is looked at, so that each wrong one is named.
fn told<'v>(form: &mut Form, members: &'v Members<'_>) -> Option<Told<'v>> {
    let live = form.truth(members, "live");
    let event = form.object(members, "notification")?;
    if let Some(extra) = Form::optional(event, "notification.additional_data") {
        form.members(extra, "notification.additional_data");
    }
    let amount = form.object(event, "notification.amount").and_then(|amount| money(form, amount));
    let event_code = form.text(event, "notification.event_code", 1..=TEXT_MAX);
    let event_date = Form::optional(event, DATE).map_or(Some(""), |date| time(form, date));
    let is_3d = form.truth(event, "notification.is_3d");
    let operations = form.texts(event, "notification.operations", OPERATIONS_MAX, 1..=TEXT_MAX);
    let order_id = form.text(event, "notification.order_id", 1..=TEXT_MAX);
    let payment_id = form.text(event, PAYMENT, 1..=TEXT_MAX).and_then(|text| guid(form, text));
    let success = form.truth(event, "notification.success");
    is_3d.zip(operations)?;
    Some(Told {
        live: live?,
        amount: amount?,
        event_code: event_code?,
        event_date: event_date?,
        order_id: order_id?,
        payment_id: payment_id?,
        success: success?,
    })
}

fn money(form: &mut Form, members: &Members<'_>) -> Option<Money> {
    const CURRENCY: &str = "notification.amount.currency";
    let code = form.text(members, CURRENCY, 1..=TEXT_MAX);
    let value = form.whole(members, "notification.amount.value", 0..=AMOUNT_MINOR_MAX);
    let currency = code.and_then(|code| {
        Currency::parse(code).or_else(|| form.wrong(WrongKind::Currency, CURRENCY, "must be a currency code of ISO 4217"))
    });
    currency.zip(value).map(|(currency, value)| Money::new(value, currency))
}

/// A GUID in any of its forms; ours are UUIDs.
fn guid(form: &mut Form, text: &str) -> Option<PaymentId> {
    match Uuid::try_parse(text) {
        Ok(id) => Some(PaymentId::from_uuid(id)),
        Err(_) => form.wrong(WrongKind::Invalid, PAYMENT, "must be a GUID"),
    }
}

/// The text of a time as other bodies name one, or of a number of milliseconds.
fn time<'v>(form: &mut Form, value: &'v Value<'_>) -> Option<&'v str> {
    let names_a_time = |text: &str| text.parse::<Timestamp>().is_ok();
    match &value.node {
        Node::Text(text) if names_a_time(text) || text.len() == DATE_CHARS && names_a_time(&format!("{text}T00:00:00Z")) => {
            Some(text)
        }
        Node::Number(text) if text.parse::<f64>().is_ok_and(|millis| millis.abs() <= MILLIS_MAX) => Some(text),
        _ => form.wrong(WrongKind::Date, DATE, NO_TIME),
    }
}

impl Told<'_> {
    fn notification(self, connector: Connector, body: &str) -> Notification {
        let Told { live, amount, event_code, event_date, order_id, payment_id, success } = self;
        // What is said about real money is another thing than the same said about ours, and must not pass for a repeat of it.
        let other = if live { "\0live" } else { "" };
        Notification {
            connector,
            // Order and amount too: one that was wrong about them must not pass for a repeat of the right one.
            identity: format!("{payment_id}\0{event_code}\0{event_date}\0{success}\0{}\0{order_id}{other}", amount.minor()),
            payment_id: Some(payment_id),
            merchant_order_id: Arc::from(order_id),
            // What is said about real money means nothing here.
            event: if live { Event::Other } else { Event::parse(event_code) },
            success,
            amount,
            body: masked(body).into(),
            attempt: None,
            reference: None,
        }
    }
}

/// An event about a charge as the acquirer writes it; `None` for a charge without payment or currency.
pub(crate) fn write(charge: &ReceivedRow, code: &str, amount: i64, at: Timestamp) -> Option<Vec<u8>> {
    let value = serde_json::json!({
        "live": false,
        "notification": {
            "payment_id": charge.payment_id?,
            "order_id": charge.merchant_order_id.as_deref()?,
            "event_code": code,
            "event_date": at.to_string(),
            "amount": { "currency": charge.currency?.code(), "value": amount },
            "is_3d": charge.after_challenge.is_some(),
            "operations": ["REFUND"],
            "success": true,
        }
    });
    Some(value.to_string().into_bytes())
}

/// The secret of an installation's sandbox, out of a key of its own.
pub fn secret_of(key: &[u8; 32]) -> SecretText {
    SecretText::new(sha256(&[key]).iter().fold("nsec_".to_owned(), |text, byte| text + &format!("{byte:02x}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal() -> Seal {
        Seal::new(&secret_of(&[1; 32]))
    }

    fn body(payment: &str, value: &str) -> Vec<u8> {
        format!(
            r#"{{"live":false,"notification":{{"payment_id":"{payment}","order_id":"o","event_code":"CHARGEBACK","amount":{{"currency":"EUR","value":{value}}},"is_3d":false,"operations":[],"success":true,"additional_data":{{"n":"4507990000000002"}}}}}}"#
        )
        .into_bytes()
    }

    const PAYMENT: &str = "01936b1a-0000-7000-8000-00000000a001";

    #[test]
    fn a_signed_event_is_read_and_masked() {
        let body = body(PAYMENT, "1999");
        let read = read(&seal(), Connector::Sandbox, Some(&seal().sign(&body)), &body).expect("genuine");
        assert_eq!((read.event, read.amount), (Event::Chargeback, Money::new(1_999, Currency::EUR)));
        assert!(!read.body.contains("4507990000000002"), "{}", read.body);
    }

    fn refused(bad: &[u8]) -> NotTaken {
        read(&seal(), Connector::Sandbox, Some(&seal().sign(bad)), bad).expect_err("it is not whole")
    }

    /// The event with one more member, or another one in its place.
    fn with(name: &str, value: &str) -> Vec<u8> {
        let mut event: serde_json::Value = serde_json::from_slice(&body(PAYMENT, "1999")).expect("JSON");
        event["notification"][name] = "here".into();
        event.to_string().replace("\"here\"", value).into_bytes()
    }

    fn identity(body: &[u8]) -> String {
        read(&seal(), Connector::Sandbox, Some(&seal().sign(body)), body).expect("genuine").identity
    }

    #[test]
    fn what_is_not_signed_or_no_object_is_refused() {
        let good = body(PAYMENT, "1999");
        let other = Seal::new(&secret_of(&[2; 32]));
        for signature in [None, Some(String::new()), Some("x".repeat(44)), Some(other.sign(&good))] {
            assert!(matches!(read(&seal(), Connector::Sandbox, signature.as_deref(), &good), Err(NotTaken::NotGenuine)));
        }
        let no_object = |bad: &[u8], why: &str| assert_eq!(refused(bad), NotTaken::NotAnObject(why.to_owned()));
        for bad in [b"[]".as_slice(), b"[false,{}]", b"1"] {
            no_object(bad, "the body must be a JSON object");
        }
        no_object(b"\xff", "the body is not valid JSON: invalid UTF-8 at byte 0");
        let twice = br#"{"live":false,"notification":{},"live":true}"#;
        no_object(twice, "the body is not valid JSON: a member is named twice in the object at byte 1");
        let twice = br#"{"live":false,"notification":{"additional_data":{"a":1,"\u0061":2}}}"#;
        no_object(twice, "the body is not valid JSON: a member is named twice in the object at byte 49");
    }

    #[test]
    fn each_part_that_is_missing_or_wrong_is_named() {
        let said = |bad: &[u8]| match refused(bad) {
            NotTaken::Malformed(wrong) => wrong.into_iter().map(|wrong| (wrong.kind, wrong.text)).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        let all = ["amount", "event_code", "is_3d", "operations", "order_id", "payment_id", "success"];
        let missing = said(br#"{"live":null,"notification":{}}"#);
        let expected: Vec<_> = all.iter().map(|name| (WrongKind::Missing, format!("notification.{name}: is required"))).collect();
        assert_eq!(missing[0], (WrongKind::Missing, "live: is required".to_owned()));
        assert_eq!(missing[1..], expected);
        let whole = "notification.amount.value: must be a whole number from 0 to 1000000000000";
        for (bad, kind, why) in [
            (b"{\"live\":\"x\",\"notification\":[]}".to_vec(), WrongKind::Invalid, "live: must be true or false"),
            (body("x", "1"), WrongKind::Invalid, "notification.payment_id: must be a GUID"),
            (body(PAYMENT, "1.5"), WrongKind::Invalid, whole),
            (body(PAYMENT, "-1"), WrongKind::Invalid, whole),
            (body(PAYMENT, "\"1\""), WrongKind::Invalid, whole),
            (
                with("amount", r#"{"currency":"EUX","value":1}"#),
                WrongKind::Currency,
                "notification.amount.currency: must be a currency code of ISO 4217",
            ),
            (with("additional_data", "\"x\""), WrongKind::Invalid, "notification.additional_data: must be an object"),
            (with("operations", "\"x\""), WrongKind::Invalid, "notification.operations: must be a list"),
            (with("operations", "[\"x\",5]"), WrongKind::Invalid, "notification.operations[1]: must be a string"),
            (with("order_id", "\"\""), WrongKind::Invalid, "notification.order_id: must have at least 1 characters"),
        ] {
            assert_eq!(said(&bad).first(), Some(&(kind, why.to_owned())));
        }
        for bad in ["\"nope\"", "\"2026-13-01\"", "\"\"", "true", "{}", "8640000000000001", "1e400"] {
            assert_eq!(said(&with("event_date", bad)), [(WrongKind::Date, format!("{DATE}: {NO_TIME}"))], "{bad}");
        }
    }

    #[test]
    fn a_time_is_a_text_or_a_number_and_part_of_what_makes_a_repeat() {
        let dates = [
            "null",
            "\"2026-01-31T09:08:07Z\"",
            "\"2026-01-31T10:08:07.5+01:00\"",
            "\"2026-01-31\"",
            "5",
            "-1",
            "1769850487123.5",
        ];
        let identities: std::collections::HashSet<_> = dates.iter().map(|date| identity(&with("event_date", date))).collect();
        assert_eq!(identities.len(), dates.len());
        let kept = identity(&with("event_date", "\"2026-01-31T09:08:07Z\""));
        assert_eq!(
            kept,
            format!("{PAYMENT}\0CHARGEBACK\02026-01-31T09:08:07Z\0true\01999\0o"),
            "as it is stored since the first version"
        );
    }

    #[test]
    fn what_is_said_about_real_money_is_no_repeat() {
        let text = String::from_utf8(body(PAYMENT, "1999")).expect("JSON");
        let live = text.replacen("false", "true", 1).into_bytes();
        assert_ne!(identity(&live), identity(text.as_bytes()));
        assert_eq!(read(&seal(), Connector::Sandbox, Some(&seal().sign(&live)), &live).expect("genuine").event, Event::Other);
    }
}
