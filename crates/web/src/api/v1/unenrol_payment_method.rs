//! `POST …/payment-methods/{method}/unenroll`: takes a stored payment method off and destroys its card number.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use kernel::{CustomerId, PaymentMethodId};

use super::{CUSTOMER_PARAM, METHOD_PARAM, METHODS, answer, method_reply};
use crate::caller::{Caller, Write};
use crate::envelope::Code;
use crate::extract::At;
use crate::object::{self, Body, Reader, object};
use crate::once::{Once, Optional};
use crate::route::{Guarded, Route};
use crate::state::Web;

object! {
    /// Nothing needs to be said.
    pub(super) struct UnenrolBody {
        /// The account of the key.
        account_id: Option<object::Account>,
    }
}

impl Body for UnenrolBody {
    type Ask = ();
    const MAY_BE_EMPTY: bool = true;

    fn name() -> &'static str {
        "UnenrolBody"
    }

    fn judge(self, _reader: &mut Reader) -> Option<()> {
        Some(())
    }
}

const REFUSALS: &[(Code, &str)] = &[
    (Code::PaymentMethodNotFound, "There is no such payment method, or it is somebody else's."),
    (Code::InvalidStatus, "It was taken off already."),
];

fn about(route: Route) -> Route {
    route.replies(StatusCode::OK, "The payment method, `UNENROLLED`.", method_reply()).refusals(REFUSALS)
}

/// The route through the customer.
pub(super) fn of_customer() -> Guarded {
    let path = "/v1/customers/{customer}/payment-methods/{method}/unenroll";
    Guarded::new(Method::POST, path, unenrol_of_customer).about(|route| {
        about(route)
            .named(METHODS, "unenrol-payment-method-of-customer", "Take a customer's payment method off")
            .params(&[CUSTOMER_PARAM, METHOD_PARAM])
    })
}

/// The route by the method alone.
pub(super) fn alone() -> Guarded {
    Guarded::new(Method::POST, "/v1/customers/payment-methods/{method}/unenroll", unenrol)
        .about(|route| about(route).named(METHODS, "unenrol-payment-method", "Take a payment method off").params(&[METHOD_PARAM]))
}

async fn unenrol_of_customer(
    caller: Caller<Write>,
    At((customer, method)): At<(Option<CustomerId>, Option<PaymentMethodId>)>,
    State(web): State<Web>,
    once: Once<Optional, UnenrolBody>,
) -> Response {
    let answered = web.wiring.payments.unenrol_method(caller.account_id(), Some(customer), method, once.key.clone()).await;
    answer(&web, once.key.as_ref(), answered)
}

async fn unenrol(
    caller: Caller<Write>,
    At(method): At<Option<PaymentMethodId>>,
    State(web): State<Web>,
    once: Once<Optional, UnenrolBody>,
) -> Response {
    let answered = web.wiring.payments.unenrol_method(caller.account_id(), None, method, once.key.clone()).await;
    answer(&web, once.key.as_ref(), answered)
}
