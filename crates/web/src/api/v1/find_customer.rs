//! `GET /v1/customers?merchant_customer_id=`: the customer of that name.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::{CUSTOMERS, customer_reply, get_customer};
use crate::caller::{Caller, Read};
use crate::envelope::{Code, Problem};
use crate::extract::{Names, Query};
use crate::route::Guarded;
use crate::state::Web;

/// Which customer.
pub(super) struct ByName;

impl Names for ByName {
    const NAMES: &'static [(&'static str, &'static str)] = &[("merchant_customer_id", "Your own name for the customer.")];
    const REQUIRED: bool = true;
}

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::GET, "/v1/customers", find_customer).about(|route| {
        route
            .named(CUSTOMERS, "find-customer", "Find a customer by your own name")
            .replies(StatusCode::OK, "The customer.", customer_reply())
            .refusals(&[
                (Code::CustomerNotFound, "There is no such customer."),
                (Code::MissingParameters, "`merchant_customer_id` is missing."),
            ])
    })
}

async fn find_customer(caller: Caller<Read>, State(web): State<Web>, query: Query<ByName>) -> Response {
    let Some(name) = query.get("merchant_customer_id").filter(|name| !name.is_empty()) else {
        return Problem::new(Code::MissingParameters, "merchant_customer_id: is required").into_response();
    };
    get_customer::found(web.wiring.payments.customer_by_reference(caller.account_id(), name).await)
}
