//! `GET /v1/payment-methods/{method}` and `GET /v1/customers/{customer}/payment-methods/{method}`: one stored payment method.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use kernel::{AccountId, CustomerId, PaymentMethodId};

use super::{CUSTOMER_PARAM, METHOD_PARAM, METHODS, json, method_reply, views};
use crate::caller::{Caller, Read};
use crate::envelope::{Code, Problem};
use crate::extract::At;
use crate::refusal::problem_of_fault;
use crate::route::Guarded;
use crate::state::Web;

const REFUSALS: &[(Code, &str)] = &[(Code::PaymentMethodNotFound, "There is no such payment method, or it is somebody else's.")];

/// The route by the method alone.
pub(super) fn alone() -> Guarded {
    Guarded::new(Method::GET, "/v1/payment-methods/{method}", get_payment_method).about(|route| {
        route
            .named(METHODS, "get-payment-method", "Get a payment method")
            .params(&[METHOD_PARAM])
            .replies(StatusCode::OK, "The payment method.", method_reply())
            .refusals(REFUSALS)
    })
}

/// The route through the customer.
pub(super) fn of_customer() -> Guarded {
    Guarded::new(Method::GET, "/v1/customers/{customer}/payment-methods/{method}", get_payment_method_of_customer).about(
        |route| {
            route
                .named(METHODS, "get-payment-method-of-customer", "Get a customer's payment method")
                .params(&[CUSTOMER_PARAM, METHOD_PARAM])
                .replies(StatusCode::OK, "The payment method.", method_reply())
                .refusals(REFUSALS)
        },
    )
}

async fn get_payment_method(caller: Caller<Read>, At(method): At<Option<PaymentMethodId>>, State(web): State<Web>) -> Response {
    look(&web, caller.account_id(), None, method).await
}

async fn get_payment_method_of_customer(
    caller: Caller<Read>,
    At((customer, method)): At<(Option<CustomerId>, Option<PaymentMethodId>)>,
    State(web): State<Web>,
) -> Response {
    look(&web, caller.account_id(), Some(customer), method).await
}

async fn look(web: &Web, account: AccountId, customer: Option<Option<CustomerId>>, method: Option<PaymentMethodId>) -> Response {
    let found = match method {
        Some(method) => web.wiring.payments.get_method(account, method).await,
        None => Ok(None),
    };
    let belongs = |owner: Option<CustomerId>| customer.is_none_or(|customer| customer.is_some() && customer == owner);
    match found {
        Ok(Some(stored)) if belongs(stored.method.customer_id) => json(views::method(&stored.facts())),
        Ok(_) => Problem::new(Code::PaymentMethodNotFound, "payment method not found").into_response(),
        Err(fault) => problem_of_fault(&fault).into_response(),
    }
}
