//! The objects of this family as they are shown (payments specification, section 2.4), drawn straight into bytes.
//!
//! Everything here is pure: recovery draws the reply that a request would have had, without the request.

mod balances;
mod card;
mod csv;
mod customer;
mod fulfilment;
mod link;
mod method;
mod operation;
mod page;
mod payment;
mod payout;
mod report;
mod report_lines;
mod routing;
pub(super) mod sample;
mod session;
mod subscription;
mod token;
mod transaction;

use payments::customers::{CustomerRow, CustomerSessionRow};
use payments::links::LinkFacts;
use payments::methods::Stored;
use payments::payouts::PayoutRow;
use payments::reports::ReportRow;
use payments::routing::RoutingRules;
use payments::subscriptions::SubscriptionRow;
use payments::{
    Balance, Challenges, CheckoutSessionRow, Connector, Faces, MethodFacts, OperationFacts, PaymentFacts, PaymentRead, TokenFacts,
};

pub(super) use balances::BalancesView;
pub(super) use customer::{CustomerSessionView, CustomerView};
pub(super) use fulfilment::FulfilmentsView;
pub(super) use link::LinkView;
pub(super) use method::{CheckoutMethodView, StoredMethodView, StoredMethodsView};
pub(super) use operation::OperationView;
pub(super) use page::{PaymentsView, ReportsView};
pub(super) use payment::PaymentView;
pub(super) use payout::PayoutView;
pub(super) use report::ReportView;
pub(super) use report_lines::{report_header, report_lines};
pub(super) use routing::RulesView;
pub(super) use session::SessionView;
pub(super) use subscription::{CyclePaymentsView, SubscriptionView, SubscriptionsView};
pub(super) use token::TokenView;

/// How replies that are recorded are drawn.
pub(crate) fn faces(challenges: Challenges) -> Faces {
    Faces {
        payment,
        operation,
        session,
        payout,
        link,
        subscription,
        cycle: subscription::cycle,
        check: method::check,
        customer,
        customer_session,
        token,
        method,
        challenges,
    }
}

/// A payment.
pub(super) fn payment(facts: &PaymentFacts<'_>) -> Vec<u8> {
    PaymentView::drawn(facts)
}

/// Payments, as a list.
pub(super) fn payments(found: &[PaymentRead], challenges: &Challenges) -> Vec<u8> {
    let all: Vec<Vec<u8>> = found.iter().map(|read| payment(&read.facts(false, false, challenges))).collect();
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

/// A report.
pub(super) fn report(report: &ReportRow) -> Vec<u8> {
    ReportView::drawn(report)
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

/// A customer.
pub(super) fn customer(customer: &CustomerRow) -> Vec<u8> {
    CustomerView::drawn(customer)
}

/// A customer's session.
pub(super) fn customer_session(session: &CustomerSessionRow) -> Vec<u8> {
    CustomerSessionView::drawn(session)
}

/// A one-time token.
pub(super) fn token(facts: &TokenFacts<'_>) -> Vec<u8> {
    TokenView::drawn(facts)
}

/// A stored payment method.
pub(super) fn method(facts: &MethodFacts<'_>) -> Vec<u8> {
    StoredMethodView::drawn(facts)
}

/// A customer's stored methods.
pub(super) fn methods(found: &[Stored]) -> Vec<u8> {
    StoredMethodsView::drawn(found)
}

/// What can be paid with in a checkout session.
pub(super) fn checkout_methods(session: &CheckoutSessionRow, stored: &[Stored]) -> Vec<u8> {
    CheckoutMethodView::drawn(session, stored)
}

/// Routing rules.
pub(super) fn routing_rules(rules: &RoutingRules) -> Vec<u8> {
    RulesView::drawn(rules)
}

/// One rule for everything, as the reference shows it.
pub(super) fn routing_sample() -> Vec<u8> {
    routing_rules(&RoutingRules::initial(Connector::Sandbox))
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
        insta::assert_snapshot!("report", shown(&sample::report_reply()));
        insta::assert_snapshot!("link", shown(&sample::link_reply()));
        insta::assert_snapshot!("subscription", shown(&sample::subscription_reply()));
        insta::assert_snapshot!("balances", shown(&sample::balances_reply()));
        insta::assert_snapshot!("customer", shown(&sample::customer_reply()));
        insta::assert_snapshot!("customer_session", shown(&sample::customer_session_reply()));
        insta::assert_snapshot!("token", shown(&sample::token_reply()));
        insta::assert_snapshot!("method", shown(&sample::method_reply()));
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
        let facts = PaymentFacts {
            payment: &row,
            operations: &[sample::capture()],
            history: true,
            raw: true,
            challenges: &sample::challenges(),
        };
        let text = String::from_utf8(payment(&facts)).expect("UTF-8");
        assert!(text.contains(r#""additional_data":{"b": 1.50, "a": [null]}"#), "{text}");
        assert!(!text.contains("secret"), "{text}");
        insta::assert_snapshot!("payment_with_everything", shown(text.as_bytes()));
    }
}
