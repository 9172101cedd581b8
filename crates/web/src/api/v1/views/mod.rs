//! The objects of this family as they are shown (payments specification, section 2.4), drawn straight into bytes.
//!
//! Everything here is pure: recovery draws the reply that a request would have had, without the request.

mod card;
mod operation;
mod payment;
pub(super) mod sample;
mod session;
mod transaction;

use kernel::Money;
use payments::{CheckoutSessionRow, Faces, OperationFacts, PaymentFacts, PaymentRead};
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

pub(super) use operation::OperationView;
pub(super) use payment::PaymentView;
pub(super) use session::SessionView;

/// What most replies need, in bytes, so that they are drawn without growing.
const USUAL_BYTES: usize = 3 * 1024;

/// How replies that are recorded are drawn.
pub(crate) fn faces() -> Faces {
    Faces { payment, operation, session: fresh_session }
}

/// A payment.
pub(super) fn payment(facts: &PaymentFacts<'_>) -> Vec<u8> {
    PaymentView::with(facts, |view| drawn(view))
}

/// Payments, as a list.
pub(super) fn payments(found: &[PaymentRead]) -> Vec<u8> {
    struct List<'a>(&'a [PaymentRead]);

    impl Serialize for List<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut list = serializer.serialize_seq(Some(self.0.len()))?;
            for read in self.0 {
                PaymentView::with(&read.facts(false, false), |view| list.serialize_element(view))?;
            }
            list.end()
        }
    }
    drawn(&List(found))
}

fn operation(facts: &OperationFacts<'_>) -> Vec<u8> {
    OperationView::with(facts, |view| drawn(view))
}

fn fresh_session(session: &CheckoutSessionRow) -> Vec<u8> {
    SessionView::with(session, false, |view| drawn(view))
}

/// A checkout session.
pub(super) fn session(session: &CheckoutSessionRow) -> Vec<u8> {
    SessionView::with(session, true, |view| drawn(view))
}

fn drawn(view: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    serde_json::to_writer(&mut bytes, view).expect("strings, numbers and JSON always serialise, and memory takes them");
    bytes
}

/// An amount as a JSON number in major units, written digit by digit: whole without fraction, else the shortest decimal.
#[derive(Clone, Copy)]
struct Decimal(Money);

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.0.to_decimal_text();
        serde_json::from_str::<&RawValue>(&text).expect("a decimal text is a JSON number").serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use serde_json::value::RawValue;

    use super::*;
    use crate::api::v1::details::{PaymentDetails, packed, raw};

    fn shown(bytes: &[u8]) -> String {
        let value: serde_json::Value = serde_json::from_slice(bytes).expect("JSON");
        format!("{value:#}")
    }

    #[test]
    fn replies_look_like_this() {
        insta::assert_snapshot!("payment", shown(&sample::payment_reply()));
        insta::assert_snapshot!("operation", shown(&sample::operation_reply()));
        insta::assert_snapshot!("session", shown(&sample::session_reply()));
    }

    #[test]
    fn a_payment_with_everything_in_it() {
        let echo = RawValue::from_string(r#"{"b": 1.50, "a": [null]}"#.to_owned()).expect("JSON");
        let details = PaymentDetails {
            merchant_reference: Some(Cow::Borrowed("mine")),
            callback_url: Some(Cow::Borrowed("https://shop.example/back")),
            soft_descriptor: Some(Cow::Borrowed("CHAIRS")),
            installments: Some(3),
            vault_on_success: true,
            additional_data: Some(Cow::Owned(echo)),
            three_d_secure: Some(raw(&serde_json::json!({"version": "2.2.0", "cryptogram": "secret"}))),
            ..PaymentDetails::default()
        };
        let row = payments::PaymentRow { details: packed(&details), ..sample::held() };
        let facts = PaymentFacts { payment: &row, operations: &[sample::capture()], history: true, raw: true };
        let text = String::from_utf8(payment(&facts)).expect("UTF-8");
        assert!(text.contains(r#""additional_data":{"b": 1.50, "a": [null]}"#), "{text}");
        assert!(!text.contains("secret"), "{text}");
        insta::assert_snapshot!("payment_with_everything", shown(text.as_bytes()));
    }

    #[test]
    fn decimals_are_written_digit_by_digit() {
        let number = |minor, code| {
            let currency = kernel::Currency::parse(code).expect("a currency");
            serde_json::to_string(&Decimal(Money::new(minor, currency))).expect("a number")
        };
        for (minor, code, expected) in [
            (1_999, "EUR", "19.99"),
            (52_000, "EUR", "520"),
            (1_250, "EUR", "12.5"),
            (520, "JPY", "520"),
            (1, "KWD", "0.001"),
            (0, "EUR", "0"),
        ] {
            assert_eq!(number(minor, code), expected);
        }
        assert_eq!(number(kernel::AMOUNT_MINOR_MAX, "EUR"), "10000000000");
    }
}
