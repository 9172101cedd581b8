//! A checkout session as it is shown.

use std::borrow::Cow;

use kernel::{CheckoutSessionId, Country, CustomerId, Money, Timestamp};
use payments::CheckoutSessionRow;
use serde::Deserialize;
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
        /// In which parts it may be paid.
        installments: InstallmentsView<'a>,
        /// Whether a payment has used it.
        used: bool,
        checkout_id: Option<&'a str>,
    }
}

view! {
    /// In which parts an order may be paid.
    pub(super) struct InstallmentsView<'a> as "SessionInstallments" {
        plan_id: Option<&'a str>,
        plan: Option<&'a RawValue>,
    }
}

/// The same as it is kept.
#[derive(Deserialize, Default)]
struct Parts<'a> {
    #[serde(borrow, default)]
    plan_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    plan: Option<&'a RawValue>,
}

view! {
    /// An amount.
    pub(super) struct AmountView as "AmountReply" {
        currency: Word,
        value: Decimal,
    }
}

impl SessionView<'_> {
    /// Drawn. A view borrows from a document that is taken apart for it, so it lives only here.
    pub(super) fn drawn(session: &CheckoutSessionRow) -> Vec<u8> {
        let details: SessionDetails<'_> = unpacked(session.details.as_deref());
        let parts: Parts<'_> = unpacked(details.installments.as_deref().map(|kept| kept.get().as_bytes()));
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
            installments: InstallmentsView { plan_id: parts.plan_id.as_deref(), plan: parts.plan },
            used: session.payment_id.is_some(),
            checkout_id: details.checkout_id.as_deref(),
        })
    }
}

pub(super) fn amount(money: Money) -> AmountView {
    AmountView { currency: Word(money.currency().code()), value: Decimal(money) }
}
