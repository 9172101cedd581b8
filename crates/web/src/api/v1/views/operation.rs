//! A capture, cancellation or refund as it is shown: the transaction, with its payment inside.

use kernel::{AccountId, AttemptId, Country, Money, PaymentId, Timestamp};
use payments::{OperationFacts, PaymentRow};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::Decimal;
use super::transaction::ProviderView;
use crate::api::v1::details::{OperationDetails, PaymentDetails, unpacked};

/// A transaction with its payment.
#[derive(Serialize, ToSchema)]
#[schema(as = Operation)]
pub(in crate::api::v1) struct OperationView<'a> {
    #[schema(value_type = uuid::Uuid)]
    id: AttemptId,
    /// CAPTURE, CANCEL or REFUND.
    #[serde(rename = "type")]
    kind: &'static str,
    status: &'static str,
    category: &'static str,
    amount: OperationAmount,
    merchant_reference: Option<&'a str>,
    description: Option<&'a str>,
    reason: Option<&'a str>,
    #[schema(value_type = String)]
    created_at: Timestamp,
    #[schema(value_type = String)]
    updated_at: Timestamp,
    provider_data: ProviderView<'a>,
    response_code: Option<&'a str>,
    response_message: Option<&'static str>,
    payment: PaymentView<'a>,
    simplified_mode: bool,
}

/// Amounts.
#[derive(Serialize, ToSchema)]
struct OperationAmount {
    #[schema(value_type = f64)]
    captured: Decimal,
    currency: &'static str,
    #[schema(value_type = f64)]
    refunded: Decimal,
    #[schema(value_type = f64)]
    value: Decimal,
}

/// The payment after it.
#[derive(Serialize, ToSchema)]
#[schema(as = PaymentOfOperation)]
struct PaymentView<'a> {
    #[schema(value_type = uuid::Uuid)]
    id: PaymentId,
    #[schema(value_type = uuid::Uuid)]
    account_id: AccountId,
    description: &'a str,
    #[schema(value_type = String)]
    country: Country,
    status: &'static str,
    sub_status: &'static str,
    merchant_order_id: &'a str,
    #[schema(value_type = String)]
    created_at: Timestamp,
    #[schema(value_type = String)]
    updated_at: Timestamp,
    amount: OperationAmount,
    /// What the operation said, else what the payment said.
    #[schema(value_type = Option<Object>)]
    additional_data: Option<&'a RawValue>,
}

impl OperationView<'_> {
    /// Makes the view and gives it to `show`; it borrows from documents that are taken apart for it.
    pub(super) fn with<T>(facts: &OperationFacts<'_>, show: impl FnOnce(&OperationView<'_>) -> T) -> T {
        let details: OperationDetails<'_> = unpacked(facts.operation.details.as_deref());
        let of_payment: PaymentDetails<'_> = unpacked(facts.payment.details.as_deref());
        let transaction = facts.transaction();
        let provider_data = ProviderView::of(&transaction, false);
        let nothing = Decimal(Money::zero(transaction.amount.currency()));
        let additional_data = details.additional_data.as_deref().or(of_payment.additional_data.as_deref());
        show(&OperationView {
            id: transaction.id,
            kind: transaction.kind.wire(),
            status: transaction.state.wire(),
            category: "CARD",
            amount: OperationAmount {
                captured: nothing,
                currency: transaction.amount.currency().code(),
                refunded: nothing,
                value: Decimal(transaction.amount),
            },
            merchant_reference: details.merchant_reference.as_deref(),
            description: details.description.as_deref(),
            reason: details.reason.as_deref(),
            created_at: transaction.created_at,
            updated_at: transaction.updated_at,
            response_code: provider_data.response_code(),
            response_message: provider_data.response_message(),
            provider_data,
            payment: payment(facts.payment, additional_data),
            simplified_mode: details.simplified_mode,
        })
    }
}

fn payment<'a>(payment: &'a PaymentRow, additional_data: Option<&'a RawValue>) -> PaymentView<'a> {
    let of = |minor| Decimal(Money::new(minor, payment.currency));
    PaymentView {
        id: payment.id,
        account_id: payment.account_id,
        description: &payment.description,
        country: payment.country,
        status: payment.state.status(),
        sub_status: payment.state.sub_status(),
        merchant_order_id: &payment.merchant_order_id,
        created_at: payment.created_at,
        updated_at: payment.updated_at,
        amount: OperationAmount {
            captured: of(payment.captured_shown()),
            currency: payment.currency.code(),
            refunded: of(payment.refunded),
            value: of(payment.amount),
        },
        additional_data,
    }
}
