//! A capture, cancellation or refund as it is shown: the transaction, with its payment inside.

use kernel::{AccountId, AttemptId, Country, Money, PaymentId, Timestamp};
use payments::{OperationFacts, PaymentRow};
use serde_json::value::RawValue;

use super::transaction::ProviderView;
use crate::api::v1::details::{OperationDetails, PaymentDetails, unpacked};
use crate::view::{Decimal, Word, drawn, view};

view! {
    /// A transaction with its payment.
    pub(in crate::api::v1) struct OperationView<'a> as "Operation" {
        id: AttemptId,
        /// CAPTURE, CANCEL or REFUND.
        kind as "type": Word,
        status: Word,
        category: Word,
        amount: OperationAmount,
        merchant_reference: Option<&'a str>,
        description: Option<&'a str>,
        reason: Option<&'a str>,
        created_at: Timestamp,
        updated_at: Timestamp,
        provider_data: ProviderView<'a>,
        response_code: Option<&'a str>,
        response_message: Option<Word>,
        payment: PaymentView<'a>,
        simplified_mode: bool,
    }
}

view! {
    /// Amounts.
    struct OperationAmount as "OperationAmount" {
        captured: Decimal,
        currency: Word,
        refunded: Decimal,
        value: Decimal,
    }
}

view! {
    /// The payment after it.
    struct PaymentView<'a> as "PaymentOfOperation" {
        id: PaymentId,
        account_id: AccountId,
        description: &'a str,
        country: Country,
        status: Word,
        sub_status: Word,
        merchant_order_id: &'a str,
        created_at: Timestamp,
        updated_at: Timestamp,
        amount: OperationAmount,
        /// What the operation said, else what the payment said.
        additional_data: Option<&'a RawValue>,
    }
}

impl OperationView<'_> {
    /// Drawn. A view borrows from documents that are taken apart for it, so it lives only here.
    pub(super) fn drawn(facts: &OperationFacts<'_>) -> Vec<u8> {
        let details: OperationDetails<'_> = unpacked(facts.operation.details.as_deref());
        let of_payment: PaymentDetails<'_> = unpacked(facts.payment.details.as_deref());
        let transaction = facts.transaction();
        let provider_data = ProviderView::of(&transaction, false);
        let nothing = Decimal(Money::zero(transaction.amount.currency()));
        let additional_data = details.additional_data.as_deref().or(of_payment.additional_data.as_deref());
        drawn(&OperationView {
            id: transaction.id,
            kind: Word(transaction.kind.wire()),
            status: Word(transaction.state.wire()),
            category: Word("CARD"),
            amount: OperationAmount {
                captured: nothing,
                currency: Word(transaction.amount.currency().code()),
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
            simplified_mode: details.simplified_mode || facts.payment.delays_and_tries_again(facts.operation),
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
        status: Word(payment.state.status()),
        sub_status: Word(payment.state.sub_status()),
        merchant_order_id: &payment.merchant_order_id,
        created_at: payment.created_at,
        updated_at: payment.updated_at,
        amount: OperationAmount {
            captured: of(payment.captured_shown()),
            currency: Word(payment.currency.code()),
            refunded: of(payment.refunded),
            value: of(payment.amount),
        },
        additional_data,
    }
}
