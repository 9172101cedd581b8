//! A checkout session as it is shown.

use kernel::{CheckoutSessionId, Country, CustomerId, Money, Timestamp};
use payments::CheckoutSessionRow;
use serde_json::value::RawValue;

use crate::api::v1::details::{SessionDetails, unpacked};
use crate::view::{Decimal, Word, drawn, view};

view! {
    /// A checkout session.
    pub(in crate::api::v1) struct SessionView<'a> as "CheckoutSession" {
        /// The same as `checkout_session`.
        id: CheckoutSessionId,
        checkout_session: CheckoutSessionId,
        merchant_order_id: &'a str,
        country: Country,
        payment_description: &'a str,
        customer_id: Option<CustomerId>,
        callback_url: Option<&'a str>,
        amount: Option<AmountView>,
        created_at: Timestamp,
        metadata: Option<&'a RawValue>,
        workflow: Word,
        /// What was said about parts.
        installments: &'a RawValue,
        /// Whether a payment has used it.
        used: bool,
        checkout_id: Option<&'a str>,
    }
}

view! {
    /// An amount.
    pub(super) struct AmountView as "AmountReply" {
        currency: Word,
        value: Decimal,
    }
}

/// What is shown where nothing was said about parts.
const NO_INSTALLMENTS: &str = r#"{"plan_id":null,"plan":null}"#;

impl SessionView<'_> {
    /// Drawn. A view borrows from a document that is taken apart for it, so it lives only here.
    pub(super) fn drawn(session: &CheckoutSessionRow) -> Vec<u8> {
        let details: SessionDetails<'_> = unpacked(session.details.as_deref());
        let nothing: &RawValue = serde_json::from_str(NO_INSTALLMENTS).expect("a JSON object");
        drawn(&SessionView {
            id: session.id,
            checkout_session: session.id,
            merchant_order_id: &session.merchant_order_id,
            country: session.country,
            payment_description: &session.payment_description,
            customer_id: session.customer_id,
            callback_url: details.callback_url.as_deref(),
            amount: session.money().map(amount),
            created_at: session.created_at,
            metadata: details.metadata.as_deref(),
            workflow: Word(session.workflow.wire()),
            installments: details.installments.as_deref().unwrap_or(nothing),
            used: session.payment_id.is_some(),
            checkout_id: details.checkout_id.as_deref(),
        })
    }
}

pub(super) fn amount(money: Money) -> AmountView {
    AmountView { currency: Word(money.currency().code()), value: Decimal(money) }
}
