//! The objects of this family as they are shown (payments specification, section 2.4), drawn straight into bytes.
//!
//! Everything here is pure: recovery draws the reply that a request would have had, without the request.

mod balances;
mod card;
mod link;
mod operation;
mod payment;
mod payout;
pub(super) mod sample;
mod session;
mod subscription;
mod transaction;

use payments::links::LinkFacts;
use payments::payouts::PayoutRow;
use payments::subscriptions::SubscriptionRow;
use payments::{Balance, CheckoutSessionRow, Faces, OperationFacts, PaymentFacts, PaymentRead};

pub(super) use balances::BalancesView;
pub(super) use link::LinkView;
pub(super) use operation::OperationView;
pub(super) use payment::PaymentView;
pub(super) use payout::PayoutView;
pub(super) use session::SessionView;
pub(super) use subscription::{CyclePaymentsView, SubscriptionView, SubscriptionsView};

/// How replies that are recorded are drawn.
pub(crate) fn faces() -> Faces {
    Faces { payment, operation, session, payout, link, subscription, cycle: subscription::cycle }
}

/// A payment.
pub(super) fn payment(facts: &PaymentFacts<'_>) -> Vec<u8> {
    PaymentView::drawn(facts)
}

/// Payments, as a list.
pub(super) fn payments(found: &[PaymentRead]) -> Vec<u8> {
    let all: Vec<Vec<u8>> = found.iter().map(|read| payment(&read.facts(false, false))).collect();
    [b"[".as_slice(), &all.join(b",".as_slice()), b"]"].concat()
}

fn operation(facts: &OperationFacts<'_>) -> Vec<u8> {
    OperationView::drawn(facts)
}

/// A checkout session.
pub(super) fn session(session: &CheckoutSessionRow) -> Vec<u8> {
    SessionView::drawn(session)
}

/// A payout.
pub(super) fn payout(payout: &PayoutRow) -> Vec<u8> {
    PayoutView::drawn(payout)
}

/// A payment link.
pub(super) fn link(facts: &LinkFacts<'_>) -> Vec<u8> {
    LinkView::drawn(facts)
}

/// A subscription.
pub(super) fn subscription(row: &SubscriptionRow) -> Vec<u8> {
    SubscriptionView::drawn(row)
}

/// What an account has.
pub(super) fn balances(balances: &[Balance]) -> Vec<u8> {
    BalancesView::drawn(balances)
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
        insta::assert_snapshot!("payout", shown(&sample::payout_reply()));
        insta::assert_snapshot!("link", shown(&sample::link_reply()));
        insta::assert_snapshot!("subscription", shown(&sample::subscription_reply()));
        insta::assert_snapshot!("balances", shown(&sample::balances_reply()));
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
}
