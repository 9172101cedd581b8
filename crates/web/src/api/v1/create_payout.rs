//! `POST /v1/payouts`: sends money of the account to somebody's bank account.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use kernel::json::Value;
use payments::payouts::{BankAccountNumber, CreatePayout};
use serde::Serialize;
use utoipa::openapi::{RefOr, Schema};

use super::details::{PayoutDetails, packed, raw};
use super::parts::{Address, Document, Email, Metadata, Phone, Reference, must_be_positive};
use super::{PAYOUTS, answer, payout_reply};
use crate::caller::{Caller, MoneyOut};
use crate::envelope::Code;
use crate::extract::Facts;
use crate::object::{self, Body, Field, Land, Prose, Reader, Text, Word, object, string, words};
use crate::once::{Once, Optional};
use crate::route::Guarded;
use crate::state::Web;

object! {
    /// Money to be sent.
    pub(super) struct CreatePayoutBody {
        /// The account of the key.
        account_id: object::Account,
        /// Your own name for the payout; a second payout of the same name is refused.
        merchant_reference: Reference,
        /// Where it is asked for: ISO 3166-1 alpha-2.
        country: Land,
        /// What it is for, such as `REIMBURSEMENT`.
        purpose: Purpose,
        /// How much arrives.
        amount: object::Amount,
        /// Who gets it.
        beneficiary: Beneficiary,
        /// How it gets there.
        withdrawal_method: WithdrawalMethod,
        /// In your words.
        description: Option<Prose<0, 255>>,
        /// Your own notes, at most 50, each key once.
        metadata: Option<Metadata>,
    }
}

object! {
    /// Who gets the money.
    #[derive(Serialize)]
    pub(super) struct Beneficiary {
        /// Your own name for the person or company.
        merchant_beneficiary_id: Text<1, 255>,
        /// ISO 3166-1 alpha-2.
        country: Land,
        /// Person or company.
        national_entity: Option<Entity>,
        /// First name.
        first_name: Option<Prose<1, 255>>,
        /// Family name.
        last_name: Option<Prose<1, 255>>,
        /// A company's name.
        legal_name: Option<Prose<1, 255>>,
        /// E-mail address.
        email: Option<Email>,
        /// Identity paper.
        document: Option<Document>,
        /// Telephone.
        phone: Option<Phone>,
        /// Postal address.
        address: Option<Address>,
    }
}

words! {
    /// Person or company.
    pub(super) enum Entity {
        /// A person.
        Individual = "INDIVIDUAL",
        /// A company.
        Entity = "ENTITY",
    }
}

object! {
    /// How the money gets there.
    pub(super) struct WithdrawalMethod {
        /// Only `BANK_TRANSFER` is offered.
        kind as "type": WithdrawalKind,
        /// Who is to send it.
        provider_id: Text<1, 64>,
        /// What belongs to the kind.
        detail: Option<WithdrawalDetail>,
    }
}

words! {
    /// A way of sending money.
    pub(super) enum WithdrawalKind {
        /// To a bank account.
        BankTransfer = "BANK_TRANSFER",
    }
}

object! {
    /// What belongs to a way of sending money.
    pub(super) struct WithdrawalDetail {
        /// Of bank transfers.
        bank_transfer: Option<BankTransfer>,
    }
}

object! {
    /// Which bank account.
    pub(super) struct BankTransfer {
        /// The bank's code.
        code: Text<1, 8>,
        /// The account at that bank.
        account: Option<BankAccount>,
    }
}

object! {
    /// A bank account.
    pub(super) struct BankAccount {
        /// Its number or IBAN. Only the end of it is kept and shown.
        number: AccountNumber,
        /// Such as `CHECKING`.
        kind as "type": Option<Text<1, 64>>,
    }
}

/// The number of a bank account.
#[derive(Debug)]
pub(super) struct AccountNumber(BankAccountNumber);

impl Field for AccountNumber {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let Text(number) = Text::<3, 250>::read(value, reader)?;
        Some(AccountNumber(BankAccountNumber::new(&number)))
    }

    fn property() -> RefOr<Schema> {
        string().min_length(Some(3)).max_length(Some(250)).examples(["FR7630006000011234567890002"]).build().into()
    }
}

/// What money is sent for: capitals, digits and underscores.
#[derive(Debug)]
pub(super) struct Purpose(Arc<str>);

impl Field for Purpose {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let Text(word) = Text::<1, 64>::read(value, reader)?;
        let snake = word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        if snake { Some(Purpose(word)) } else { reader.invalid("must be capitals, digits and underscores") }
    }

    fn property() -> RefOr<Schema> {
        string().pattern(Some("^[A-Z0-9_]{1,64}$")).examples(["REIMBURSEMENT"]).build().into()
    }
}

impl Body for CreatePayoutBody {
    type Ask = CreatePayout;

    fn name() -> &'static str {
        "CreatePayoutBody"
    }

    fn judge(self, reader: &mut Reader) -> Option<CreatePayout> {
        must_be_positive(self.amount.0, reader);
        let (method, bank_account) = self.withdrawal_method.parted();
        let details = packed(&PayoutDetails {
            purpose: Some(Cow::Borrowed(&*self.purpose.0)),
            description: self.description.as_ref().map(|Prose(text)| Cow::Borrowed(&**text)),
            beneficiary: Some(raw(&self.beneficiary)),
            withdrawal_method: Some(raw(&method)),
            metadata: self.metadata.as_ref().map(raw),
        });
        Some(CreatePayout {
            merchant_reference: self.merchant_reference.0,
            country: self.country.0,
            amount: self.amount.0,
            description: self.description.map_or_else(|| "".into(), |Prose(text)| text),
            bank_account,
            details,
            request_id: "".into(), // known to the handler
        })
    }
}

impl WithdrawalMethod {
    /// What is kept of it, and the number, which is not.
    fn parted(self) -> (KeptMethod, Option<BankAccountNumber>) {
        let transfer = self.detail.and_then(|detail| detail.bank_transfer);
        let (code, account) = transfer.map_or((None, None), |transfer| (Some(transfer.code), transfer.account));
        let (number, kind) = account.map_or((None, None), |account| (Some(account.number.0), account.kind));
        let kept_account = number.as_ref().map(|number| KeptAccount { number: number.masked(), kind });
        let detail = code.map(|code| KeptDetail { bank_transfer: KeptTransfer { code, account: kept_account } });
        (KeptMethod { kind: self.kind.text(), provider_id: self.provider_id, detail }, number)
    }
}

#[derive(Serialize)]
struct KeptMethod {
    #[serde(rename = "type")]
    kind: &'static str,
    provider_id: Text<1, 64>,
    detail: Option<KeptDetail>,
}

#[derive(Serialize)]
struct KeptDetail {
    bank_transfer: KeptTransfer,
}

#[derive(Serialize)]
struct KeptTransfer {
    code: Text<1, 8>,
    account: Option<KeptAccount>,
}

#[derive(Serialize)]
struct KeptAccount {
    /// Masked.
    number: String,
    #[serde(rename = "type")]
    kind: Option<Text<1, 64>>,
}

/// A body that works, for the reference.
const EXAMPLE: &str = r#"{
  "account_id": "01936b1a-0000-7000-8000-00000000a001",
  "merchant_reference": "rent-2026-05",
  "country": "FR",
  "purpose": "RENT",
  "amount": {"currency": "EUR", "value": 250},
  "beneficiary": {"merchant_beneficiary_id": "landlord", "country": "FR", "first_name": "Ada", "last_name": "Martin"},
  "withdrawal_method": {"type": "BANK_TRANSFER", "provider_id": "sandbox", "detail": {"bank_transfer": {
    "code": "30006", "account": {"number": "FR7630006000011234567890002"}}}}
}"#;

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::POST, "/v1/payouts", create_payout).about(|route| {
        route
            .named(PAYOUTS, "create-payout", "Send money to a bank account")
            .text(
                "The money is set aside before it is sent, and returns when it cannot be sent. A payout that the balance does not \
                 cover is answered 201 with the status DECLINED and sent to nobody.\n\n\
                 `merchant_reference` is unique, so a repeat is safe without an idempotency key as well.",
            )
            .example(EXAMPLE)
            .replies(StatusCode::CREATED, "The payout.", payout_reply())
            .drawn(super::views::sample::payout_reply)
            .refusals(&[
                (Code::IdempotencyDuplicated, "There is a payout of this `merchant_reference` already."),
                (Code::InvalidAmount, "The amount is zero, too large, or has more decimals than its currency."),
                (Code::ProviderUnavailable, "The acquirer could not be reached. Nothing was sent; key and reference are free again."),
                (Code::RequestTimeout, "The acquirer has not answered. It is being asked, and the money stays set aside."),
            ])
    })
}

async fn create_payout(
    caller: Caller<MoneyOut>,
    Facts(exchange): Facts,
    State(web): State<Web>,
    once: Once<Optional, CreatePayoutBody>,
) -> Response {
    let ask = CreatePayout { request_id: exchange.request_id.as_str().into(), ..once.ask };
    let answered = web.wiring.payments.create_payout(caller.account_id(), ask, once.key.clone()).await;
    answer(&web, once.key.as_ref(), answered)
}
