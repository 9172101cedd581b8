//! The payments family: `/v1`. Routes and rules: the payments specification; envelope: [`crate::envelope`].

pub(crate) mod acquirer_notification;
mod add_fulfilments;
mod cancel;
mod cancel_or_refund;
mod cancel_payment_link;
mod capture;
mod change_subscription;
mod checkout_payment;
mod checkout_payment_methods;
mod confirm_payment_method;
mod create_checkout_session;
mod create_checkout_token;
mod create_customer;
mod create_customer_session;
mod create_payment;
mod create_payment_link;
mod create_payout;
mod create_report;
mod create_subscription;
mod create_token;
mod cursor;
mod delayed;
mod delete_customer;
mod details;
mod download_report;
mod enrol_in_session;
mod enrol_payment_method;
mod find_customer;
mod find_payout;
mod get_balances;
mod get_checkout_session;
mod get_customer;
mod get_fulfilments;
mod get_payment;
mod get_payment_link;
mod get_payment_method;
mod get_payout;
mod get_report;
mod get_routing_rules;
mod get_subscription;
mod list_payment_methods;
mod list_payments;
mod list_reports;
mod list_subscription_payments;
mod list_subscriptions;
mod parts;
mod patch_checkout_session;
mod patch_customer;
mod refund;
mod replace_routing_rules;
mod search_payments;
mod step_subscription;
mod unenrol_payment_method;
mod views;
mod webhooks;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use payments::{Answer, PaymentsError};

pub(crate) use details::{LinkDetails, PaymentDetails, packed, unpacked};
pub(crate) use views::faces;
pub(crate) use webhooks::{faces as webhook_faces, webhooks};

use crate::envelope::{Code, JSON, Problem};
use crate::once::{replay, response};
use crate::refusal::problem_of_payments;
use crate::route::{Content, Guarded, component};
use crate::state::Web;

/// Sections of the reference.
const PAYMENTS: &str = "Payments";
const CHECKOUT: &str = "Checkout sessions";
const LINKS: &str = "Payment links";
const SUBSCRIPTIONS: &str = "Subscriptions";
const PAYOUTS: &str = "Payouts and balances";
const REPORTS: &str = "Reports";
const WEBHOOKS: &str = "Webhooks";
const CUSTOMERS: &str = "Customers";
const TOKENS: &str = "One-time tokens";
const METHODS: &str = "Payment methods";
const ROUTING: &str = "Routing";

/// Parameters of paths, explained.
const PAYMENT_PARAM: (&str, &str) = ("payment", "Id of the payment.");
const TRANSACTION_PARAM: (&str, &str) = ("transaction", "Id of the transaction.");

/// Refusals that several routes explain alike.
const PAYMENT_NOT_FOUND: (Code, &str) = (Code::PaymentNotFound, "There is no such payment, or it is somebody else's.");
const TRANSACTION_NOT_FOUND: (Code, &str) = (Code::TransactionNotFound, "The payment has no such transaction.");
const UNREACHED: (Code, &str) =
    (Code::ProviderUnavailable, "The acquirer could not be reached. Nothing was moved; the key may be used again.");
const UNANSWERED: (Code, &str) =
    (Code::RequestTimeout, "The acquirer has not answered. It is being asked; repeat the request with the same key.");
const REPORT_NOT_FOUND: (Code, &str) =
    (Code::ObjectNotFound, "There is no such report, it is somebody else's, or its seven days are over.");
const LINK_NOT_FOUND: (Code, &str) = (Code::ObjectNotFound, "There is no such link, or it is somebody else's.");
const CUSTOMER_SESSION_NOT_FOUND: (Code, &str) =
    (Code::ObjectNotFound, "There is no such session, it is somebody else's, or it is over.");

const CUSTOMER_PARAM: (&str, &str) = ("customer", "Id of the customer.");
const REPORT_PARAM: (&str, &str) = ("report", "Id of the report.");
const SESSION_PARAM: (&str, &str) = ("session", "Id of the session.");
const METHOD_PARAM: (&str, &str) = ("method", "Id of the payment method.");

/// All routes that need a key.
pub(crate) fn routes() -> Vec<Guarded> {
    let mut routes = vec![
        create_payment::route(),
        get_payment::route(),
        list_payments::route(),
        search_payments::route(),
        add_fulfilments::route(),
        get_fulfilments::route(),
        capture::route(),
        cancel::route(),
        refund::route(),
        cancel_or_refund::of_payment(),
        cancel_or_refund::of_transaction(),
        create_checkout_session::route(),
        get_checkout_session::route(),
        create_payout::route(),
        get_payout::route(),
        find_payout::route(),
        get_balances::route(),
        create_report::route(),
        list_reports::route(),
        get_report::route(),
        download_report::route(),
        create_payment_link::route(),
        get_payment_link::route(),
        cancel_payment_link::route(),
        create_subscription::route(),
        get_subscription::route(),
        change_subscription::route(),
        step_subscription::pause(),
        step_subscription::resume(),
        step_subscription::cancel(),
        step_subscription::retry(),
        list_subscriptions::route(),
        list_subscription_payments::route(),
        get_routing_rules::route(),
        replace_routing_rules::route(),
        patch_checkout_session::route(),
        checkout_payment_methods::route(),
        checkout_payment::route(),
        create_checkout_token::route(),
        create_token::route(),
        create_customer::route(),
        find_customer::route(),
        get_customer::route(),
        patch_customer::route(),
        delete_customer::route(),
        create_customer_session::route(),
        enrol_in_session::route(),
        confirm_payment_method::route(),
        enrol_payment_method::route(),
        list_payment_methods::route(),
        get_payment_method::of_customer(),
        get_payment_method::alone(),
        unenrol_payment_method::of_customer(),
        unenrol_payment_method::alone(),
    ];
    routes.extend(webhooks::routes());
    routes
}

/// Where a payer is sent back to, out of what is kept of a payment's request.
pub(crate) fn callback_url(details: Option<&[u8]>) -> Option<String> {
    details::unpacked::<details::PaymentDetails<'_>>(details).callback_url.map(std::borrow::Cow::into_owned)
}

/// The same, out of what is kept of a checkout session's.
pub(crate) fn session_callback_url(details: Option<&[u8]>) -> Option<String> {
    details::unpacked::<details::SessionDetails<'_>>(details).callback_url.map(std::borrow::Cow::into_owned)
}

/// The link that a payment was made through, out of what is kept of the payment's request.
pub(crate) fn link_of(details: Option<&[u8]>) -> Option<String> {
    details::unpacked::<details::PaymentDetails<'_>>(details).payment_link_id.map(std::borrow::Cow::into_owned)
}

/// What a reply with a payment is made of.
fn payment_reply() -> Content {
    Content::Json(component::<views::PaymentView<'_>>)
}

/// What a reply with a transaction is made of.
fn operation_reply() -> Content {
    Content::Json(component::<views::OperationView<'_>>)
}

/// What a reply with a checkout session is made of.
fn session_reply() -> Content {
    Content::Json(component::<views::SessionView<'_>>)
}

/// What a reply with a payout is made of.
fn payout_reply() -> Content {
    Content::Json(component::<views::PayoutView<'_>>)
}

/// What a reply with a report is made of.
fn report_reply() -> Content {
    Content::Json(component::<views::ReportView<'_>>)
}

/// What a reply with a payment link is made of.
fn link_reply() -> Content {
    Content::Json(component::<views::LinkView<'_>>)
}

/// What a reply with a subscription is made of.
fn subscription_reply() -> Content {
    Content::Json(component::<views::SubscriptionView<'_>>)
}

/// What a reply with a customer is made of.
fn customer_reply() -> Content {
    Content::Json(component::<views::CustomerView<'_>>)
}

/// What a reply with a customer's session is made of.
fn customer_session_reply() -> Content {
    Content::Json(component::<views::CustomerSessionView<'_>>)
}

/// What a reply with a one-time token is made of.
fn token_reply() -> Content {
    Content::Json(component::<views::TokenView<'_>>)
}

/// What a reply with a stored payment method is made of.
fn method_reply() -> Content {
    Content::Json(component::<views::StoredMethodView<'_>>)
}

/// What a reply that says nothing is made of.
fn nothing_reply() -> Content {
    Content::Json(|_| utoipa::openapi::ObjectBuilder::new().build().into())
}

/// An answer of `payments` as a reply.
fn answer(web: &Web, once: Option<&payments::Once>, answered: Result<Answer, PaymentsError>) -> Response {
    match (answered, once) {
        (Ok(Answer::Done(reply)), _) => response(reply),
        (Ok(Answer::Replay(recorded)), Some(once)) => replay(web, once, &recorded),
        (Ok(Answer::Replay(_)), None) => Problem::internal("a replay without a key".to_owned()).into_response(),
        (Err(error), _) => problem_of_payments(web, &error).into_response(),
    }
}

/// JSON that was just drawn.
fn json(body: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, JSON)], body).into_response()
}
