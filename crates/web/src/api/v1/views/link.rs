//! A payment link as it is shown.

use kernel::{AccountId, Country, PaymentId, PaymentLinkId, Timestamp};
use payments::links::{LinkFacts, PaidThrough};
use serde_json::value::RawValue;

use super::session::{AmountView, amount};
use crate::api::v1::details::{LinkDetails, unpacked};
use crate::view::{Word, drawn, view};

view! {
    /// A payment link.
    pub(in crate::api::v1) struct LinkView<'a> as "PaymentLink" {
        /// The code of the page.
        id: PaymentLinkId,
        /// The same.
        code: PaymentLinkId,
        account_id: AccountId,
        country: Country,
        amount: AmountView,
        description: Option<&'a str>,
        merchant_order_id: Option<&'a str>,
        payment_method_types: Vec<Word>,
        capture: bool,
        callback_url: Option<&'a str>,
        one_time_use: bool,
        availability: AvailabilityView,
        customer_payer: Option<&'a RawValue>,
        additional_data: Option<&'a RawValue>,
        metadata: Option<&'a RawValue>,
        vault_on_success: bool,
        /// CREATED, USED, CANCELED or EXPIRED.
        status: Word,
        /// Where it is paid.
        checkout_url: String,
        /// Payments that went through.
        payments_number: i64,
        payments: Vec<PaidView>,
        created_at: Timestamp,
        updated_at: Timestamp,
    }
}

view! {
    /// When it counts.
    pub(super) struct AvailabilityView as "AvailabilityReply" {
        start_at: Option<Timestamp>,
        finish_at: Option<Timestamp>,
    }
}

view! {
    /// A payment made through a link.
    struct PaidView as "LinkPayment" {
        id: PaymentId,
        status: Word,
        sub_status: Word,
        created_at: Timestamp,
    }
}

impl AvailabilityView {
    /// From when to when.
    pub(super) fn of(start_at: Option<Timestamp>, finish_at: Option<Timestamp>) -> AvailabilityView {
        AvailabilityView { start_at, finish_at }
    }
}

impl LinkView<'_> {
    /// Drawn. A view borrows from a document that is taken apart for it, so it lives only here.
    pub(super) fn drawn(facts: &LinkFacts<'_>) -> Vec<u8> {
        let link = facts.link;
        let details: LinkDetails<'_> = unpacked(link.details.as_deref());
        drawn(&LinkView {
            id: link.id,
            code: link.id,
            account_id: link.account_id,
            country: link.country,
            amount: amount(link.money()),
            description: link.description.as_deref(),
            merchant_order_id: link.merchant_order_id.as_deref(),
            payment_method_types: vec![Word("CARD")],
            capture: link.capture,
            callback_url: link.callback_url.as_deref(),
            one_time_use: link.one_time_use,
            availability: AvailabilityView::of(link.start_at, link.finish_at),
            customer_payer: details.customer_payer.as_deref(),
            additional_data: details.additional_data.as_deref(),
            metadata: details.metadata.as_deref(),
            vault_on_success: details.vault_on_success,
            status: Word(link.status(facts.now)),
            checkout_url: format!("{}/v1/links/{}", facts.base_url, link.id),
            payments_number: link.payments_number,
            payments: facts.payments.iter().map(paid).collect(),
            created_at: link.created_at,
            updated_at: link.updated_at,
        })
    }
}

fn paid(made: &PaidThrough) -> PaidView {
    PaidView {
        id: made.id,
        status: Word(made.state.status()),
        sub_status: Word(made.state.sub_status()),
        created_at: made.created_at,
    }
}
