//! A payment as it is shown.

use kernel::{AccountId, CheckoutSessionId, Country, Money, PaymentId, Timestamp};
use payments::delays::{Delay, DelayedStep};
use payments::{PaymentFacts, PaymentRow};
use serde_json::value::RawValue;

use super::card::{CardView, ThreeDSecure};
use super::transaction::{Echo, TransactionView};
use crate::api::v1::delayed;
use crate::api::v1::details::{OperationDetails, PaymentDetails, unpacked};
use crate::api::v1::parts::CustomerPayer;
use crate::view::{Decimal, Nothing, OrEmpty, Word, drawn, view};

view! {
    /// A payment.
    pub(in crate::api::v1) struct PaymentView<'a> as "Payment" {
        id: PaymentId,
        account_id: AccountId,
        description: &'a str,
        country: Country,
        /// CREATED, PENDING, SUCCEEDED, REFUNDED, CANCELED, VERIFIED, DECLINED, EXPIRED, ERROR, `IN_DISPUTE` or CHARGEBACK.
        status: Word,
        /// What it is exactly; `CAPTURE_RETRY_IN_PROCESS` or `REFUND_RETRY_IN_PROCESS` while an operation is tried again,
        /// `CAPTURE_RETRY_PROCESS_FAILED` when a capture failed at every try.
        sub_status: Word,
        merchant_order_id: &'a str,
        merchant_reference: Option<&'a str>,
        created_at: Timestamp,
        updated_at: Timestamp,
        idempotency_key: Option<&'a str>,
        amount: AmountView,
        checkout: CheckoutView,
        payment_method: MethodView<'a>,
        /// As it was sent; where nobody was named, the id of the checkout session's customer.
        customer_payer: Option<&'a RawValue>,
        additional_data: Option<&'a RawValue>,
        /// The latest transaction.
        transactions: TransactionView<'a>,
        /// All transactions, oldest first; null unless asked for.
        transactions_history: Option<Vec<TransactionView<'a>>>,
        callback_url: Option<&'a str>,
        workflow: Word,
        metadata: Option<&'a RawValue>,
        fraud_screening: Nothing,
        payment_link_id: Option<&'a str>,
        subscription_code: Option<&'a str>,
        routing_rules: RoutingView,
        /// Whether its latest transaction is an operation that was asked to be tried again where it fails for now.
        simplified_mode: bool,
    }
}

view! {
    /// Amounts of a payment.
    struct AmountView as "PaymentAmount" {
        currency: Word,
        value: Decimal,
        /// Of captures; stays 0 for a purchase.
        captured: Decimal,
        refunded: Decimal,
        currency_conversion: Nothing,
    }
}

view! {
    /// The checkout session of a payment.
    struct CheckoutView as "PaymentCheckout" {
        session: Option<CheckoutSessionId>,
        sdk_action_required: bool,
    }
}

view! {
    /// How a payment is paid.
    struct MethodView<'a> as "PaymentMethodReply" {
        vaulted_token: OrEmpty,
        kind as "type": Word,
        vault_on_success: bool,
        token: OrEmpty,
        parent_payment_method_type: Nothing,
        payment_method_detail: DetailView<'a>,
    }
}

view! {
    /// What belongs to a way of paying.
    struct DetailView<'a> as "PaymentMethodDetail" {
        card: CardDetailView<'a>,
    }
}

view! {
    /// How a card was charged.
    struct CardDetailView<'a> as "PaymentCard" {
        verify: bool,
        capture: bool,
        installments: u8,
        installments_plan_id: Nothing,
        first_installment_deferral: u8,
        installments_type: Word,
        installment_amount: Nothing,
        soft_descriptor: Option<&'a str>,
        authorization_code: Option<&'a str>,
        retrieval_reference_number: Option<&'a str>,
        acquirer_reference_number: Option<&'a str>,
        voucher: Nothing,
        /// Where the payer proves that the card is his, while the payment waits for that.
        redirect_url: Option<String>,
        card_data: Option<CardView<'a>>,
        stored_credentials: Option<&'a RawValue>,
        /// Of an authorisation that is captured by itself.
        delayed_capture_settings: Option<CaptureDelayView>,
        /// Of an authorisation that is cancelled by itself.
        delayed_cancel_settings: Option<DelayView>,
    }
}

view! {
    /// After how long it is captured by itself, and what if that fails.
    struct CaptureDelayView as "CaptureDelaySettingsReply" {
        /// ISO 8601, counted from the approval.
        delay: String,
        /// Whether the capture is tried again where it fails for now.
        simplified_mode: bool,
    }
}

view! {
    /// After how long something is done by itself.
    struct DelayView as "DelaySettingsReply" {
        /// ISO 8601, counted from the approval.
        delay: String,
    }
}

view! {
    /// By which rule the acquirer was chosen.
    struct RoutingView as "RoutingRules" {
        smart_routing: bool,
        monitors: bool,
        condition: ConditionView,
    }
}

view! {
    /// The rule's condition.
    struct ConditionView as "RoutingCondition" {
        id: Nothing,
        name: Nothing,
        description: Nothing,
    }
}

impl PaymentView<'_> {
    /// Drawn. A view borrows from documents that are taken apart for it, so it lives only here.
    pub(super) fn drawn(facts: &PaymentFacts<'_>) -> Vec<u8> {
        let payment = facts.payment;
        let mut details: PaymentDetails<'_> = unpacked(payment.details.as_deref());
        // Nobody was named, and the session's customer pays.
        if details.customer_payer.is_none() && payment.checkout_session.is_some() {
            details.customer_payer = payment.customer_id.map(CustomerPayer::named);
        }
        let operations: Vec<OperationDetails<'_>> =
            facts.operations.iter().map(|operation| unpacked(operation.details.as_deref())).collect();
        let tries = payment.earlier_tries().len() + 1; // all of them are the payment's own
        let echo = |at: usize| match at.checked_sub(tries) {
            None => Echo::of_payment(&details, &payment.description),
            Some(at) => Echo::of_operation(&operations[at]),
        };
        let vault = details.vault_on_success;
        let transaction = |at: usize, transaction: &_| TransactionView::of(transaction, payment, &echo(at), vault, facts.raw);
        let history =
            facts.history.then(|| facts.transactions().enumerate().map(|(at, facts)| transaction(at, &facts)).collect());
        let latest = transaction(tries - 1 + facts.operations.len(), &facts.latest());
        let run = facts.authentication();
        let sent = || ThreeDSecure::of(details.three_d_secure.as_deref());
        let three_d_secure = run.as_ref().map_or_else(sent, ThreeDSecure::ours);
        let simplified_mode = operations.last().is_some_and(|operation| operation.simplified_mode)
            || facts.operations.last().is_some_and(|operation| payment.delays_and_tries_again(operation));
        drawn(&PaymentView { simplified_mode, ..PaymentView::of(facts, &details, &three_d_secure, latest, history) })
    }
}

impl<'a> PaymentView<'a> {
    fn of(
        facts: &PaymentFacts<'a>,
        details: &'a PaymentDetails<'a>,
        three_d_secure: &'a ThreeDSecure<'a>,
        latest: TransactionView<'a>,
        history: Option<Vec<TransactionView<'a>>>,
    ) -> PaymentView<'a> {
        let payment = facts.payment;
        PaymentView {
            id: payment.id,
            account_id: payment.account_id,
            description: &payment.description,
            country: payment.country,
            status: Word(payment.state.status()),
            sub_status: Word(payment.state.sub_status()),
            merchant_order_id: &payment.merchant_order_id,
            merchant_reference: details.merchant_reference.as_deref(),
            created_at: payment.created_at,
            updated_at: payment.updated_at,
            idempotency_key: payment.idempotency_key.as_deref(),
            amount: amount(payment),
            checkout: CheckoutView {
                session: payment.checkout_session,
                sdk_action_required: payment.state == payments::PaymentState::AwaitingPayer,
            },
            payment_method: method(facts, details, three_d_secure),
            customer_payer: details.customer_payer.as_deref(),
            additional_data: details.additional_data.as_deref(),
            transactions: latest,
            transactions_history: history,
            callback_url: details.callback_url.as_deref(),
            workflow: Word(payment.workflow.wire()),
            metadata: details.metadata.as_deref(),
            fraud_screening: Nothing,
            payment_link_id: details.payment_link_id.as_deref(),
            subscription_code: details.subscription_code.as_deref(),
            routing_rules: RoutingView {
                smart_routing: false,
                monitors: false,
                condition: ConditionView { id: Nothing, name: Nothing, description: Nothing },
            },
            simplified_mode: false,
        }
    }
}

fn amount(payment: &PaymentRow) -> AmountView {
    let of = |minor| Decimal(Money::new(minor, payment.currency));
    AmountView {
        currency: Word(payment.currency.code()),
        value: of(payment.amount),
        captured: of(payment.captured_shown()),
        refunded: of(payment.refunded),
        currency_conversion: Nothing,
    }
}

fn method<'a>(facts: &PaymentFacts<'a>, details: &'a PaymentDetails<'a>, three_d_secure: &'a ThreeDSecure<'a>) -> MethodView<'a> {
    let payment = facts.payment;
    let said = facts.first().said;
    let reference = said.and_then(|said| said.reference);
    let card = payment.card.as_ref().and_then(payments::CardFace::parts);
    let card = CardDetailView {
        verify: payment.mode == payments::Mode::Verify,
        capture: payment.mode != payments::Mode::Authorise,
        installments: details.installments.unwrap_or(1),
        installments_plan_id: Nothing,
        first_installment_deferral: 0,
        installments_type: Word(""),
        installment_amount: Nothing,
        soft_descriptor: details.soft_descriptor.as_deref(),
        authorization_code: said.and_then(|said| said.authorization_code),
        retrieval_reference_number: reference,
        acquirer_reference_number: reference,
        voucher: Nothing,
        redirect_url: facts.redirect_url(),
        card_data: card.map(|card| CardView::of(&card, three_d_secure)),
        stored_credentials: details.stored_credentials.as_deref(),
        delayed_capture_settings: delay(payment, DelayedStep::Capture)
            .map(|delay| CaptureDelayView { delay: text(delay), simplified_mode: delay.is_tried_again() }),
        delayed_cancel_settings: delay(payment, DelayedStep::Cancel).map(|delay| DelayView { delay: text(delay) }),
    };
    MethodView {
        vaulted_token: OrEmpty(payment.vaulted_token),
        kind: Word("CARD"),
        vault_on_success: details.vault_on_success,
        token: OrEmpty(payment.token.map(kernel::Id::uuid)),
        parent_payment_method_type: Nothing,
        payment_method_detail: DetailView { card },
    }
}

fn delay(payment: &PaymentRow, step: DelayedStep) -> Option<Delay> {
    payment.delay.filter(|delay| delay.step() == step)
}

fn text(delay: Delay) -> String {
    delayed::text(delay.seconds())
}
