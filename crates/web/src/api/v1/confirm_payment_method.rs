//! `POST /v1/customers/sessions/{session}/payment-methods/{method}/confirm`: the card of a payment method that waits for it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use idempotency::{BodyHash, IdempotencyKey, Scope};
use kernel::{AccountId, CustomerSessionId, PaymentMethodId};

use super::{CUSTOMER_SESSION_NOT_FOUND, METHOD_PARAM, METHODS, answer, method_reply};
use crate::caller::{Caller, MoneyIn};
use crate::envelope::{Code, Problem};
use crate::exchange::Exchange;
use crate::extract::{At, Facts};
use crate::object::{Body, Reader, Text, object};
use crate::once::{Once, Optional};
use crate::route::Guarded;
use crate::state::Web;

object! {
    /// The card, as a one-time token.
    pub(super) struct ConfirmPaymentMethodBody {
        /// A token that was made in this session, or in none.
        token: Text<1, 64>,
    }
}

impl Body for ConfirmPaymentMethodBody {
    type Ask = Arc<str>;

    fn name() -> &'static str {
        "ConfirmPaymentMethodBody"
    }

    fn judge(self, _reader: &mut Reader) -> Option<Arc<str>> {
        Some(self.token.0)
    }
}

/// The route.
pub(super) fn route() -> Guarded {
    let path = "/v1/customers/sessions/{session}/payment-methods/{method}/confirm";
    Guarded::new(Method::POST, path, confirm_payment_method).about(|route| {
        route
            .named(METHODS, "confirm-payment-method", "Give a waiting payment method its card")
            .params(&[("session", "Id of the customer's session."), METHOD_PARAM])
            .example(r#"{"token": "01936b1c-7a4e-7c55-8a1b-0c9e5f3d2b07"}"#)
            .replies(StatusCode::CREATED, "The payment method; `DECLINED` when the card was refused.", method_reply())
            .refusals(&[
                CUSTOMER_SESSION_NOT_FOUND,
                (Code::PaymentMethodNotFound, "There is no such method in this session."),
                (Code::InvalidToken, "The token is used, too old or not yours."),
                (Code::InvalidStatus, "The method waits for no card any more."),
            ])
    })
}

async fn confirm_payment_method(
    caller: Caller<MoneyIn>,
    At((session, method)): At<(Option<CustomerSessionId>, Option<PaymentMethodId>)>,
    Facts(exchange): Facts,
    State(web): State<Web>,
    once: Once<Optional, ConfirmPaymentMethodBody>,
) -> Response {
    let Some(key) = once.key.or_else(|| key_of_token(caller.account_id(), &exchange, &once.ask)) else {
        return Problem::new(Code::InvalidToken, payments::Refusal::InvalidToken.to_string()).into_response();
    };
    let answered = web.wiring.payments.confirm_method(&caller.terms(), session, method, once.ask, key.clone()).await;
    answer(&web, Some(&key), answered)
}

/// The acquirer may be asked, so there must be a key by which recovery finds the request: without one of the caller's, the token's.
/// `None` for a token that cannot be one.
fn key_of_token(account: AccountId, exchange: &Exchange, token: &str) -> Option<payments::Once> {
    let text = format!("confirm:{token}");
    let key = IdempotencyKey::parse(text.as_bytes()).ok()?;
    Some(payments::Once {
        scope: Scope::of(account, "POST", &exchange.canonical_path(), &key),
        key: key.as_str().into(),
        body_hash: BodyHash::of(text.as_bytes()),
        request_id: exchange.request_id.as_str().into(),
        strict: false,
    })
}
