//! A payment as it is shown.

use kernel::{AccountId, CheckoutSessionId, Country, Money, PaymentId, Timestamp};
use payments::{PaymentFacts, PaymentRow};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::Decimal;
use super::card::CardView;
use super::transaction::{Echo, TransactionView};
use crate::api::v1::details::{OperationDetails, PaymentDetails, unpacked};

/// A payment.
#[derive(Serialize, ToSchema)]
#[schema(as = Payment)]
pub(in crate::api::v1) struct PaymentView<'a> {
    #[schema(value_type = uuid::Uuid)]
    id: PaymentId,
    #[schema(value_type = uuid::Uuid)]
    account_id: AccountId,
    description: &'a str,
    #[schema(value_type = String)]
    country: Country,
    /// CREATED, PENDING, SUCCEEDED, REFUNDED, CANCELED, VERIFIED, DECLINED or ERROR.
    status: &'static str,
    /// What it is exactly.
    sub_status: &'static str,
    merchant_order_id: &'a str,
    merchant_reference: Option<&'a str>,
    #[schema(value_type = String)]
    created_at: Timestamp,
    #[schema(value_type = String)]
    updated_at: Timestamp,
    idempotency_key: Option<&'a str>,
    amount: AmountView,
    checkout: CheckoutView,
    payment_method: MethodView<'a>,
    #[schema(value_type = Option<Object>)]
    customer_payer: Option<&'a RawValue>,
    #[schema(value_type = Option<Object>)]
    additional_data: Option<&'a RawValue>,
    /// The latest transaction.
    transactions: TransactionView<'a>,
    /// All transactions, oldest first; null unless asked for.
    transactions_history: Option<Vec<TransactionView<'a>>>,
    callback_url: Option<&'a str>,
    workflow: &'static str,
    #[schema(value_type = Option<Vec<Object>>)]
    metadata: Option<&'a RawValue>,
    #[schema(value_type = Option<Object>)]
    fraud_screening: Option<&'a RawValue>,
    payment_link_id: Option<&'a str>,
    subscription_code: Option<&'a str>,
    routing_rules: RoutingView,
    simplified_mode: bool,
}

/// Amounts of a payment.
#[derive(Serialize, ToSchema)]
#[schema(as = PaymentAmount)]
struct AmountView {
    currency: &'static str,
    #[schema(value_type = f64)]
    value: Decimal,
    /// Of captures; stays 0 for a purchase.
    #[schema(value_type = f64)]
    captured: Decimal,
    #[schema(value_type = f64)]
    refunded: Decimal,
    #[schema(value_type = Option<Object>)]
    currency_conversion: Option<()>,
}

/// The checkout session of a payment.
#[derive(Serialize, ToSchema)]
#[schema(as = PaymentCheckout)]
struct CheckoutView {
    #[schema(value_type = Option<uuid::Uuid>)]
    session: Option<CheckoutSessionId>,
    sdk_action_required: bool,
}

/// How a payment is paid.
#[derive(Serialize, ToSchema)]
#[schema(as = PaymentMethodReply)]
struct MethodView<'a> {
    vaulted_token: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    vault_on_success: bool,
    token: &'static str,
    parent_payment_method_type: Option<&'static str>,
    payment_method_detail: DetailView<'a>,
}

/// What belongs to a way of paying.
#[derive(Serialize, ToSchema)]
#[schema(as = PaymentMethodDetail)]
struct DetailView<'a> {
    card: CardDetailView<'a>,
}

/// How a card was charged.
#[derive(Serialize, ToSchema)]
#[schema(as = PaymentCard)]
struct CardDetailView<'a> {
    verify: bool,
    capture: bool,
    installments: u8,
    installments_plan_id: Option<&'static str>,
    first_installment_deferral: u8,
    installments_type: &'static str,
    #[schema(value_type = Option<Object>)]
    installment_amount: Option<()>,
    soft_descriptor: Option<&'a str>,
    authorization_code: Option<&'a str>,
    retrieval_reference_number: Option<&'a str>,
    acquirer_reference_number: Option<&'a str>,
    voucher: Option<&'static str>,
    redirect_url: Option<&'static str>,
    card_data: Option<CardView<'a>>,
    #[schema(value_type = Option<Object>)]
    stored_credentials: Option<&'a RawValue>,
}

/// By which rule the acquirer was chosen.
#[derive(Serialize, ToSchema)]
#[schema(as = RoutingRules)]
struct RoutingView {
    smart_routing: bool,
    monitors: bool,
    condition: ConditionView,
}

/// The rule's condition.
#[derive(Serialize, ToSchema)]
#[schema(as = RoutingCondition)]
struct ConditionView {
    id: Option<&'static str>,
    name: Option<&'static str>,
    description: Option<&'static str>,
}

impl PaymentView<'_> {
    /// Makes the view and gives it to `show`; it borrows from documents that are taken apart for it.
    pub(super) fn with<T>(facts: &PaymentFacts<'_>, show: impl FnOnce(&PaymentView<'_>) -> T) -> T {
        let payment = facts.payment;
        let details: PaymentDetails<'_> = unpacked(payment.details.as_deref());
        let operations: Vec<OperationDetails<'_>> =
            facts.operations.iter().map(|operation| unpacked(operation.details.as_deref())).collect();
        let echo = |at: usize| match at.checked_sub(1) {
            None => Echo::of_payment(&details, &payment.description),
            Some(at) => Echo::of_operation(&operations[at]),
        };
        let vault = details.vault_on_success;
        let history = facts.history.then(|| {
            let all = facts.transactions().enumerate();
            all.map(|(at, transaction)| TransactionView::of(&transaction, &echo(at), vault, facts.raw)).collect()
        });
        let latest = TransactionView::of(&facts.latest(), &echo(facts.operations.len()), vault, facts.raw);
        show(&PaymentView::of(facts, &details, latest, history))
    }
}

impl<'a> PaymentView<'a> {
    fn of(
        facts: &PaymentFacts<'a>,
        details: &'a PaymentDetails<'a>,
        latest: TransactionView<'a>,
        history: Option<Vec<TransactionView<'a>>>,
    ) -> PaymentView<'a> {
        let payment = facts.payment;
        PaymentView {
            id: payment.id,
            account_id: payment.account_id,
            description: &payment.description,
            country: payment.country,
            status: payment.state.status(),
            sub_status: payment.state.sub_status(),
            merchant_order_id: &payment.merchant_order_id,
            merchant_reference: details.merchant_reference.as_deref(),
            created_at: payment.created_at,
            updated_at: payment.updated_at,
            idempotency_key: payment.idempotency_key.as_deref(),
            amount: amount(payment),
            checkout: CheckoutView { session: payment.checkout_session, sdk_action_required: false },
            payment_method: method(facts, details),
            customer_payer: details.customer_payer.as_deref(),
            additional_data: details.additional_data.as_deref(),
            transactions: latest,
            transactions_history: history,
            callback_url: details.callback_url.as_deref(),
            workflow: payment.workflow.wire(),
            metadata: details.metadata.as_deref(),
            fraud_screening: None,
            payment_link_id: None,
            subscription_code: None,
            routing_rules: RoutingView {
                smart_routing: false,
                monitors: false,
                condition: ConditionView { id: None, name: None, description: None },
            },
            simplified_mode: false,
        }
    }
}

fn amount(payment: &PaymentRow) -> AmountView {
    let of = |minor| Decimal(Money::new(minor, payment.currency));
    AmountView {
        currency: payment.currency.code(),
        value: of(payment.amount),
        captured: of(payment.captured_shown()),
        refunded: of(payment.refunded),
        currency_conversion: None,
    }
}

fn method<'a>(facts: &PaymentFacts<'a>, details: &'a PaymentDetails<'a>) -> MethodView<'a> {
    let payment = facts.payment;
    let said = facts.first().said;
    let reference = said.and_then(|said| said.reference);
    let card = payment.card.as_ref().and_then(payments::CardFace::parts);
    let card = CardDetailView {
        verify: payment.mode == payments::Mode::Verify,
        capture: payment.mode != payments::Mode::Authorise,
        installments: details.installments.unwrap_or(1),
        installments_plan_id: None,
        first_installment_deferral: 0,
        installments_type: "",
        installment_amount: None,
        soft_descriptor: details.soft_descriptor.as_deref(),
        authorization_code: said.and_then(|said| said.authorization_code),
        retrieval_reference_number: reference,
        acquirer_reference_number: reference,
        voucher: None,
        redirect_url: None,
        card_data: card.map(|card| CardView::of(&card, details.three_d_secure.as_deref())),
        stored_credentials: details.stored_credentials.as_deref(),
    };
    MethodView {
        vaulted_token: "",
        kind: "CARD",
        vault_on_success: details.vault_on_success,
        token: "",
        parent_payment_method_type: None,
        payment_method_detail: DetailView { card },
    }
}
