//! `PATCH /v1/customers/{customer}`: changes what is known of a customer.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use kernel::CustomerId;
use kernel::json::Value;
use payments::customers::{Changes, PatchCustomer};
use serde::Serialize;
use utoipa::openapi::{RefOr, Schema};

use super::details::member;
use super::parts::{Address, Day, Document, Email, Gender, Metadata, Phone, Reference};
use super::{CUSTOMER_PARAM, CUSTOMERS, answer, customer_reply};
use crate::caller::{Caller, Write};
use crate::envelope::Code;
use crate::extract::At;
use crate::object::{Body, Field, Land, Patch, Prose, Reader, Text, object};
use crate::once::{Once, Optional};
use crate::route::Guarded;
use crate::state::Web;

object! {
    /// What is to be changed of a customer: what is absent stays, `null` takes off.
    pub(super) struct PatchCustomerBody {
        /// Your own name for the customer, unique in your account; cannot be taken off.
        merchant_customer_id: Name,
        /// When you made the customer.
        merchant_customer_created_at: Patch<Text<4, 40>>,
        /// First name.
        first_name: Patch<Prose<1, 255>>,
        /// Family name.
        last_name: Patch<Prose<1, 255>>,
        /// M, F, NB, NA, NK or U.
        gender: Patch<Gender>,
        /// Day of birth.
        date_of_birth: Patch<Day>,
        /// E-mail address.
        email: Patch<Email>,
        /// ISO 3166-1 alpha-2.
        nationality: Patch<Land>,
        /// ISO 3166-1 alpha-2.
        country: Patch<Land>,
        /// Identity paper.
        document: Patch<Document>,
        /// Telephone.
        phone: Patch<Phone>,
        /// Where bills go.
        billing_address: Patch<Address>,
        /// Where goods go.
        shipping_address: Patch<Address>,
        /// Your own notes, at most 50, each key once.
        metadata: Patch<Metadata>,
    }
}

/// A name that can be changed and not taken off.
#[derive(Debug)]
pub(super) struct Name(Patch<Reference>);

impl Field for Name {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        Patch::read(value, reader).map(Name)
    }

    fn absent() -> Option<Self> {
        Some(Name(Patch::Unchanged))
    }

    fn cleared() -> Option<Self> {
        Some(Name(Patch::Cleared))
    }

    fn property() -> RefOr<Schema> {
        Reference::property()
    }
}

impl Body for PatchCustomerBody {
    type Ask = PatchCustomer;

    fn name() -> &'static str {
        "PatchCustomerBody"
    }

    fn judge(self, reader: &mut Reader) -> Option<PatchCustomer> {
        let merchant_customer_id = match self.merchant_customer_id.0.change() {
            None => None,
            Some(Some(name)) => Some(name.0),
            Some(None) => {
                reader.wrong_at(&["merchant_customer_id"], Code::MissingParameters, "cannot be taken off");
                None
            }
        };
        let mut changes = Changes::default();
        noted(&mut changes, "merchant_customer_created_at", self.merchant_customer_created_at);
        noted(&mut changes, "first_name", self.first_name);
        noted(&mut changes, "last_name", self.last_name);
        noted(&mut changes, "gender", self.gender);
        noted(&mut changes, "date_of_birth", self.date_of_birth);
        noted(&mut changes, "email", self.email);
        noted(&mut changes, "nationality", self.nationality);
        noted(&mut changes, "country", self.country);
        noted(&mut changes, "document", self.document);
        noted(&mut changes, "phone", self.phone);
        noted(&mut changes, "billing_address", self.billing_address);
        noted(&mut changes, "shipping_address", self.shipping_address);
        noted(&mut changes, "metadata", self.metadata);
        Some(PatchCustomer { merchant_customer_id, changes })
    }
}

/// Notes what becomes of one member.
pub(super) fn noted<T: Serialize>(changes: &mut Changes, name: &'static str, patch: Patch<T>) {
    if let Some(change) = patch.change() {
        changes.0.push((name, change.as_ref().map(member)));
    }
}

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::PATCH, "/v1/customers/{customer}", patch_customer).about(|route| {
        route
            .named(CUSTOMERS, "update-customer", "Change a customer")
            .params(&[CUSTOMER_PARAM])
            .example(r#"{"email": "ada@example.org", "phone": null}"#)
            .replies(StatusCode::OK, "The customer.", customer_reply())
            .refusals(&[
                (Code::CustomerNotFound, "There is no such customer, or it is somebody else's."),
                (Code::CustomerIdDuplicated, "Another customer has this `merchant_customer_id`."),
            ])
    })
}

async fn patch_customer(
    caller: Caller<Write>,
    At(customer): At<Option<CustomerId>>,
    State(web): State<Web>,
    once: Once<Optional, PatchCustomerBody>,
) -> Response {
    let answered = web.wiring.payments.patch_customer(caller.account_id(), customer, once.ask, once.key.clone()).await;
    answer(&web, once.key.as_ref(), answered)
}
