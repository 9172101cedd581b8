//! `GET /v1/customers/{customer}`: one customer.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use db::Fault;
use kernel::CustomerId;
use payments::customers::CustomerRow;

use super::{CUSTOMER_PARAM, CUSTOMERS, customer_reply, json, views};
use crate::caller::{Caller, Read};
use crate::envelope::{Code, Problem};
use crate::extract::At;
use crate::refusal::problem_of_fault;
use crate::route::Guarded;
use crate::state::Web;

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::GET, "/v1/customers/{customer}", get_customer).about(|route| {
        route
            .named(CUSTOMERS, "get-customer", "Get a customer")
            .params(&[CUSTOMER_PARAM])
            .replies(StatusCode::OK, "The customer.", customer_reply())
            .refusals(&[(Code::CustomerNotFound, "There is no such customer, or it is somebody else's.")])
    })
}

async fn get_customer(caller: Caller<Read>, At(customer): At<Option<CustomerId>>, State(web): State<Web>) -> Response {
    found(match customer {
        Some(customer) => web.wiring.payments.get_customer(caller.account_id(), customer).await,
        None => Ok(None),
    })
}

/// A customer that was looked for.
pub(super) fn found(found: Result<Option<CustomerRow>, Fault>) -> Response {
    match found {
        Ok(Some(customer)) => json(views::customer(&customer)),
        Ok(None) => Problem::new(Code::CustomerNotFound, "customer not found").into_response(),
        Err(fault) => problem_of_fault(&fault).into_response(),
    }
}
