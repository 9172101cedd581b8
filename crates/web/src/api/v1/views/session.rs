//! A checkout session as it is shown.

use kernel::{CheckoutSessionId, Country, Money, Timestamp};
use payments::CheckoutSessionRow;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::Decimal;
use crate::api::v1::details::{SessionDetails, unpacked};

/// A checkout session.
#[derive(Serialize, ToSchema)]
#[schema(as = CheckoutSession)]
pub(in crate::api::v1) struct SessionView<'a> {
    /// The same as `checkout_session`; shown when a session is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = uuid::Uuid, required = false)]
    id: Option<CheckoutSessionId>,
    #[schema(value_type = uuid::Uuid)]
    checkout_session: CheckoutSessionId,
    merchant_order_id: &'a str,
    #[schema(value_type = String)]
    country: Country,
    payment_description: &'a str,
    customer_id: Option<&'a str>,
    callback_url: Option<&'a str>,
    amount: Option<AmountView>,
    #[schema(value_type = String)]
    created_at: Timestamp,
    #[schema(value_type = Option<Vec<Object>>)]
    metadata: Option<&'a RawValue>,
    workflow: &'static str,
    #[schema(value_type = Object)]
    installments: Installments<'a>,
    /// Whether a payment has used it.
    used: bool,
    checkout_id: Option<&'a str>,
}

/// An amount.
#[derive(Serialize, ToSchema)]
#[schema(as = AmountReply)]
struct AmountView {
    currency: &'static str,
    #[schema(value_type = f64)]
    value: Decimal,
}

/// What was said about parts.
#[derive(Serialize)]
#[serde(untagged)]
enum Installments<'a> {
    Said(&'a RawValue),
    Nothing { plan_id: Option<&'static str>, plan: Option<&'static str> },
}

impl SessionView<'_> {
    /// Makes the view and gives it to `show`; it borrows from a document that is taken apart for it.
    pub(super) fn with<T>(session: &CheckoutSessionRow, with_id: bool, show: impl FnOnce(&SessionView<'_>) -> T) -> T {
        let details: SessionDetails<'_> = unpacked(session.details.as_deref());
        show(&SessionView {
            id: with_id.then_some(session.id),
            checkout_session: session.id,
            merchant_order_id: &session.merchant_order_id,
            country: session.country,
            payment_description: &session.payment_description,
            customer_id: None,
            callback_url: details.callback_url.as_deref(),
            amount: session.money().map(amount),
            created_at: session.created_at,
            metadata: details.metadata.as_deref(),
            workflow: session.workflow.wire(),
            installments: details
                .installments
                .as_deref()
                .map_or(Installments::Nothing { plan_id: None, plan: None }, Installments::Said),
            used: session.payment_id.is_some(),
            checkout_id: details.checkout_id.as_deref(),
        })
    }
}

fn amount(money: Money) -> AmountView {
    AmountView { currency: money.currency().code(), value: Decimal(money) }
}
