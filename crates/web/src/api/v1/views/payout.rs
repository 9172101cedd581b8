//! A payout as it is shown.

use kernel::{AccountId, AttemptId, Country, PayoutId, Timestamp};
use payments::payouts::PayoutRow;
use payments::response_message;
use serde_json::value::RawValue;

use super::session::{AmountView, amount};
use crate::api::v1::details::{PayoutDetails, unpacked};
use crate::view::{Decimal, Word, drawn, view};

view! {
    /// A payout.
    pub(in crate::api::v1) struct PayoutView<'a> as "Payout" {
        id: PayoutId,
        account_id: AccountId,
        merchant_reference: &'a str,
        country: Country,
        purpose: Option<&'a str>,
        description: Option<&'a str>,
        /// CREATED, PENDING, SUCCEEDED, DECLINED or ERROR.
        status: Word,
        amount: AmountView,
        beneficiary: Option<&'a RawValue>,
        /// As it was sent, but for the bank account's number, of which the end is shown.
        withdrawal_method: Option<&'a RawValue>,
        metadata: Option<&'a RawValue>,
        transactions: Vec<PayoutTransactionView<'a>>,
        created_at: Timestamp,
        updated_at: Timestamp,
    }
}

view! {
    /// The one try at sending a payout.
    struct PayoutTransactionView<'a> as "PayoutTransaction" {
        id: AttemptId,
        status: Word,
        kind as "type": Word,
        amount: Decimal,
        provider_id: Word,
        response_code: Option<&'a str>,
        response_message: Option<Word>,
        provider_data: PayoutProviderView<'a>,
        connection_data: PayoutConnection,
        created_at: Timestamp,
        updated_at: Timestamp,
    }
}

view! {
    /// What the acquirer said.
    struct PayoutProviderView<'a> as "PayoutProviderData" {
        id: Word,
        /// The acquirer's own name for it; null when none was asked.
        transaction_id: Option<&'a str>,
        status: Word,
        response_code: Option<&'a str>,
        response_message: Option<Word>,
        iso8583_response_code: Option<&'a str>,
    }
}

view! {
    /// Over which connection it went.
    struct PayoutConnection as "PayoutConnection" {
        id: Word,
        name: Word,
    }
}

impl PayoutView<'_> {
    /// Drawn. A view borrows from a document that is taken apart for it, so it lives only here.
    pub(super) fn drawn(payout: &PayoutRow) -> Vec<u8> {
        let details: PayoutDetails<'_> = unpacked(payout.details.as_deref());
        drawn(&PayoutView {
            id: payout.id,
            account_id: payout.account_id,
            merchant_reference: &payout.merchant_reference,
            country: payout.country,
            purpose: details.purpose.as_deref(),
            description: details.description.as_deref(),
            status: Word(payout.state.wire()),
            amount: amount(payout.money()),
            beneficiary: details.beneficiary.as_deref(),
            withdrawal_method: details.withdrawal_method.as_deref(),
            metadata: details.metadata.as_deref(),
            transactions: vec![transaction(payout)],
            created_at: payout.created_at,
            updated_at: payout.updated_at,
        })
    }
}

fn transaction(payout: &PayoutRow) -> PayoutTransactionView<'_> {
    let said = payout.said();
    let code = said.map(|said| said.code);
    let sentence = code.map(message).map(Word);
    let (connector, status) = (payout.connector, Word(payout.state.wire()));
    PayoutTransactionView {
        id: payout.attempt_id,
        status,
        kind: Word("PAYOUT"),
        amount: Decimal(payout.money()),
        provider_id: Word(connector.provider_id()),
        response_code: code,
        response_message: sentence,
        provider_data: PayoutProviderView {
            id: Word(connector.provider_id()),
            transaction_id: said.and_then(|said| said.reference),
            status,
            response_code: code,
            response_message: sentence,
            iso8583_response_code: said.and_then(|said| said.iso),
        },
        connection_data: PayoutConnection { id: Word(connector.name()), name: Word(connector.name()) },
        created_at: payout.created_at,
        updated_at: payout.updated_at,
    }
}

/// One sentence for a response code: what is said of cards does not fit everywhere.
fn message(code: &str) -> &'static str {
    match code {
        "INSUFFICIENT_FUNDS" => "There is not enough money for this payout",
        "INVALID_CARD_DATA" | "INVALID_SECURITY_CODE" => "The bank account's data is wrong",
        "REPORTED_STOLEN" => "The bank account is blocked",
        code => response_message(code),
    }
}
