//! The payments family: `/v1`. Routes and rules: the payments specification; envelope: [`crate::envelope`].

mod cancel;
mod cancel_or_refund;
mod cancel_payment_link;
mod capture;
mod change_subscription;
mod create_checkout_session;
mod create_payment;
mod create_payment_link;
mod create_payout;
mod create_subscription;
mod details;
mod find_payout;
mod get_balances;
mod get_checkout_session;
mod get_payment;
mod get_payment_link;
mod get_payout;
mod get_subscription;
mod list_payments;
mod list_subscription_payments;
mod list_subscriptions;
mod parts;
mod refund;
mod step_subscription;
mod views;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use payments::{Answer, PaymentsError};

pub(crate) use details::{LinkDetails, PaymentDetails, packed, unpacked};
pub(crate) use views::faces;

use crate::envelope::JSON;
use crate::once::{replayed, response};
use crate::refusal::problem_of_payments;
use crate::route::{Content, Guarded, component};
use crate::state::Web;

/// Sections of the reference.
const PAYMENTS: &str = "Payments";
const CHECKOUT: &str = "Checkout sessions";
const LINKS: &str = "Payment links";
const SUBSCRIPTIONS: &str = "Subscriptions";
const PAYOUTS: &str = "Payouts and balances";

/// Parameters of paths, explained.
const PAYMENT_PARAM: (&str, &str) = ("payment", "Id of the payment.");
const TRANSACTION_PARAM: (&str, &str) = ("transaction", "Id of the transaction.");

/// All routes that need a key.
pub(crate) fn routes() -> Vec<Guarded> {
    vec![
        create_payment::route(),
        get_payment::route(),
        list_payments::route(),
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
    ]
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

/// What a reply with a payment link is made of.
fn link_reply() -> Content {
    Content::Json(component::<views::LinkView<'_>>)
}

/// What a reply with a subscription is made of.
fn subscription_reply() -> Content {
    Content::Json(component::<views::SubscriptionView<'_>>)
}

/// An answer of `payments` as a reply.
fn answer(web: &Web, once: Option<&payments::Once>, answered: Result<Answer, PaymentsError>) -> Response {
    match (answered, once) {
        (Ok(Answer::Done(reply)), _) => response(reply),
        (Ok(Answer::Replay(recorded)), once) => {
            if let Some(once) = once {
                web.wiring.idempotency.replayed(&once.scope, &recorded, once.body_hash, &once.request_id);
            }
            replayed(&recorded)
        }
        (Err(error), _) => problem_of_payments(web, &error).into_response(),
    }
}

/// JSON that was just drawn.
fn json(body: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, JSON)], body).into_response()
}
