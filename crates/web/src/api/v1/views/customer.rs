//! A customer and its session as they are shown.

use kernel::{Country, CustomerId, CustomerSessionId, Timestamp};
use payments::customers::{CustomerRow, CustomerSessionRow};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::api::v1::details::unpacked;
use crate::view::{Nothing, drawn, view};

view! {
    /// A customer.
    pub(in crate::api::v1) struct CustomerView<'a> as "Customer" {
        id: CustomerId,
        merchant_customer_id: Option<&'a str>,
        merchant_customer_created_at: Option<&'a RawValue>,
        first_name: Option<&'a RawValue>,
        last_name: Option<&'a RawValue>,
        gender: Option<&'a RawValue>,
        date_of_birth: Option<&'a RawValue>,
        email: Option<&'a RawValue>,
        nationality: Option<&'a RawValue>,
        country: Option<&'a RawValue>,
        document: Option<&'a RawValue>,
        phone: Option<&'a RawValue>,
        billing_address: Option<&'a RawValue>,
        shipping_address: Option<&'a RawValue>,
        metadata: Option<&'a RawValue>,
        created_at: Timestamp,
        updated_at: Timestamp,
    }
}

/// What is kept of a customer.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Document<'a> {
    #[serde(borrow)]
    merchant_customer_created_at: Option<&'a RawValue>,
    #[serde(borrow)]
    first_name: Option<&'a RawValue>,
    #[serde(borrow)]
    last_name: Option<&'a RawValue>,
    #[serde(borrow)]
    gender: Option<&'a RawValue>,
    #[serde(borrow)]
    date_of_birth: Option<&'a RawValue>,
    #[serde(borrow)]
    email: Option<&'a RawValue>,
    #[serde(borrow)]
    nationality: Option<&'a RawValue>,
    #[serde(borrow)]
    country: Option<&'a RawValue>,
    #[serde(borrow)]
    document: Option<&'a RawValue>,
    #[serde(borrow)]
    phone: Option<&'a RawValue>,
    #[serde(borrow)]
    billing_address: Option<&'a RawValue>,
    #[serde(borrow)]
    shipping_address: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
}

impl CustomerView<'_> {
    /// Drawn. A view borrows from a document that is taken apart for it, so it lives only here.
    pub(super) fn drawn(customer: &CustomerRow) -> Vec<u8> {
        let known: Document<'_> = unpacked(customer.document.as_deref());
        drawn(&CustomerView {
            id: customer.id,
            merchant_customer_id: customer.merchant_customer_id.as_deref(),
            merchant_customer_created_at: known.merchant_customer_created_at,
            first_name: known.first_name,
            last_name: known.last_name,
            gender: known.gender,
            date_of_birth: known.date_of_birth,
            email: known.email,
            nationality: known.nationality,
            country: known.country,
            document: known.document,
            phone: known.phone,
            billing_address: known.billing_address,
            shipping_address: known.shipping_address,
            metadata: known.metadata,
            created_at: customer.created_at,
            updated_at: customer.updated_at,
        })
    }
}

view! {
    /// A customer's session on the payment page.
    pub(in crate::api::v1) struct CustomerSessionView<'a> as "CustomerSession" {
        customer_session: CustomerSessionId,
        customer_id: CustomerId,
        country: Country,
        callback_url: Option<&'a str>,
        created_at: Timestamp,
        checkout_id: Nothing,
    }
}

impl CustomerSessionView<'_> {
    /// Drawn.
    pub(super) fn drawn(session: &CustomerSessionRow) -> Vec<u8> {
        drawn(&CustomerSessionView {
            customer_session: session.id,
            customer_id: session.customer_id,
            country: session.country,
            callback_url: session.callback_url.as_deref(),
            created_at: session.created_at,
            checkout_id: Nothing,
        })
    }
}
