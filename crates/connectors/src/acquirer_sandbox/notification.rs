//! What the sandbox acquirer tells the platform unasked, signed with a secret both know; and how the platform's side reads it.
//!
//! The body is the event of the one-click interface's payment side: amounts in minor units, one payment and one order it is about. The
//! signature is `x-hmac-signature`: base64 of HMAC-SHA-256 over the raw body.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel::{Currency, KeyedHash, Money, PaymentId, SecretText, Timestamp, equal_in_constant_time, sha256};
use payments::{Connector, Event, NotTaken, Notification, masked};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::rows::ReceivedRow;

/// The header with the signature.
pub const SIGNATURE_HEADER: &str = "x-hmac-signature";
/// Characters an order or a code may have.
const TEXT_MAX: usize = 255;

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

#[derive(Deserialize)]
struct Envelope<'a> {
    live: bool,
    #[serde(borrow)]
    notification: Told<'a>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "parts of the event's form that are only kept with its body")]
struct Told<'a> {
    #[serde(borrow, default)]
    additional_data: Option<&'a RawValue>,
    amount: Amount,
    event_code: String,
    #[serde(default)]
    event_date: Option<String>,
    is_3d: bool,
    operations: Vec<String>,
    order_id: String,
    payment_id: String,
    success: bool,
}

#[derive(Deserialize, Serialize)]
struct Amount {
    currency: String,
    value: i64,
}

/// Whether a value is of the right kind.
type Is = fn(&Value) -> bool;

/// What must be there, and as what.
const FORM: [(&str, Is, &str); 11] = [
    ("live", Value::is_boolean, "true or false"),
    ("notification", Value::is_object, "an object"),
    ("notification.amount", Value::is_object, "an object"),
    ("notification.amount.currency", Value::is_string, "a text"),
    ("notification.amount.value", Value::is_i64, "a whole number of minor units"),
    ("notification.event_code", Value::is_string, "a text"),
    ("notification.is_3d", Value::is_boolean, "true or false"),
    ("notification.operations", Value::is_array, "a list"),
    ("notification.order_id", Value::is_string, "a text"),
    ("notification.payment_id", Value::is_string, "a text"),
    ("notification.success", Value::is_boolean, "true or false"),
];

/// Says in words of the sender what is wrong with the form of an event.
fn judge(body: &[u8]) -> Result<(), NotTaken> {
    let event = serde_json::from_slice::<Value>(body).ok().filter(Value::is_object).ok_or(NotTaken::NotAnObject)?;
    for (path, is, kind) in FORM {
        let found = event.pointer(&format!("/{}", path.replace('.', "/")));
        match found.filter(|found| !found.is_null()) {
            None => return Err(NotTaken::Malformed(format!("{path}: is required"))),
            Some(found) if !is(found) => return Err(NotTaken::Malformed(format!("{path}: must be {kind}"))),
            Some(_) => {}
        }
    }
    Ok(())
}

/// Reads a notification that came with this signature.
pub(crate) fn read(seal: &Seal, connector: Connector, signature: Option<&str>, body: &[u8]) -> Result<Notification, NotTaken> {
    if !signature.is_some_and(|signature| seal.is_of(signature, body)) {
        return Err(NotTaken::NotGenuine);
    }
    judge(body)?;
    let read = serde_json::from_slice(body);
    let Envelope { live, notification } = read.map_err(|_| NotTaken::Malformed("notification: cannot be read".to_owned()))?;
    let wrong = |what: &str| NotTaken::Malformed(format!("notification.{what}"));
    let currency =
        Currency::parse(&notification.amount.currency).ok_or_else(|| wrong("amount.currency: is not an ISO 4217 code"))?;
    let payment_id: PaymentId = notification.payment_id.parse().map_err(|_| wrong("payment_id: is not a GUID"))?;
    if notification.order_id.len() > TEXT_MAX || notification.event_code.len() > TEXT_MAX {
        return Err(wrong("order_id, event_code: at most 255 characters"));
    }
    let date = notification.event_date.as_deref().unwrap_or_default();
    Ok(Notification {
        connector,
        // Order and amount too: one that was wrong about them must not pass for a repeat of the right one.
        identity: format!(
            "{payment_id}\0{}\0{date}\0{}\0{}\0{}",
            notification.event_code, notification.success, notification.amount.value, notification.order_id
        ),
        payment_id: Some(payment_id),
        merchant_order_id: Arc::from(notification.order_id.as_str()),
        // What is said about real money means nothing here.
        event: if live { Event::Other } else { Event::parse(&notification.event_code) },
        success: notification.success,
        amount: Money::new(notification.amount.value, currency),
        body: masked(&String::from_utf8_lossy(body)).into(),
        attempt: None,
        reference: None,
    })
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
            "amount": Amount { currency: charge.currency?.code().to_owned(), value: amount },
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

    #[test]
    fn what_is_not_signed_or_not_whole_is_refused() {
        let good = body(PAYMENT, "1999");
        let other = Seal::new(&secret_of(&[2; 32]));
        for signature in [None, Some(String::new()), Some("x".repeat(44)), Some(other.sign(&good))] {
            assert!(matches!(read(&seal(), Connector::Sandbox, signature.as_deref(), &good), Err(NotTaken::NotGenuine)));
        }
        let refused = |bad: &[u8]| read(&seal(), Connector::Sandbox, Some(&seal().sign(bad)), bad).expect_err("it is not whole");
        for bad in [b"".as_slice(), b"\xff", b"[]", b"[false,{}]", b"1"] {
            assert_eq!(refused(bad), NotTaken::NotAnObject);
        }
        for (bad, why) in [
            (b"{}".to_vec(), "live: is required"),
            (b"{\"live\":\"x\"}".to_vec(), "live: must be true or false"),
            (b"{\"live\":false}".to_vec(), "notification: is required"),
            (b"{\"live\":false,\"notification\":[]}".to_vec(), "notification: must be an object"),
            (body("x", "1"), "notification.payment_id: is not a GUID"),
            (body(PAYMENT, "1.5"), "notification.amount.value: must be a whole number of minor units"),
            (body(PAYMENT, "\"1\""), "notification.amount.value: must be a whole number of minor units"),
        ] {
            assert_eq!(refused(&bad), NotTaken::Malformed(why.to_owned()));
        }
    }
}
