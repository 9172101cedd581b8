//! One try at an acquirer as it is shown.

use kernel::Timestamp;
use payments::{PaymentRow, TransactionFacts, response_message};

use crate::api::v1::details::{OperationDetails, PaymentDetails};
use crate::view::{Decimal, OrEmpty, Word, view};

view! {
    /// One try at an acquirer.
    pub(super) struct TransactionView<'a> as "Transaction" {
        id: kernel::AttemptId,
        /// PURCHASE, AUTHORIZE, VERIFY, CAPTURE, CANCEL or REFUND.
        kind as "type": Word,
        /// CREATED, PENDING, SUCCEEDED, DECLINED or ERROR.
        status: Word,
        category: Word,
        amount: Decimal,
        provider_id: Word,
        payment_method: MethodOfTransaction,
        response_code: Option<&'a str>,
        response_message: Option<Word>,
        reason: Option<&'a str>,
        description: Option<&'a str>,
        merchant_reference: Option<&'a str>,
        provider_data: ProviderView<'a>,
        connection_data: Connection,
        created_at: Timestamp,
        updated_at: Timestamp,
    }
}

view! {
    /// How a transaction is paid; more stands at its payment.
    struct MethodOfTransaction as "MethodOfTransaction" {
        vaulted_token: OrEmpty,
        kind as "type": Word,
        vault_on_success: bool,
        token: OrEmpty,
    }
}

view! {
    /// What the acquirer said.
    pub(super) struct ProviderView<'a> as "ProviderData" {
        id: Word,
        /// The acquirer's own name for it.
        transaction_id: Option<&'a str>,
        account_id: Word,
        status: Word,
        sub_status: Word,
        status_detail: Option<Word>,
        response_message: Option<Word>,
        response_code: Option<&'a str>,
        /// The acquirer's words, when they are asked for.
        raw_response: Option<RawResponse<'a>>,
        third_party_transaction_id: Option<&'a str>,
        iso8583_response_code: Option<&'a str>,
        iso8583_response_message: Option<Word>,
    }
}

view! {
    /// The acquirer's words.
    struct RawResponse<'a> as "RawResponse" {
        id: Option<&'a str>,
        response_code: Option<&'a str>,
        authorization_code: Option<&'a str>,
        iso8583_response_code: Option<&'a str>,
    }
}

view! {
    /// Over which connection it went.
    struct Connection as "Connection" {
        id: Word,
        name: Word,
    }
}

impl<'a> ProviderView<'a> {
    /// What was said about one try.
    pub(super) fn of(facts: &TransactionFacts<'a>, raw: bool) -> ProviderView<'a> {
        let said = facts.said;
        let code = said.map(|said| said.code);
        let message = code.map(response_message).map(Word);
        let iso = said.and_then(|said| said.iso);
        let reference = said.and_then(|said| said.reference);
        ProviderView {
            id: Word(facts.connector.provider_id()),
            transaction_id: reference,
            account_id: Word(""),
            status: Word(facts.state.wire()),
            sub_status: Word(""),
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
    pub(super) fn response_message(&self) -> Option<Word> {
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
    pub(super) fn of(
        facts: &TransactionFacts<'a>,
        payment: &PaymentRow,
        echo: &Echo<'a>,
        vault_on_success: bool,
        raw: bool,
    ) -> TransactionView<'a> {
        let provider_data = ProviderView::of(facts, raw);
        TransactionView {
            id: facts.id,
            kind: Word(facts.kind.wire()),
            status: Word(facts.state.wire()),
            category: Word("CARD"),
            amount: Decimal(facts.amount),
            provider_id: Word(facts.connector.provider_id()),
            payment_method: MethodOfTransaction {
                vaulted_token: OrEmpty(payment.vaulted_token),
                kind: Word("CARD"),
                vault_on_success,
                token: OrEmpty(payment.token.map(kernel::Id::uuid)),
            },
            response_code: provider_data.response_code(),
            response_message: provider_data.response_message(),
            reason: echo.reason,
            description: echo.description,
            merchant_reference: echo.merchant_reference,
            provider_data,
            connection_data: Connection { id: Word(facts.connector.name()), name: Word(facts.connector.name()) },
            created_at: facts.created_at,
            updated_at: facts.updated_at,
        }
    }
}
