//! `DELETE /v1/customers/{customer}`: forgets a customer and destroys the cards kept for it.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use kernel::CustomerId;

use super::{CUSTOMER_PARAM, CUSTOMERS, json, nothing_reply};
use crate::caller::{Caller, Write};
use crate::envelope::{Code, Problem};
use crate::extract::At;
use crate::refusal::problem_of_payments;
use crate::route::Guarded;
use crate::state::Web;

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::DELETE, "/v1/customers/{customer}", delete_customer).about(|route| {
        route
            .named(CUSTOMERS, "delete-customer", "Delete a customer")
            .text(
                "What is known of the person is erased, stored cards are destroyed, and one-time tokens made for him are of no use any \
                 more. Payments stay, with the customer's id only: what they say of his device is erased as well, of a customer with \
                 many payments some moments later. A repeat of a request with its key is answered with what is left.",
            )
            .params(&[CUSTOMER_PARAM])
            .replies(StatusCode::ACCEPTED, "He is deleted.", nothing_reply())
            .refusals(&[(Code::CustomerNotFound, "There is no such customer, or it is somebody else's.")])
    })
}

async fn delete_customer(caller: Caller<Write>, At(customer): At<Option<CustomerId>>, State(web): State<Web>) -> Response {
    let Some(customer) = customer else {
        return Problem::new(Code::CustomerNotFound, "customer not found").into_response();
    };
    match web.wiring.payments.delete_customer(caller.account_id(), customer).await {
        Ok(()) => (StatusCode::ACCEPTED, json(b"{}".to_vec())).into_response(),
        Err(error) => problem_of_payments(&web, &error).into_response(),
    }
}
