//! One payment with a capture, and a session, as the reference shows them.

use std::borrow::Cow;
use std::sync::Arc;

use kernel::{
    AccountId, Approval, AttemptId, CardExpiry, CardNumber, CheckoutSessionId, Country, Currency, CustomerId, CustomerSessionId,
    Money, Outcome, PaymentId, PaymentMethodId, PayoutId, PlatformKey, ReportId, SecurityCode, Timestamp, TokenId,
};
use payments::customers::{CustomerRow, CustomerSessionRow};
use payments::methods::{MethodStatus, PaymentMethodRow};
use payments::payouts::PayoutRow;
use payments::reports::{REPORT_SECONDS, ReportKind, ReportRow};
use payments::tokens::TokenRow;
use payments::{
    AttemptKind, AttemptRow, AttemptState, Balance, CardAsk, CardFace, Challenges, CheckoutSessionRow, Codes, Connector,
    MethodFacts, Mode, OperationFacts, OriginKind, PaymentFacts, PaymentRow, PaymentState, ReplyForm, Response, TokenFacts,
    Workflow,
};

use crate::api::v1::details::{OperationDetails, PayoutDetails, packed, raw};

/// The time of the sample: 2026-01-31T09:08:07.123456Z.
const AT: Timestamp = Timestamp::from_micros(1_769_850_487_123_456);

const fn id(last: u8) -> [u8; 16] {
    [0x01, 0x93, 0x6b, 0x1c, 0x7a, 0x4e, 0x7c, 0x55, 0x8a, 0x1b, 0x0c, 0x9e, 0x5f, 0x3d, 0x2b, last]
}

/// An approved purchase of 19.99 EUR.
pub(super) fn purchase() -> PaymentRow {
    let card = CardAsk {
        number: CardNumber::parse("4507990000000002").expect("a published test card"),
        expiry: CardExpiry::new(12, 2030).expect("a month"),
        security_code: SecurityCode::parse("123").ok(),
        holder_name: Arc::from("Ada Martin"),
        card_type: None,
        fingerprint: Some(uuid::Uuid::from_bytes(id(9))),
    };
    PaymentRow {
        account_id: AccountId::from_bytes(id(0)),
        id: PaymentId::from_bytes(id(1)),
        attempt_id: AttemptId::from_bytes(id(2)),
        merchant_order_id: Arc::from("order-1042"),
        description: Arc::from("Two chairs"),
        country: Country::parse("FR").expect("France"),
        currency: Currency::EUR,
        amount: 1_999,
        fee: 53,
        mode: Mode::Purchase,
        workflow: Workflow::Direct,
        origin: OriginKind::Api,
        connector: Connector::Sandbox,
        card: Some(CardFace::of(&card)),
        checkout_session: None,
        idempotency_key: Some(Arc::from("create-payment-1")),
        split: None,
        details: None,
        customer_id: None,
        token: None,
        delay: None,
        created_at: AT,
        state: PaymentState::Approved,
        earlier: None,
        attempt: AttemptState::Succeeded,
        response: approval(),
        answered_at: Some(AT),
        captured: 1_999,
        capturing: 0,
        refunded: 0,
        refunding: 0,
        hold_until: None,
        method_id: None,
        vaulted_token: None,
        updated_at: AT,
    }
}

fn approval() -> Option<Response> {
    Response::of(&Outcome::Approved(Approval {
        reference: Cow::Borrowed("01936b1c-7a4e-7c55-8a1b-0c9e5f3d2b0f"),
        code: Cow::Borrowed("SUCCEEDED"),
        iso: Some(Cow::Borrowed("00")),
        authorization_code: Some(Cow::Borrowed("493208")),
        eci: None,
    }))
}

/// The same amount held, half of it captured.
pub(super) fn held() -> PaymentRow {
    PaymentRow { mode: Mode::Authorise, state: PaymentState::PartlyCaptured, captured: 1_000, ..purchase() }
}

/// A capture of 10 EUR.
pub(super) fn capture() -> AttemptRow {
    let details = OperationDetails {
        merchant_reference: Some(Cow::Borrowed("parcel-1")),
        reason: Some(Cow::Borrowed("PRODUCT_CONFIRMED")),
        ..OperationDetails::default()
    };
    AttemptRow {
        account_id: AccountId::from_bytes(id(0)),
        id: AttemptId::from_bytes(id(3)),
        payment_id: PaymentId::from_bytes(id(1)),
        kind: AttemptKind::Capture,
        origin: OriginKind::Api,
        form: ReplyForm::Capture,
        named: AttemptId::from_bytes(id(2)),
        currency: Currency::EUR,
        amount: 1_000,
        fee: 39,
        claim: None,
        details: packed(&details),
        created_at: AT,
        state: AttemptState::Succeeded,
        response: approval(),
        returned: 0,
        updated_at: AT,
    }
}

/// A session that is still open.
pub(super) fn open_session() -> CheckoutSessionRow {
    CheckoutSessionRow {
        account_id: AccountId::from_bytes(id(0)),
        id: CheckoutSessionId::from_bytes(id(4)),
        merchant_order_id: Arc::from("order-1042"),
        payment_description: Arc::from("Two chairs"),
        country: Country::parse("FR").expect("France"),
        currency: Some(Currency::EUR),
        amount: Some(1_999),
        workflow: Workflow::SdkCheckout,
        details: None,
        customer_id: None,
        created_at: AT,
        payment_id: None,
    }
}

/// A report of December.
pub(in crate::api::v1) fn report() -> ReportRow {
    ReportRow {
        account_id: AccountId::from_bytes(id(0)),
        id: ReportId::from_bytes(id(12)),
        kind: ReportKind::Transactions,
        start_at: Timestamp::from_date(2025, 12, 1).expect("a date"),
        end_at: Timestamp::from_date(2026, 1, 1).expect("a date"),
        merchant_reference: Some(Arc::from("december")),
        payment_states: Codes::ALL,
        transaction_kinds: Codes::ALL,
        transaction_states: Codes::ALL,
        currencies: None,
        countries: None,
        created_at: AT,
        expires_at: AT.plus_seconds(REPORT_SECONDS),
    }
}

/// A report's reply.
pub(in crate::api::v1) fn report_reply() -> Vec<u8> {
    super::report(&report())
}

/// Where payers of samples are sent.
pub(super) fn challenges() -> Challenges {
    let challenges = Challenges::new(&PlatformKey::from_bytes([0; 32]));
    challenges.reached_at("https://guichet.example");
    challenges
}

/// A customer of whom little is known.
fn customer() -> CustomerRow {
    CustomerRow {
        account_id: AccountId::from_bytes(id(0)),
        id: CustomerId::from_bytes(id(5)),
        created_at: AT,
        merchant_customer_id: Some(Arc::from("ada-1")),
        document: Some(Arc::from(&br#"{"first_name":"Ada","last_name":"Martin","email":"ada@example.com"}"#[..])),
        last_method: None,
        deleted_at: None,
        forget_after: None,
        updated_at: AT,
    }
}

/// A customer's session.
fn customer_session() -> CustomerSessionRow {
    CustomerSessionRow {
        account_id: AccountId::from_bytes(id(0)),
        id: CustomerSessionId::from_bytes(id(6)),
        customer_id: CustomerId::from_bytes(id(5)),
        country: Country::parse("FR").expect("France"),
        callback_url: None,
        created_at: AT,
    }
}

/// A one-time token.
fn token() -> TokenRow {
    TokenRow {
        account_id: AccountId::from_bytes(id(0)),
        id: TokenId::from_bytes(id(7)),
        card: purchase().card.expect("it was paid by card"),
        number_record: uuid::Uuid::from_bytes(id(10)),
        code_record: None,
        vault_on_success: false,
        checkout_session: None,
        customer_session: None,
        customer_id: None,
        expires_at: AT,
        used_by: None,
        erased_at: None,
    }
}

/// A card that can be charged again.
fn stored() -> PaymentMethodRow {
    PaymentMethodRow {
        account_id: AccountId::from_bytes(id(0)),
        id: PaymentMethodId::from_bytes(id(8)),
        vaulted_token: uuid::Uuid::from_bytes(id(11)),
        customer_id: Some(CustomerId::from_bytes(id(5))),
        customer_session: None,
        country: Country::parse("FR").expect("France"),
        idempotency_key: Some(Arc::from("enrol-1")),
        verify: false,
        verify_currency: None,
        callback_url: None,
        created_at: AT,
        status: MethodStatus::Enrolled,
        card: purchase().card,
        fingerprint: None,
        number_record: None,
        payment_id: None,
        last_used_at: Some(AT),
        reached_at: None,
        updated_at: AT,
    }
}

/// The reply to the request that made the customer.
pub(in crate::api::v1) fn customer_reply() -> Vec<u8> {
    super::customer(&customer())
}

/// The reply to the request that opened the customer's session.
pub(in crate::api::v1) fn customer_session_reply() -> Vec<u8> {
    super::customer_session(&customer_session())
}

/// The reply to the request that made the token.
pub(in crate::api::v1) fn token_reply() -> Vec<u8> {
    super::token(&TokenFacts { token: &token(), details: None })
}

/// The reply to the request that enrolled the card.
pub(in crate::api::v1) fn method_reply() -> Vec<u8> {
    super::method(&MethodFacts { method: &stored(), last: true, now: AT, page: None })
}

/// The reply to the request that made the payment.
pub(in crate::api::v1) fn payment_reply() -> Vec<u8> {
    let challenges = challenges();
    super::payment(&PaymentFacts { payment: &purchase(), operations: &[], history: true, raw: false, challenges: &challenges })
}

/// The reply to a capture.
pub(in crate::api::v1) fn operation_reply() -> Vec<u8> {
    super::operation(&OperationFacts { payment: &held(), operation: &capture() })
}

/// The reply to the request that opened the session.
pub(in crate::api::v1) fn session_reply() -> Vec<u8> {
    super::session(&open_session())
}

/// A payout of 250 EUR that arrived.
fn payout() -> PayoutRow {
    let details = PayoutDetails {
        purpose: Some(Cow::Borrowed("RENT")),
        description: Some(Cow::Borrowed("May")),
        beneficiary: Some(raw(&serde_json::json!({
            "merchant_beneficiary_id": "landlord", "country": "FR", "national_entity": "INDIVIDUAL", "first_name": "Ada",
            "last_name": "Martin", "legal_name": null, "email": null, "document": null, "phone": null, "address": null
        }))),
        withdrawal_method: Some(raw(&serde_json::json!({
            "type": "BANK_TRANSFER", "provider_id": "sandbox",
            "detail": {"bank_transfer": {"code": "30006", "account": {"number": "****0189", "type": null}}}
        }))),
        metadata: None,
    };
    PayoutRow {
        account_id: AccountId::from_bytes(id(0)),
        id: PayoutId::from_bytes(id(5)),
        attempt_id: AttemptId::from_bytes(id(6)),
        merchant_reference: Arc::from("rent-2026-05"),
        country: Country::parse("FR").expect("France"),
        currency: Currency::EUR,
        amount: 25_000,
        fee: 0,
        connector: Connector::Sandbox,
        details: packed(&details),
        created_at: AT,
        state: AttemptState::Succeeded,
        response: approval(),
        updated_at: AT,
    }
}

/// The reply to the request that made the payout.
pub(in crate::api::v1) fn payout_reply() -> Vec<u8> {
    super::payout(&payout())
}

/// What an account has.
pub(in crate::api::v1) fn balances_reply() -> Vec<u8> {
    let eur = |minor| Money::new(minor, Currency::EUR);
    super::balances(&[Balance { available: eur(118_099), authorized: eur(2_500), reserved: eur(0), fees: eur(1_901) }])
}

/// A link for one use.
pub(in crate::api::v1) fn link_reply() -> Vec<u8> {
    let link = payments::links::LinkRow {
        account_id: AccountId::from_bytes(id(0)),
        id: kernel::PaymentLinkId::from_bytes(id(7)),
        country: Country::parse("FR").expect("France"),
        currency: Currency::EUR,
        amount: 1_999,
        description: Some(Arc::from("Two chairs")),
        merchant_order_id: None,
        capture: true,
        one_time_use: true,
        callback_url: None,
        start_at: None,
        finish_at: None,
        details: None,
        created_at: AT,
        state: payments::links::LinkState::Created,
        payments_number: 0,
        paying: None,
        updated_at: AT,
    };
    super::link(&payments::links::LinkFacts { link: &link, payments: &[], base_url: "https://pay.example", now: AT })
}

/// A subscription that was just made.
pub(in crate::api::v1) fn subscription_reply() -> Vec<u8> {
    use payments::subscriptions::{FrequencyUnit, SubscriptionRow, SubscriptionState};
    super::subscription(&SubscriptionRow {
        account_id: AccountId::from_bytes(id(0)),
        id: kernel::SubscriptionId::from_bytes(id(8)),
        country: Country::parse("FR").expect("France"),
        start_at: AT,
        trial_cycles: 1,
        trial_amount: 0,
        trial_currency: Currency::EUR,
        customer_id: None,
        created_at: AT,
        name: Arc::from("Magazine"),
        currency: Currency::EUR,
        amount: 900,
        vaulted_token: Arc::from("01936b1a-0000-7000-8000-00000000c001"),
        unit: FrequencyUnit::Month,
        every: 1,
        anchor_cycle: 1,
        anchor_months: 0,
        anchor_days: 0,
        total: Some(12),
        finish_at: None,
        retry_on_decline: true,
        retry_amount: 3,
        stop_on_hard_decline: false,
        cancel_on_exhausted: false,
        details: None,
        state: SubscriptionState::Trialing,
        cycle: 1,
        tries: 0,
        retries_used: 0,
        declined_at: None,
        next_at: Some(AT),
        forced: false,
        wake_at: Some(AT),
        paying: None,
        change_id: None,
        changed_at: None,
        changed_to: None,
        updated_at: AT,
    })
}

/// A parcel on its way.
pub(in crate::api::v1) fn fulfilments_reply() -> Vec<u8> {
    use payments::fulfilments::{FulfilmentRow, FulfilmentStatus};
    let items = br#"[{"id": "parcel-1", "type": "STANDARD", "status": "COMPLETED", "description": "The first chair", "carriers": [
        {"id": "La Poste", "tracking_id": ["6A12345678901"],
         "tracking_url": ["https://www.laposte.fr/outils/suivre-vos-envois?code=6A12345678901"], "shipped_at": "2026-01-31", "delivered_at": null}]}]"#;
    super::FulfilmentsView::drawn(&[FulfilmentRow {
        account_id: AccountId::from_bytes(id(0)),
        payment_id: PaymentId::from_bytes(id(1)),
        number: 1,
        id: uuid::Uuid::from_bytes(id(10)),
        status: FulfilmentStatus::Partial,
        count: 1,
        items: Arc::from(items.as_slice()),
        created_at: AT,
    }])
}

/// Whose the sample is.
pub(in crate::api::v1) fn account() -> AccountId {
    AccountId::from_bytes(id(0))
}

/// What is told of it.
pub(in crate::api::v1) fn event() -> kernel::EventId {
    kernel::EventId::from_bytes(id(11))
}
