//! `POST /v1/customers/{customer}/payment-methods`: enrols a card for a customer.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use kernel::{Country, CustomerId};
use payments::Means;
use payments::methods::EnrolMethod;

use super::create_payment::not_empty;
use super::enrol_in_session::{Checked, Verification};
use super::parts::CardData;
use super::{CUSTOMER_PARAM, METHODS, answer, method_reply};
use crate::caller::{Caller, MoneyIn};
use crate::envelope::Code;
use crate::extract::At;
use crate::object::{self, Body, Land, Link, Reader, Text, object, words};
use crate::once::{Once, Required};
use crate::route::Guarded;
use crate::state::Web;

object! {
    /// A card to be enrolled. Exactly one of `card_data` and `token`.
    pub(super) struct EnrolPaymentMethodBody {
        /// The account of the key.
        account_id: object::Account,
        /// Where it is enrolled: ISO 3166-1 alpha-2.
        country: Land,
        /// Only `CARD` is offered.
        kind as "type": Text<1, 64>,
        /// Only `DIRECT` is offered.
        workflow: EnrolWorkflow = EnrolWorkflow::Direct,
        /// The card.
        card_data: Option<CardData>,
        /// A one-time token.
        token: Option<Text<0, 64>>,
        /// Where the payer is sent back to; never fetched by us.
        callback_url: Option<Link<526>>,
        /// Whether the card is checked before it is stored.
        verify: Option<Verification>,
    }
}

words! {
    /// How the card comes.
    pub(super) enum EnrolWorkflow {
        /// With the request.
        Direct = "DIRECT",
    }
}

/// What is asked, but for the currency of a check.
pub(super) struct Wanted {
    country: Country,
    verify: Checked,
    means: Means,
    callback_url: Option<std::sync::Arc<str>>,
}

impl Body for EnrolPaymentMethodBody {
    type Ask = Wanted;

    fn name() -> &'static str {
        "EnrolPaymentMethodBody"
    }

    fn judge(self, reader: &mut Reader) -> Option<Wanted> {
        if &*self.kind.0 != "CARD" {
            reader.wrong_at(&["type"], Code::UnavailablePaymentMethod, "only CARD is offered");
        }
        let verify = Verification::judge(self.verify, reader);
        let means = match (self.card_data, not_empty(self.token)) {
            (Some(card), None) => Means::Card(card.ask()?),
            (None, Some(token)) => Means::Token(token),
            (None, None) => {
                reader.wrong_at(&["card_data"], Code::MissingParameters, "is required, or a token");
                return None;
            }
            (Some(_), Some(_)) => return reader.invalid("must have exactly one of card_data and token"),
        };
        Some(Wanted { country: self.country.0, verify, means, callback_url: self.callback_url.map(|Link(url)| url) })
    }
}

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::POST, "/v1/customers/{customer}/payment-methods", enrol_payment_method).about(|route| {
        route
            .named(METHODS, "enrol-payment-method", "Enrol a card")
            .text(
                "A card that the customer has already is answered with the method it is known as. With `verify.vault_on_success` the \
                 acquirer is asked first; a refused card is answered 201 with the status `DECLINED`. Where the payer has to prove that the \
                 card is his, the method is `ENROLL_IN_PROCESS` until he has, on the page at `redirect_url`; he is sent back to \
                 `callback_url`.",
            )
            .params(&[CUSTOMER_PARAM])
            .example(
                r#"{"account_id": "01936b1a-0000-7000-8000-00000000a001", "country": "FR", "type": "CARD",
 "card_data": {"number": "4507990000000002", "expiration_month": 12, "expiration_year": 2030, "holder_name": "Ada Martin"}}"#,
            )
            .replies(StatusCode::CREATED, "The payment method.", method_reply())
            .drawn(super::views::sample::method_reply)
            .refusals(&[
                (Code::CustomerNotFound, "There is no such customer, or it is somebody else's."),
                (Code::InvalidToken, "The token is used, too old or not yours."),
                (Code::UnavailablePaymentMethod, "Only cards are offered."),
                (Code::ProviderUnavailable, "The acquirer could not be reached. Nothing was stored; the key may be used again."),
                (Code::RequestTimeout, "The acquirer has not answered. It is being asked; repeat the request with the same key."),
            ])
    })
}

async fn enrol_payment_method(
    caller: Caller<MoneyIn>,
    At(customer): At<Option<CustomerId>>,
    State(web): State<Web>,
    once: Once<Required, EnrolPaymentMethodBody>,
) -> Response {
    let Wanted { country, verify, mut means, callback_url } = once.ask;
    if let Means::Card(card) = &mut means {
        card.fingerprint = Some(caller.fingerprint(&card.number));
    }
    let ask = EnrolMethod { country, verify: verify.in_currency(caller.home_currency()), means, callback_url };
    let answered = web.wiring.payments.enrol_method(&caller.terms(), customer, ask, once.key.clone()).await;
    answer(&web, Some(&once.key), answered)
}
