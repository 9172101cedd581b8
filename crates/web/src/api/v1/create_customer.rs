//! `POST /v1/customers`: notes somebody who pays.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use payments::customers::CreateCustomer;
use serde_json::value::RawValue;

use super::details::{member, packed};
use super::parts::{Address, Day, Document, Email, Gender, Metadata, MomentText, Phone, Reference};
use super::{CUSTOMERS, answer, customer_reply};
use crate::caller::{Caller, MoneyIn};
use crate::envelope::Code;
use crate::object::{Body, Land, Prose, Reader, object};
use crate::once::{Once, Optional};
use crate::route::Guarded;
use crate::state::Web;

object! {
    /// A customer to be noted.
    pub(super) struct CreateCustomerBody {
        /// Your own name for the customer, unique in your account.
        merchant_customer_id: Reference,
        /// When you made the customer.
        merchant_customer_created_at: Option<MomentText>,
        /// First name.
        first_name: Option<Prose<1, 255>>,
        /// Family name.
        last_name: Option<Prose<1, 255>>,
        /// M, F, NB, NA, NK or U.
        gender: Option<Gender>,
        /// Day of birth.
        date_of_birth: Option<Day>,
        /// E-mail address.
        email: Option<Email>,
        /// ISO 3166-1 alpha-2.
        nationality: Option<Land>,
        /// ISO 3166-1 alpha-2.
        country: Option<Land>,
        /// Identity paper.
        document: Option<Document>,
        /// Telephone.
        phone: Option<Phone>,
        /// Where bills go.
        billing_address: Option<Address>,
        /// Where goods go.
        shipping_address: Option<Address>,
        /// Your own notes, at most 50, each key once.
        metadata: Option<Metadata>,
    }
}

impl Body for CreateCustomerBody {
    type Ask = CreateCustomer;

    fn name() -> &'static str {
        "CreateCustomerBody"
    }

    fn judge(self, _reader: &mut Reader) -> Option<CreateCustomer> {
        let members: [(&str, Option<Arc<RawValue>>); 13] = [
            ("merchant_customer_created_at", self.merchant_customer_created_at.as_ref().map(member)),
            ("first_name", self.first_name.as_ref().map(member)),
            ("last_name", self.last_name.as_ref().map(member)),
            ("gender", self.gender.as_ref().map(member)),
            ("date_of_birth", self.date_of_birth.as_ref().map(member)),
            ("email", self.email.as_ref().map(member)),
            ("nationality", self.nationality.as_ref().map(member)),
            ("country", self.country.as_ref().map(member)),
            ("document", self.document.as_ref().map(member)),
            ("phone", self.phone.as_ref().map(member)),
            ("billing_address", self.billing_address.as_ref().map(member)),
            ("shipping_address", self.shipping_address.as_ref().map(member)),
            ("metadata", self.metadata.as_ref().map(member)),
        ];
        let known = members.iter().filter_map(|(name, value)| value.as_deref().map(|value| (*name, value)));
        let document = packed(&known.collect::<std::collections::BTreeMap<_, _>>());
        Some(CreateCustomer { merchant_customer_id: self.merchant_customer_id.0, document })
    }
}

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::POST, "/v1/customers", create_customer).about(|route| {
        route
            .named(CUSTOMERS, "create-customer", "Create a customer")
            .example(
                r#"{"merchant_customer_id": "ada-1", "first_name": "Ada", "last_name": "Martin", "email": "ada@example.com"}"#,
            )
            .replies(StatusCode::CREATED, "The customer.", customer_reply())
            .drawn(super::views::sample::customer_reply)
            .refusals(&[(Code::CustomerIdDuplicated, "Another customer has this `merchant_customer_id`.")])
    })
}

async fn create_customer(caller: Caller<MoneyIn>, State(web): State<Web>, once: Once<Optional, CreateCustomerBody>) -> Response {
    let answered = web.wiring.payments.create_customer(caller.account_id(), once.ask, once.key.clone()).await;
    answer(&web, once.key.as_ref(), answered)
}
