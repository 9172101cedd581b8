//! A subscription, its payments and lists of both, as they are shown.

use std::borrow::Cow;
use std::sync::Arc;

use kernel::{AccountId, Country, PaymentId, SubscriptionId, Timestamp};
use payments::subscriptions::{CyclePayment, Page, SubscriptionRow};
use serde_json::value::RawValue;

use super::link::AvailabilityView;
use super::session::{AmountView, amount};
use crate::api::v1::details::{PaymentDetails, SubscriptionDetails, packed, raw, unpacked};
use crate::view::{View, Word, drawn, view};

view! {
    /// A subscription.
    pub(in crate::api::v1) struct SubscriptionView<'a> as "Subscription" {
        id: SubscriptionId,
        account_id: AccountId,
        name: &'a str,
        description: Option<&'a str>,
        merchant_reference: Option<&'a str>,
        soft_descriptor: Option<&'a str>,
        country: Country,
        /// `CREATED`, `TRIALING` until the first cycle is billed that is no trial, `ACTIVE`, `PAST_DUE`, `PAUSED`, `COMPLETED` or
        /// `CANCELED`.
        status: Word,
        amount: AmountView,
        frequency: FrequencyView,
        billing_cycles: CyclesView,
        customer_payer: Option<&'a RawValue>,
        payment_method: MethodOfSubscription<'a>,
        trial_period: Option<TrialView>,
        availability: AvailabilityView,
        retries: RetriesView,
        metadata: Option<&'a RawValue>,
        created_at: Timestamp,
        updated_at: Timestamp,
    }
}

view! {
    /// How long a cycle is.
    struct FrequencyView as "FrequencyReply" {
        kind as "type": Word,
        value: i64,
    }
}

view! {
    /// How far it got.
    struct CyclesView as "BillingCyclesReply" {
        total: Option<i64>,
        /// The cycle that will be charged next, from 1.
        current: i64,
        /// When that is; null when nothing more will be charged.
        next_at: Option<Timestamp>,
    }
}

view! {
    /// The card that is charged.
    struct MethodOfSubscription<'a> as "MethodOfSubscription" {
        kind as "type": Word,
        vaulted_token: &'a str,
    }
}

view! {
    /// The first cycles.
    struct TrialView as "TrialPeriodReply" {
        billing_cycles: i64,
        amount: AmountView,
    }
}

view! {
    /// What happens when a cycle is declined.
    struct RetriesView as "RetriesReply" {
        retry_on_decline: bool,
        amount: i64,
        stop_on_hard_decline: bool,
        cancel_on_exhausted_retries: bool,
    }
}

view! {
    /// A page of subscriptions, newest first.
    pub(in crate::api::v1) struct SubscriptionsView<'a> as "Subscriptions" {
        items: Vec<Drawn<'a>>,
        pagination: PagesView,
    }
}

view! {
    /// Which page it is.
    struct PagesView as "Pages" {
        page: i64,
        size: i64,
        total: i64,
        total_pages: i64,
    }
}

view! {
    /// A page of the payments made for a subscription, the latest cycle first.
    pub(in crate::api::v1) struct CyclePaymentsView as "SubscriptionPayments" {
        data: Vec<CyclePaymentView>,
        pagination: PartView,
    }
}

view! {
    /// A payment made for a cycle.
    struct CyclePaymentView as "SubscriptionPayment" {
        id: PaymentId,
        payment_id: PaymentId,
        status: Word,
        sub_status: Word,
        amount: AmountView,
        billing_cycle: i64,
        retry: RetryView,
        created_at: Timestamp,
        updated_at: Timestamp,
    }
}

view! {
    /// Which try at its cycle a payment was.
    struct RetryView as "RetryReply" {
        /// Tries before it.
        count: i64,
        /// Whether you asked for it.
        forced: bool,
    }
}

view! {
    /// Which part of the list it is.
    struct PartView as "Part" {
        total: i64,
        limit: i64,
        offset: i64,
        has_more: bool,
    }
}

/// A subscription that is drawn already.
pub(in crate::api::v1) struct Drawn<'a>(Vec<u8>, std::marker::PhantomData<&'a ()>);

impl View for Drawn<'_> {
    fn draw(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn property() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        SubscriptionView::property()
    }

    fn components(into: &mut crate::object::Components) {
        SubscriptionView::components(into);
    }
}

impl SubscriptionView<'_> {
    /// Drawn. A view borrows from a document that is taken apart for it, so it lives only here.
    pub(super) fn drawn(row: &SubscriptionRow) -> Vec<u8> {
        let details: SubscriptionDetails<'_> = unpacked(row.details.as_deref());
        let retries = row.retries();
        let trial = TrialView { billing_cycles: row.trial_cycles, amount: amount(row.trial_money()) };
        drawn(&SubscriptionView {
            id: row.id,
            account_id: row.account_id,
            name: &row.name,
            description: details.description.as_deref(),
            merchant_reference: details.merchant_reference.as_deref(),
            soft_descriptor: details.soft_descriptor.as_deref(),
            country: row.country,
            status: Word(row.state.wire()),
            amount: amount(row.money()),
            frequency: FrequencyView { kind: Word(row.unit.wire()), value: row.every },
            billing_cycles: CyclesView {
                total: row.total,
                current: row.total.map_or(row.cycle, |total| row.cycle.min(total)),
                next_at: row.shown_next(),
            },
            customer_payer: details.customer_payer.as_deref(),
            payment_method: MethodOfSubscription { kind: Word("CARD"), vaulted_token: &row.vaulted_token },
            trial_period: (row.trial_cycles > 0).then_some(trial),
            availability: AvailabilityView::of(Some(row.start_at), row.finish_at),
            retries: RetriesView {
                retry_on_decline: retries.on_decline,
                amount: retries.amount,
                stop_on_hard_decline: retries.stop_on_hard_decline,
                cancel_on_exhausted_retries: retries.cancel_on_exhausted,
            },
            metadata: details.metadata.as_deref(),
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

impl SubscriptionsView<'_> {
    /// Drawn.
    pub(in crate::api::v1) fn drawn(found: &Page<SubscriptionRow>, page: i64, size: i64) -> Vec<u8> {
        let items = found.items.iter().map(|row| Drawn(SubscriptionView::drawn(row), std::marker::PhantomData)).collect();
        let total_pages = (found.total + size - 1) / size;
        drawn(&SubscriptionsView { items, pagination: PagesView { page, size, total: found.total, total_pages } })
    }
}

impl CyclePaymentsView {
    /// Drawn.
    pub(in crate::api::v1) fn drawn(found: &Page<CyclePayment>, limit: i64, offset: i64) -> Vec<u8> {
        let shown = |made: &CyclePayment| CyclePaymentView {
            id: made.id,
            payment_id: made.id,
            status: Word(made.state.status()),
            sub_status: Word(made.state.sub_status()),
            amount: amount(made.amount),
            billing_cycle: made.cycle,
            retry: RetryView { count: made.attempt, forced: made.forced },
            created_at: made.created_at,
            updated_at: made.updated_at,
        };
        let has_more = offset.saturating_add(limit) < found.total;
        let pagination = PartView { total: found.total, limit, offset, has_more };
        drawn(&CyclePaymentsView { data: found.items.iter().map(shown).collect(), pagination })
    }
}

/// What is only echoed of the payment of a cycle.
pub(super) fn cycle(row: &SubscriptionRow) -> Option<Arc<[u8]>> {
    let details: SubscriptionDetails<'_> = unpacked(row.details.as_deref());
    packed(&PaymentDetails {
        merchant_reference: details.merchant_reference,
        soft_descriptor: details.soft_descriptor,
        customer_payer: details.customer_payer,
        metadata: details.metadata,
        stored_credentials: Some(raw(&serde_json::json!({
            "reason": "SUBSCRIPTION", "usage": "USED", "subscription_agreement_id": null, "network_transaction_id": null
        }))),
        subscription_code: Some(Cow::Owned(row.id.to_string())),
        ..PaymentDetails::default()
    })
}
