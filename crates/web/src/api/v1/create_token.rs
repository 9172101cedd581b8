//! `POST /v1/tokens`: a one-time token for a card.

use std::borrow::Cow;

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use payments::tokens::CreateToken;

use super::details::{TokenDetails, packed};
use super::parts::{CardData, CustomerPayer};
use super::{TOKENS, answer, token_reply};
use crate::caller::{Caller, MoneyIn};
use crate::object::{self, Body, Land, Reader, Text, object};
use crate::once::{Once, Optional};
use crate::route::Guarded;
use crate::state::Web;

object! {
    /// A card to be replaced by a one-time token.
    pub(super) struct CreateTokenBody {
        /// The account of the key.
        account_id: object::Account,
        /// The card.
        card_data: CardData,
        /// Where the payment will be made: ISO 3166-1 alpha-2.
        country: Option<Land>,
        /// Who will pay.
        customer_payer: Option<CustomerPayer>,
        /// The customer's session in which the card will be enrolled; the token is good for nothing else then.
        customer_session: Option<Text<1, 64>>,
        /// Keep the card for later when the payment made with the token succeeds.
        vault_on_success: bool = false,
    }
}

impl Body for CreateTokenBody {
    type Ask = CreateToken;

    fn name() -> &'static str {
        "CreateTokenBody"
    }

    fn judge(self, _reader: &mut Reader) -> Option<CreateToken> {
        let details = packed(&TokenDetails {
            customer: self.customer_payer.as_ref().map(CustomerPayer::kept),
            country: self.country.map(|Land(country)| Cow::Borrowed(country.code())),
        });
        Some(CreateToken {
            card: self.card_data.ask()?,
            vault_on_success: self.vault_on_success,
            customer: self.customer_payer.as_ref().and_then(CustomerPayer::customer),
            customer_session: self.customer_session.map(|Text(session)| session),
            details,
        })
    }
}

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::POST, "/v1/tokens", create_token).about(|route| {
        route
            .named(TOKENS, "create-token", "Create a one-time token")
            .text(
                "The token stands for the card in one payment or enrolment within 15 minutes. Number and code are kept sealed until \
                 then and destroyed after it. One that is made for a customer is of no use once he is deleted.",
            )
            .example(
                r#"{"account_id": "01936b1a-0000-7000-8000-00000000a001", "card_data": {"number": "4507990000000002",
 "expiration_month": 12, "expiration_year": 2030, "security_code": "123", "holder_name": "Ada Martin"}}"#,
            )
            .replies(StatusCode::CREATED, "The token.", token_reply())
            .drawn(super::views::sample::token_reply)
    })
}

async fn create_token(caller: Caller<MoneyIn>, State(web): State<Web>, once: Once<Optional, CreateTokenBody>) -> Response {
    let mut ask = once.ask;
    ask.card.fingerprint = Some(caller.fingerprint(&ask.card.number));
    let answered = web.wiring.payments.create_token(caller.account_id(), None, ask, once.key.clone()).await;
    answer(&web, once.key.as_ref(), answered)
}
