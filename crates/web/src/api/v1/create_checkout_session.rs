//! `POST /v1/checkout/sessions`: opens an order for which one payment can be made.

use std::borrow::Cow;

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use payments::CreateCheckoutSession;
use serde::Serialize;

use super::create_payment::WorkflowWord;
use super::details::{SessionDetails, packed, raw};
use super::parts::{Echoed, Metadata, Reference, must_be_positive};
use super::{CHECKOUT, answer, session_reply};
use crate::caller::{Caller, MoneyIn};
use crate::object::{self, Amount, Body, Land, Link, Prose, Reader, Text, object, words};
use crate::once::{Once, Optional};
use crate::route::Guarded;
use crate::state::Web;

object! {
    /// A checkout session to be opened.
    pub(super) struct CreateCheckoutSessionBody {
        /// The account of the key.
        account_id: object::Account,
        /// Your own name for the order.
        merchant_order_id: Reference,
        /// What the payer pays for.
        payment_description: Prose<3, 255>,
        /// Where the payment is made: ISO 3166-1 alpha-2.
        country: Land,
        /// The customer, made before.
        customer_id: Option<Text<1, 64>>,
        /// Where the payer is sent back to; never fetched by us.
        callback_url: Option<Link<526>>,
        /// How much; the payment must ask for the same.
        amount: Option<Amount>,
        /// The same in another currency, for showing.
        alternative_amount: Option<Amount>,
        /// Your own notes, at most 50, each key once.
        metadata: Option<Metadata>,
        /// How the card will come.
        workflow: SessionWorkflow = SessionWorkflow::SdkCheckout,
        /// In which parts it may be paid.
        installments: Option<Installments>,
        /// Your own name for the page.
        checkout_id: Option<Text<1, 255>>,
    }
}

object! {
    /// In which parts an order may be paid; kept and shown, the card's bank sees to the rest.
    #[derive(Serialize)]
    pub(super) struct Installments {
        /// Your own name for the plan.
        plan_id: Option<Text<1, 255>>,
        /// The plan; comes back unchanged, at most 64 KiB.
        plan: Option<Echoed>,
    }
}

words! {
    /// How the card will come.
    pub(super) enum SessionWorkflow {
        /// The payment page's script, fields drawn by us.
        SdkCheckout = "SDK_CHECKOUT",
        /// The same, fields drawn by the merchant.
        Checkout = "CHECKOUT",
        /// The same, without a visible step.
        SdkSeamless = "SDK_SEAMLESS",
    }
}

impl SessionWorkflow {
    pub(super) fn word(self) -> WorkflowWord {
        match self {
            SessionWorkflow::SdkCheckout => WorkflowWord::SdkCheckout,
            SessionWorkflow::Checkout => WorkflowWord::Checkout,
            SessionWorkflow::SdkSeamless => WorkflowWord::SdkSeamless,
        }
    }
}

impl Body for CreateCheckoutSessionBody {
    type Ask = CreateCheckoutSession;

    fn name() -> &'static str {
        "CreateCheckoutSessionBody"
    }

    fn judge(self, reader: &mut Reader) -> Option<CreateCheckoutSession> {
        let amount = self.amount.map(|Amount(amount)| amount);
        if let Some(amount) = amount {
            must_be_positive(amount, reader);
        }
        let details = packed(&SessionDetails {
            callback_url: self.callback_url.as_ref().map(|Link(text)| Cow::Borrowed(&**text)),
            metadata: self.metadata.as_ref().map(raw),
            installments: self.installments.as_ref().map(raw),
            checkout_id: self.checkout_id.as_ref().map(|Text(text)| Cow::Borrowed(&**text)),
        });
        Some(CreateCheckoutSession {
            merchant_order_id: self.merchant_order_id.0,
            payment_description: self.payment_description.0,
            country: self.country.0,
            amount,
            workflow: self.workflow.word().domain(),
            customer: self.customer_id.map(|Text(id)| id),
            details,
        })
    }
}

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::POST, "/v1/checkout/sessions", create_checkout_session).about(|route| {
        route
            .named(CHECKOUT, "create-checkout-session", "Open a checkout session")
            .text("A session is good for one payment and ends five hours after it was opened.")
            .example(
                r#"{"account_id": "01936b1a-0000-7000-8000-00000000a001", "merchant_order_id": "order-1042",
 "payment_description": "Two chairs", "country": "FR", "amount": {"currency": "EUR", "value": 19.99}}"#,
            )
            .replies(StatusCode::OK, "The session.", session_reply())
            .drawn(super::views::sample::session_reply)
    })
}

async fn create_checkout_session(
    caller: Caller<MoneyIn>,
    State(web): State<Web>,
    once: Once<Optional, CreateCheckoutSessionBody>,
) -> Response {
    let answered = web.wiring.payments.create_checkout_session(caller.account_id(), once.ask, once.key.clone()).await;
    answer(&web, once.key.as_ref(), answered)
}
