//! `POST /v1/checkout/sessions/{session}/token`: a one-time token for the card of a session's payment.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use kernel::CheckoutSessionId;
use payments::tokens::CreateToken;

use super::parts::CardData;
use super::{CHECKOUT, SESSION_PARAM, answer, token_reply};
use crate::caller::{Caller, MoneyIn};
use crate::envelope::Code;
use crate::extract::At;
use crate::object::{Body, Reader, Text, object};
use crate::once::{Once, Optional};
use crate::route::Guarded;
use crate::state::Web;

object! {
    /// What the payer typed in.
    pub(super) struct CreateCheckoutTokenBody {
        /// The way of paying.
        payment_method: TokenMethod,
    }
}

object! {
    /// A way of paying, to be replaced by a one-time token.
    pub(super) struct TokenMethod {
        /// Only `CARD` is offered.
        kind as "type": Text<1, 64>,
        /// Keep the card for later when the payment made with the token succeeds.
        vault_on_success: bool = false,
        /// The card.
        card: TokenCard,
    }
}

object! {
    /// A card, to be replaced by a one-time token.
    pub(super) struct TokenCard {
        /// The card.
        card_data: CardData,
    }
}

impl Body for CreateCheckoutTokenBody {
    type Ask = CreateToken;

    fn name() -> &'static str {
        "CreateCheckoutTokenBody"
    }

    fn judge(self, reader: &mut Reader) -> Option<CreateToken> {
        let TokenMethod { kind: Text(kind), vault_on_success, card } = self.payment_method;
        if &*kind != "CARD" {
            reader.wrong_at(&["payment_method", "type"], Code::UnavailablePaymentMethod, "only CARD is offered");
        }
        Some(CreateToken { card: card.card_data.ask()?, vault_on_success, customer: None, customer_session: None, details: None })
    }
}

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::POST, "/v1/checkout/sessions/{session}/token", create_checkout_token).about(|route| {
        route
            .named(CHECKOUT, "create-checkout-token", "Create a one-time token in a checkout session")
            .params(&[SESSION_PARAM])
            .example(
                r#"{"payment_method": {"type": "CARD", "card": {"card_data": {"number": "4507990000000002",
 "expiration_month": 12, "expiration_year": 2030, "security_code": "123", "holder_name": "Ada Martin"}}}}"#,
            )
            .replies(StatusCode::CREATED, "The token.", token_reply())
            .refusals(&[
                (Code::CheckoutSessionNotFound, "There is no such session, or it is used or over."),
                (Code::UnavailablePaymentMethod, "Only cards are offered."),
            ])
    })
}

async fn create_checkout_token(
    caller: Caller<MoneyIn>,
    At(session): At<Option<CheckoutSessionId>>,
    State(web): State<Web>,
    once: Once<Optional, CreateCheckoutTokenBody>,
) -> Response {
    let mut ask = once.ask;
    ask.card.fingerprint = Some(caller.fingerprint(&ask.card.number));
    let answered = web.wiring.payments.create_token(caller.account_id(), Some(session), ask, once.key.clone()).await;
    answer(&web, once.key.as_ref(), answered)
}
