//! `GET /v1/customers/{customer}/payment-methods`: a customer's stored payment methods.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use db::Fault;
use kernel::{AccountId, CustomerId};
use payments::methods::Stored;

use super::{CUSTOMER_PARAM, METHODS, json, views};
use crate::caller::{Caller, Read};
use crate::envelope::{Code, Problem};
use crate::extract::At;
use crate::refusal::problem_of_fault;
use crate::route::{Content, Guarded, component};
use crate::state::Web;

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::GET, "/v1/customers/{customer}/payment-methods", list_payment_methods).about(|route| {
        route
            .named(METHODS, "list-payment-methods", "List a customer's payment methods")
            .params(&[CUSTOMER_PARAM])
            .replies(
                StatusCode::OK,
                "The methods, newest first, without those that were taken off.",
                Content::Json(component::<views::StoredMethodsView<'_>>),
            )
            .refusals(&[(Code::CustomerNotFound, "There is no such customer, or it is somebody else's.")])
    })
}

async fn list_payment_methods(caller: Caller<Read>, At(customer): At<Option<CustomerId>>, State(web): State<Web>) -> Response {
    match look(&web, caller.account_id(), customer).await {
        Ok(Some(found)) => json(views::methods(&found)),
        Ok(None) => Problem::new(Code::CustomerNotFound, "customer not found").into_response(),
        Err(fault) => problem_of_fault(&fault).into_response(),
    }
}

async fn look(web: &Web, account: AccountId, customer: Option<CustomerId>) -> Result<Option<Vec<Stored>>, Fault> {
    let Some(customer) = customer else { return Ok(None) };
    match web.wiring.payments.get_customer(account, customer).await? {
        Some(customer) => web.wiring.payments.methods_of(account, customer.id).await.map(Some),
        None => Ok(None),
    }
}
