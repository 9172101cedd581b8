//! `POST /v1/customers/sessions/{session}/payment-methods`: a payment method that waits for its card.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use kernel::{Country, Currency, CustomerSessionId};
use payments::methods::PrepareMethod;

use super::{CUSTOMER_SESSION_NOT_FOUND, METHODS, answer, method_reply};
use crate::caller::{Caller, MoneyIn};
use crate::envelope::Code;
use crate::extract::At;
use crate::object::{self, Body, Land, Reader, Text, object};
use crate::once::{Once, Required};
use crate::route::Guarded;
use crate::state::Web;

object! {
    /// A payment method to be enrolled in a customer's session.
    pub(super) struct EnrolInSessionBody {
        /// The account of the key.
        account_id: object::Account,
        /// Only `CARD` is offered.
        payment_method_type: Text<1, 64>,
        /// Where it is enrolled: ISO 3166-1 alpha-2.
        country: Land,
        /// Whether the card is checked before it is stored.
        verify: Option<Verification>,
    }
}

object! {
    /// Whether a card is checked before it is stored.
    pub(super) struct Verification {
        /// Ask the acquirer first, for an amount of zero.
        vault_on_success: bool = false,
        /// In which currency; that of your account when absent.
        currency: Option<Text<0, 8>>,
    }
}

/// Whether the card is checked first, and in which currency if that was said.
#[derive(Debug, Clone, Copy)]
pub(super) enum Checked {
    /// Stored as it comes.
    Not,
    /// In the currency of the account.
    AtHome,
    /// In this currency.
    In(Currency),
}

impl Checked {
    /// The currency of the check, if there is one.
    pub(super) fn in_currency(self, home: Currency) -> Option<Currency> {
        match self {
            Checked::Not => None,
            Checked::AtHome => Some(home),
            Checked::In(currency) => Some(currency),
        }
    }
}

impl Verification {
    /// What it comes to.
    pub(super) fn judge(wanted: Option<Verification>, reader: &mut Reader) -> Checked {
        let Some(Verification { vault_on_success, currency }) = wanted else { return Checked::Not };
        let currency = currency.and_then(|Text(code)| {
            let known = Currency::parse(&code);
            if known.is_none() {
                let what = "must be a currency code of ISO 4217";
                reader.wrong_at(&["verify", "currency"], Code::CurrencyNotAllowed, what);
            }
            known
        });
        if vault_on_success { currency.map_or(Checked::AtHome, Checked::In) } else { Checked::Not }
    }
}

/// What is asked: where, and whether with a check.
pub(super) struct Wanted {
    country: Country,
    verify: Checked,
}

impl Body for EnrolInSessionBody {
    type Ask = Wanted;

    fn name() -> &'static str {
        "EnrolInSessionBody"
    }

    fn judge(self, reader: &mut Reader) -> Option<Wanted> {
        if &*self.payment_method_type.0 != "CARD" {
            reader.wrong_at(&["payment_method_type"], Code::UnavailablePaymentMethod, "only CARD is offered");
        }
        Some(Wanted { country: self.country.0, verify: Verification::judge(self.verify, reader) })
    }
}

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::POST, "/v1/customers/sessions/{session}/payment-methods", enrol_in_session).about(|route| {
        route
            .named(METHODS, "enrol-in-session", "Prepare a payment method in a customer's session")
            .text("The method waits for a card: send a token to its `confirm`.")
            .params(&[("session", "Id of the customer's session.")])
            .example(
                r#"{"account_id": "01936b1a-0000-7000-8000-00000000a001", "payment_method_type": "CARD", "country": "FR",
 "verify": {"vault_on_success": true, "currency": "EUR"}}"#,
            )
            .replies(StatusCode::CREATED, "The payment method.", method_reply())
            .refusals(&[
                CUSTOMER_SESSION_NOT_FOUND,
                (Code::CurrencyNotAllowed, "The currency is none of ISO 4217."),
                (Code::InvalidAmount, "The amount of the check is not allowed."),
                (Code::CustomerNotFound, "The session's customer was deleted."),
                (Code::UnavailablePaymentMethod, "Only cards are offered."),
            ])
    })
}

async fn enrol_in_session(
    caller: Caller<MoneyIn>,
    At(session): At<Option<CustomerSessionId>>,
    State(web): State<Web>,
    once: Once<Required, EnrolInSessionBody>,
) -> Response {
    let ask = PrepareMethod { country: once.ask.country, verify: once.ask.verify.in_currency(caller.home_currency()) };
    let answered = web.wiring.payments.prepare_method(caller.account_id(), session, ask, once.key.clone()).await;
    answer(&web, Some(&once.key), answered)
}
