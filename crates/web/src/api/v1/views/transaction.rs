//! One try at an acquirer as it is shown.

use kernel::Timestamp;
use payments::{TransactionFacts, response_message};
use serde::Serialize;
use utoipa::ToSchema;

use super::Decimal;
use crate::api::v1::details::{OperationDetails, PaymentDetails};

/// One try at an acquirer.
#[derive(Serialize, ToSchema)]
#[schema(as = Transaction)]
pub(super) struct TransactionView<'a> {
    #[schema(value_type = uuid::Uuid)]
    id: kernel::AttemptId,
    /// PURCHASE, AUTHORIZE, VERIFY, CAPTURE, CANCEL or REFUND.
    #[serde(rename = "type")]
    kind: &'static str,
    /// CREATED, PENDING, SUCCEEDED, DECLINED or ERROR.
    status: &'static str,
    category: &'static str,
    #[schema(value_type = f64)]
    amount: Decimal,
    provider_id: &'static str,
    payment_method: MethodOfTransaction,
    response_code: Option<&'a str>,
    response_message: Option<&'static str>,
    reason: Option<&'a str>,
    description: Option<&'a str>,
    merchant_reference: Option<&'a str>,
    provider_data: ProviderView<'a>,
    connection_data: Connection,
    #[schema(value_type = String)]
    created_at: Timestamp,
    #[schema(value_type = String)]
    updated_at: Timestamp,
}

/// How a transaction is paid; more stands at its payment.
#[derive(Serialize, ToSchema)]
struct MethodOfTransaction {
    vaulted_token: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    vault_on_success: bool,
    token: &'static str,
}

/// What the acquirer said.
#[derive(Serialize, ToSchema)]
#[schema(as = ProviderData)]
pub(super) struct ProviderView<'a> {
    id: &'static str,
    /// The acquirer's own name for it.
    transaction_id: Option<&'a str>,
    account_id: &'static str,
    status: &'static str,
    sub_status: &'static str,
    status_detail: Option<&'static str>,
    response_message: Option<&'static str>,
    response_code: Option<&'a str>,
    /// The acquirer's words, when they are asked for.
    raw_response: Option<RawResponse<'a>>,
    third_party_transaction_id: Option<&'a str>,
    iso8583_response_code: Option<&'a str>,
    iso8583_response_message: Option<&'static str>,
}

/// The acquirer's words.
#[derive(Serialize, ToSchema)]
struct RawResponse<'a> {
    id: Option<&'a str>,
    response_code: Option<&'a str>,
    authorization_code: Option<&'a str>,
    iso8583_response_code: Option<&'a str>,
}

/// Over which connection it went.
#[derive(Serialize, ToSchema)]
struct Connection {
    id: &'static str,
    name: &'static str,
}

impl<'a> ProviderView<'a> {
    /// What was said about one try.
    pub(super) fn of(facts: &TransactionFacts<'a>, raw: bool) -> ProviderView<'a> {
        let said = facts.said;
        let code = said.map(|said| said.code);
        let message = code.map(response_message);
        let iso = said.and_then(|said| said.iso);
        let reference = said.and_then(|said| said.reference);
        ProviderView {
            id: facts.connector.provider_id(),
            transaction_id: reference,
            account_id: "",
            status: facts.state.wire(),
            sub_status: "",
            status_detail: message,
            response_message: message,
            response_code: code,
            raw_response: said.filter(|_| raw).map(|said| RawResponse {
                id: said.reference,
                response_code: code,
                authorization_code: said.authorization_code,
                iso8583_response_code: iso,
            }),
            third_party_transaction_id: reference,
            iso8583_response_code: iso,
            iso8583_response_message: iso.and(message),
        }
    }

    /// Our word for what was said.
    pub(super) fn response_code(&self) -> Option<&'a str> {
        self.response_code
    }

    /// The same as a sentence.
    pub(super) fn response_message(&self) -> Option<&'static str> {
        self.response_message
    }
}

/// What is only echoed of one try.
pub(super) struct Echo<'a> {
    pub(super) reason: Option<&'a str>,
    pub(super) description: Option<&'a str>,
    pub(super) merchant_reference: Option<&'a str>,
}

impl<'a> Echo<'a> {
    /// Of the try a payment was made with.
    pub(super) fn of_payment(details: &'a PaymentDetails<'_>, description: &'a str) -> Echo<'a> {
        Echo { reason: None, description: Some(description), merchant_reference: details.merchant_reference.as_deref() }
    }

    /// Of a later one.
    pub(super) fn of_operation(details: &'a OperationDetails<'_>) -> Echo<'a> {
        Echo {
            reason: details.reason.as_deref(),
            description: details.description.as_deref(),
            merchant_reference: details.merchant_reference.as_deref(),
        }
    }
}

impl<'a> TransactionView<'a> {
    /// Out of the facts and what is only echoed.
    pub(super) fn of(facts: &TransactionFacts<'a>, echo: &Echo<'a>, vault_on_success: bool, raw: bool) -> TransactionView<'a> {
        let provider_data = ProviderView::of(facts, raw);
        TransactionView {
            id: facts.id,
            kind: facts.kind.wire(),
            status: facts.state.wire(),
            category: "CARD",
            amount: Decimal(facts.amount),
            provider_id: facts.connector.provider_id(),
            payment_method: MethodOfTransaction { vaulted_token: "", kind: "CARD", vault_on_success, token: "" },
            response_code: provider_data.response_code(),
            response_message: provider_data.response_message(),
            reason: echo.reason,
            description: echo.description,
            merchant_reference: echo.merchant_reference,
            provider_data,
            connection_data: Connection { id: facts.connector.name(), name: facts.connector.name() },
            created_at: facts.created_at,
            updated_at: facts.updated_at,
        }
    }
}
