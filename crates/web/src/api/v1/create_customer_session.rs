//! `POST /v1/customers/sessions`: opens a session in which a customer's cards are enrolled.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use payments::customers::CreateCustomerSession;

use super::{CUSTOMERS, answer, customer_session_reply};
use crate::caller::{Caller, MoneyIn};
use crate::envelope::Code;
use crate::object::{self, Body, Land, Link, Reader, Text, object};
use crate::once::{Once, Optional};
use crate::route::Guarded;
use crate::state::Web;

object! {
    /// A customer's session to be opened.
    pub(super) struct CreateCustomerSessionBody {
        /// The account of the key.
        account_id: object::Account,
        /// Where cards will be enrolled: ISO 3166-1 alpha-2.
        country: Land,
        /// The customer, made before.
        customer_id: Text<1, 64>,
        /// Where the payer is sent back to; never fetched by us.
        callback_url: Option<Link<526>>,
    }
}

impl Body for CreateCustomerSessionBody {
    type Ask = CreateCustomerSession;

    fn name() -> &'static str {
        "CreateCustomerSessionBody"
    }

    fn judge(self, _reader: &mut Reader) -> Option<CreateCustomerSession> {
        let callback_url = self.callback_url.map(|Link(url)| url);
        Some(CreateCustomerSession { customer: self.customer_id.0, country: self.country.0, callback_url })
    }
}

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::POST, "/v1/customers/sessions", create_customer_session).about(|route| {
        route
            .named(CUSTOMERS, "create-customer-session", "Open a customer's session")
            .text("A session ends five hours after it was opened.")
            .example(
                r#"{"account_id": "01936b1a-0000-7000-8000-00000000a001", "country": "FR",
 "customer_id": "01936b1c-7a4e-7c55-8a1b-0c9e5f3d2b05"}"#,
            )
            .replies(StatusCode::CREATED, "The session.", customer_session_reply())
            .drawn(super::views::sample::customer_session_reply)
            .refusals(&[(Code::CustomerNotFound, "There is no such customer, or it is somebody else's.")])
    })
}

async fn create_customer_session(
    caller: Caller<MoneyIn>,
    State(web): State<Web>,
    once: Once<Optional, CreateCustomerSessionBody>,
) -> Response {
    let answered = web.wiring.payments.create_customer_session(caller.account_id(), once.ask, once.key.clone()).await;
    answer(&web, once.key.as_ref(), answered)
}
