//! `PATCH /v1/checkout/sessions/{session}`: changes a session that can still be used.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use kernel::CheckoutSessionId;
use payments::PatchCheckoutSession;
use payments::customers::Changes;

use super::create_checkout_session::{Installments, SessionWorkflow};
use super::parts::{Metadata, Reference, must_be_positive};
use super::patch_customer::noted;
use super::{CHECKOUT, SESSION_PARAM, answer, session_reply};
use crate::caller::{Caller, MoneyIn};
use crate::envelope::Code;
use crate::extract::At;
use crate::object::{self, Amount, Body, Kept, Land, Link, Patch, Prose, Reader, Text, object};
use crate::once::{Once, Optional};
use crate::route::Guarded;
use crate::state::Web;

object! {
    /// What is to be changed of a checkout session: what is absent stays, `null` takes off.
    pub(super) struct PatchCheckoutSessionBody {
        /// The account of the key, for those who want to say it.
        account_id: Option<object::Account>,
        /// Your own name for the order.
        merchant_order_id: Kept<Reference>,
        /// What the payer pays for.
        payment_description: Kept<Prose<3, 255>>,
        /// Where the payment is made: ISO 3166-1 alpha-2.
        country: Kept<Land>,
        /// The customer, made before.
        customer_id: Patch<Text<1, 64>>,
        /// Where the payer is sent back to; never fetched by us.
        callback_url: Patch<Link<526>>,
        /// How much; the payment must ask for the same.
        amount: Patch<Amount>,
        /// Your own notes, at most 50, each key once.
        metadata: Patch<Metadata>,
        /// How the card will come; taken off, `SDK_CHECKOUT`.
        workflow: Patch<SessionWorkflow>,
        /// In which parts it may be paid.
        installments: Patch<Installments>,
        /// Your own name for the page.
        checkout_id: Patch<Text<1, 255>>,
    }
}

impl Body for PatchCheckoutSessionBody {
    type Ask = PatchCheckoutSession;

    fn name() -> &'static str {
        "PatchCheckoutSessionBody"
    }

    fn judge(self, reader: &mut Reader) -> Option<PatchCheckoutSession> {
        let amount = self.amount.change().map(|amount| amount.map(|Amount(amount)| amount));
        if let Some(amount) = amount.flatten() {
            must_be_positive(amount, reader);
        }
        self.merchant_order_id.judge("merchant_order_id", reader);
        self.payment_description.judge("payment_description", reader);
        self.country.judge("country", reader);
        let workflow = self.workflow.change().map(|workflow| workflow.unwrap_or(SessionWorkflow::SdkCheckout));
        let mut changes = Changes::default();
        noted(&mut changes, "callback_url", self.callback_url);
        noted(&mut changes, "metadata", self.metadata);
        noted(&mut changes, "installments", self.installments);
        noted(&mut changes, "checkout_id", self.checkout_id);
        Some(PatchCheckoutSession {
            merchant_order_id: self.merchant_order_id.set().map(|Text(order)| order),
            payment_description: self.payment_description.set().map(|Prose(description)| description),
            country: self.country.set().map(|Land(country)| country),
            amount,
            workflow: workflow.map(|workflow| workflow.word().domain()),
            customer: self.customer_id.change().map(|customer| customer.map(|Text(customer)| customer)),
            changes,
        })
    }
}

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::PATCH, "/v1/checkout/sessions/{session}", patch_checkout_session).about(|route| {
        route
            .named(CHECKOUT, "update-checkout-session", "Change a checkout session")
            .params(&[SESSION_PARAM])
            .example(r#"{"amount": {"currency": "EUR", "value": 24.99}}"#)
            .replies(StatusCode::OK, "The session.", session_reply())
            .refusals(&[
                (Code::CheckoutSessionNotFound, "There is no such session, or it is used or over."),
                (Code::CustomerNotFound, "There is no such customer."),
            ])
    })
}

async fn patch_checkout_session(
    caller: Caller<MoneyIn>,
    At(session): At<Option<CheckoutSessionId>>,
    State(web): State<Web>,
    once: Once<Optional, PatchCheckoutSessionBody>,
) -> Response {
    let answered = web.wiring.payments.patch_checkout_session(caller.account_id(), session, once.ask, once.key.clone()).await;
    answer(&web, once.key.as_ref(), answered)
}
