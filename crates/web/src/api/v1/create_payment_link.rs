//! `POST /v1/payment-links`: makes an address where an amount can be paid.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use payments::links::CreateLink;

use super::details::{LinkDetails, packed, raw};
use super::parts::{Availability, CustomerPayer, Echoed, Metadata, Reference, must_be_positive};
use super::{LINKS, answer, link_reply};
use crate::caller::{Caller, MoneyIn};
use crate::envelope::Code;
use crate::object::{self, Body, Items, Land, Link, Prose, Reader, Text, object};
use crate::once::{Once, Optional};
use crate::route::Guarded;
use crate::state::Web;

object! {
    /// A payment link to be made.
    pub(super) struct CreatePaymentLinkBody {
        /// The account of the key.
        account_id: object::Account,
        /// Where the payment is made: ISO 3166-1 alpha-2.
        country: Land,
        /// How much.
        amount: object::Amount,
        /// How it may be paid: `["CARD"]`.
        payment_method_types: Items<Text<1, 64>, 10>,
        /// What the payer reads that he pays for.
        description: Option<Prose<3, 255>>,
        /// Your own name for the order.
        merchant_order_id: Option<Reference>,
        /// `false` only authorises.
        capture: bool = true,
        /// Where the payer goes when he has paid.
        callback_url: Option<Link<256>>,
        /// `false` lets many people pay.
        one_time_use: bool = true,
        /// When it may be paid.
        availability: Option<Availability>,
        /// Who pays.
        customer_payer: Option<CustomerPayer>,
        /// Comes back unchanged; at most 64 KiB.
        additional_data: Option<Echoed>,
        /// Your own notes, at most 50, each key once.
        metadata: Option<Metadata>,
        /// Keep the card for later when the payment succeeds.
        vault_on_success: bool = false,
    }
}

impl Body for CreatePaymentLinkBody {
    type Ask = CreateLink;

    fn name() -> &'static str {
        "CreatePaymentLinkBody"
    }

    fn judge(self, reader: &mut Reader) -> Option<CreateLink> {
        must_be_positive(self.amount.0, reader);
        let types = &self.payment_method_types.0;
        if types.is_empty() {
            reader.wrong_at(&["payment_method_types"], Code::InvalidParameters, "must name at least one");
        }
        if types.iter().any(|Text(kind)| &**kind != "CARD") {
            reader.wrong_at(&["payment_method_types"], Code::UnavailablePaymentMethod, "only CARD is offered");
        }
        let (start_at, finish_at) = Availability::times(self.availability.as_ref());
        let details = packed(&LinkDetails {
            customer_payer: self.customer_payer.as_ref().map(CustomerPayer::kept),
            additional_data: self.additional_data.as_ref().map(raw),
            metadata: self.metadata.as_ref().map(raw),
            vault_on_success: self.vault_on_success,
        });
        Some(CreateLink {
            country: self.country.0,
            amount: self.amount.0,
            description: self.description.map(|Prose(text)| text),
            merchant_order_id: self.merchant_order_id.map(|Text(text)| text),
            capture: self.capture,
            one_time_use: self.one_time_use,
            callback_url: self.callback_url.map(|Link(text)| text),
            customer_id: self.customer_payer.as_ref().and_then(CustomerPayer::customer),
            start_at,
            finish_at,
            details,
            base_url: "".into(), // known to the handler
        })
    }
}

/// A body that works, for the reference.
const EXAMPLE: &str = r#"{"account_id": "01936b1a-0000-7000-8000-00000000a001", "country": "FR", "description": "Two chairs",
 "amount": {"currency": "EUR", "value": 19.99}, "payment_method_types": ["CARD"]}"#;

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::POST, "/v1/payment-links", create_payment_link).about(|route| {
        route
            .named(LINKS, "create-payment-link", "Make a payment link")
            .text("`checkout_url` is the page to send to the payer. A link for one use is paid once, however many people try.")
            .example(EXAMPLE)
            .replies(StatusCode::OK, "The link.", link_reply())
            .drawn(super::views::sample::link_reply)
            .refusals(&[
                (Code::InvalidDate, "The link would be over before it began."),
                (Code::UnavailablePaymentMethod, "Only cards are offered."),
                (Code::CustomerNotFound, "`customer_payer.id` is no customer of yours, or one that was deleted."),
            ])
    })
}

async fn create_payment_link(
    caller: Caller<MoneyIn>,
    State(web): State<Web>,
    once: Once<Optional, CreatePaymentLinkBody>,
) -> Response {
    let ask = CreateLink { base_url: base_url(&web), ..once.ask };
    let answered = web.wiring.payments.create_link(caller.account_id(), ask, once.key.clone()).await;
    answer(&web, once.key.as_ref(), answered)
}

/// Where the product is reached.
pub(super) fn base_url(web: &Web) -> Arc<str> {
    web.wiring.options.base_url.as_str().into()
}
