//! `POST /v1/payments`: charges a card, holds an amount on it, or checks it.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use kernel::Money;
use kernel::json::Value;
use payments::delays::Delay;
use payments::{CreatePayment, Means, Mode, Workflow};
use serde::{Serialize, Serializer};
use utoipa::openapi::{RefOr, Schema};

use super::delayed::{self, CaptureDelaySettings, DelaySettings};
use super::details::{PaymentDetails, packed, raw};
use super::parts::{CardData, CustomerPayer, Echoed, Metadata, Reference, must_be_positive};
use super::{PAYMENTS, answer, payment_reply};
use crate::caller::{Caller, MoneyIn};
use crate::envelope::Code;
use crate::object::{self, Body, Field, Land, Link, Prose, Reader, Text, Whole, object, words};
use crate::once::{Once, Required};
use crate::route::Guarded;
use crate::state::Web;

object! {
    /// A payment to be made.
    pub(super) struct CreatePaymentBody {
        /// The account of the key. Any other is refused with `INVALID_ACCOUNT_ID`.
        account_id: object::Account,
        /// Your own name for the order. It need not be unique: an order may be paid in several payments.
        merchant_order_id: Reference,
        /// Shown to people who look at the payment.
        description: Prose<3, 255>,
        /// Where the payment is made: ISO 3166-1 alpha-2.
        country: Land,
        /// How much. The value is zero for a card check and only then.
        amount: object::Amount,
        /// How it is paid. Exactly one of `token`, `vaulted_token` and `detail.card.card_data`.
        payment_method: PaymentMethod,
        /// How the card reaches you. `DIRECT` and `REDIRECT` take `card_data`, the others need `checkout.session`.
        workflow: WorkflowWord = WorkflowWord::SdkCheckout,
        /// The checkout session the payment belongs to.
        checkout: Option<Checkout>,
        /// Your own name for the payment.
        merchant_reference: Option<Reference>,
        /// Who pays.
        customer_payer: Option<CustomerPayer>,
        /// Where the payer is sent back to; never fetched by us.
        callback_url: Option<Link<526>>,
        /// Comes back unchanged; at most 64 KiB.
        additional_data: Option<Echoed>,
        /// Your own notes, at most 50, each key once.
        metadata: Option<Metadata>,
    }
}

words! {
    /// How the card reaches the merchant.
    pub(super) enum WorkflowWord {
        /// The payment page's script, fields drawn by us.
        SdkCheckout = "SDK_CHECKOUT",
        /// The same, fields drawn by the merchant.
        Checkout = "CHECKOUT",
        /// The same, without a visible step.
        SdkSeamless = "SDK_SEAMLESS",
        /// Through a page the payer is sent to.
        Redirect = "REDIRECT",
        /// The merchant's server sends the card.
        Direct = "DIRECT",
    }
}

impl WorkflowWord {
    /// The domain's word.
    pub(super) fn domain(self) -> Workflow {
        match self {
            WorkflowWord::SdkCheckout => Workflow::SdkCheckout,
            WorkflowWord::Checkout => Workflow::Checkout,
            WorkflowWord::SdkSeamless => Workflow::SdkSeamless,
            WorkflowWord::Redirect => Workflow::Redirect,
            WorkflowWord::Direct => Workflow::Direct,
        }
    }

    fn takes_cards(self) -> bool {
        matches!(self, WorkflowWord::Direct | WorkflowWord::Redirect)
    }
}

object! {
    /// Which checkout session.
    pub(super) struct Checkout {
        /// Its id.
        session: Option<Text<0, 64>>,
    }
}

object! {
    /// How a payment is paid.
    pub(super) struct PaymentMethod {
        /// Only `CARD` is offered.
        kind as "type": Option<Text<1, 64>>,
        /// A one-time token.
        token: Option<Text<0, 64>>,
        /// A stored card.
        vaulted_token: Option<Text<0, 64>>,
        /// Keep the card for later when the payment succeeds.
        vault_on_success: bool = false,
        /// What belongs to the kind.
        detail: Option<Detail>,
    }
}

object! {
    /// What belongs to a way of paying.
    pub(super) struct Detail {
        /// Of cards.
        card: Option<Card>,
    }
}

object! {
    /// How a card is charged.
    pub(super) struct Card {
        /// `false` only authorises: the amount is held for seven days, to be captured or cancelled.
        capture: bool = true,
        /// `true` only checks the card; the amount is zero.
        verify: bool = false,
        /// In how many parts the payer pays his bank.
        installments: Whole<1, 50> = Whole(1),
        /// What the payer reads on his statement.
        soft_descriptor: Option<Prose<0, 255>>,
        /// The card itself.
        card_data: Option<CardData>,
        /// How the payer was authenticated elsewhere.
        three_d_secure: Option<ThreeDSecure>,
        /// Why a card that is kept is charged.
        stored_credentials: Option<StoredCredentials>,
        /// Of an authorisation: capture by itself what is still held so long after it was approved.
        delayed_capture_settings: Option<CaptureDelaySettings>,
        /// Of an authorisation: cancel it by itself so long after it was approved, if nothing was captured.
        delayed_cancel_settings: Option<DelaySettings>,
    }
}

object! {
    /// An authentication made elsewhere. Comes back, but for the cryptogram.
    #[derive(Serialize)]
    pub(super) struct ThreeDSecure {
        /// ECI.
        electronic_commerce_indicator: Option<Text<0, 2>>,
        /// The proof itself; checked and not kept.
        cryptogram: Option<Cryptogram>,
        /// Version of the protocol.
        version: Option<Text<0, 16>>,
        /// Its name at the issuer's server.
        transaction_id: Option<Text<0, 64>>,
        /// Its name at the directory server.
        directory_server_transaction_id: Option<Text<0, 64>>,
    }
}

/// The proof of an authentication, of which nothing is kept.
#[derive(Debug)]
pub(super) struct Cryptogram;

impl Field for Cryptogram {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        Text::<0, 255>::read(value, reader).map(|_| Cryptogram)
    }

    fn property() -> RefOr<Schema> {
        Text::<0, 255>::property()
    }
}

impl Serialize for Cryptogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_none()
    }
}

object! {
    /// Why a card that is kept is charged.
    #[derive(Serialize)]
    pub(super) struct StoredCredentials {
        /// What for.
        reason: Option<CredentialReason>,
        /// The first time or a later one.
        usage: Option<CredentialUsage>,
        /// The agreement with the payer.
        subscription_agreement_id: Option<Text<0, 255>>,
        /// The network's name for the first charge.
        network_transaction_id: Option<Text<0, 255>>,
    }
}

words! {
    /// What a card is kept for.
    pub(super) enum CredentialReason {
        /// The payer buys again.
        CardOnFile = "CARD_ON_FILE",
        /// Regular charges.
        Subscription = "SUBSCRIPTION",
        /// Charges as they come.
        Unscheduled = "UNSCHEDULED_CARD_ON_FILE",
    }
}

words! {
    /// Which time a kept card is used.
    pub(super) enum CredentialUsage {
        /// The first.
        First = "FIRST",
        /// A later one.
        Used = "USED",
    }
}

/// A body that works, for the reference.
const EXAMPLE: &str = r#"{
  "account_id": "01936b1a-0000-7000-8000-00000000a001",
  "merchant_order_id": "order-1042",
  "description": "Two chairs",
  "country": "FR",
  "workflow": "DIRECT",
  "amount": {"currency": "EUR", "value": 19.99},
  "payment_method": {"type": "CARD", "detail": {"card": {"card_data": {
    "number": "4507990000000002", "expiration_month": 12, "expiration_year": 2030,
    "security_code": "123", "holder_name": "Ada Martin"}}}}
}"#;

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::POST, "/v1/payments", create_payment).about(|route| {
        route
            .named(PAYMENTS, "create-payment", "Create a payment")
            .text(
                "Charges a card; with `capture: false` only holds the amount, with `verify: true` only checks the card.\n\n\
                 A declined card is answered 201 like any other outcome: read `status`. `PENDING` with the sub-status \
                 `WAITING_ADDITIONAL_STEP` waits for the payer, who has to prove that the card is his on the page at `redirect_url`.",
            )
            .example(EXAMPLE)
            .replies(StatusCode::CREATED, "The payment. `transactions` is its one transaction.", payment_reply())
            .drawn(super::views::sample::payment_reply)
            .refusals(&[
                (Code::InvalidAmount, "The amount is zero or negative, too large, or has more decimals than its currency."),
                (Code::UnavailablePaymentMethod, "Only cards are offered."),
                (Code::InvalidToken, "The one-time token is used, too old or not yours."),
                (Code::PaymentMethodNotFound, "There is no such stored card, or it is somebody else's."),
                (Code::PaymentMethodStatusInvalid, "The stored card cannot be charged."),
                (Code::InvalidCustomerForToken, "The stored card is another customer's than `customer_payer.id`."),
                (Code::CustomerNotFound, "`customer_payer.id` is no customer of yours, or one that was deleted."),
                (Code::CheckoutSessionNotFound, "There is no such session, it is somebody else's, or it is used or over."),
                (Code::ProviderUnavailable, "The acquirer could not be reached. Nothing was charged; the key may be used again."),
                (Code::RequestTimeout, "The acquirer has not answered. It is being asked; repeat the request with the same key."),
            ])
    })
}

async fn create_payment(caller: Caller<MoneyIn>, State(web): State<Web>, once: Once<Required, CreatePaymentBody>) -> Response {
    let mut ask = once.ask;
    if let Means::Card(card) = &mut ask.means {
        card.fingerprint = Some(caller.fingerprint(&card.number));
    }
    let answered = web.wiring.payments.create(&caller.terms(), ask, once.key.clone()).await;
    answer(&web, Some(&once.key), answered)
}

impl Body for CreatePaymentBody {
    type Ask = CreatePayment;

    fn name() -> &'static str {
        "CreatePaymentBody"
    }

    fn judge(self, reader: &mut Reader) -> Option<CreatePayment> {
        let customer = self.customer_payer.as_ref().and_then(CustomerPayer::customer);
        let vault_on_success = self.payment_method.vault_on_success;
        let details = self.details();
        let PaymentMethod { kind, token, vaulted_token, detail, .. } = self.payment_method;
        if kind.is_some_and(|Text(kind)| &*kind != "CARD") {
            reader.wrong_at(&["payment_method", "type"], Code::UnavailablePaymentMethod, "only CARD is offered");
        }
        let card = detail.and_then(|detail| detail.card);
        let (mode, card_data, delay) = match card {
            None => (Mode::Purchase, None, None),
            Some(card) => judge_card(card, reader),
        };
        judge_amount(self.amount.0, mode, reader);
        let session = self.checkout.and_then(|checkout| not_empty(checkout.session));
        if session.is_none() && !self.workflow.takes_cards() {
            reader.wrong_at(&["checkout", "session"], Code::MissingParameters, "is required by this workflow");
        }
        let sources = Sources { card_data, token: not_empty(token), vaulted_token: not_empty(vaulted_token) };
        let means = sources.judge(self.workflow, reader)?;
        Some(CreatePayment {
            merchant_order_id: self.merchant_order_id.0,
            description: self.description.0,
            country: self.country.0,
            amount: self.amount.0,
            workflow: self.workflow.domain(),
            checkout_session: session,
            mode,
            means,
            customer,
            vault_on_success,
            delay,
            details,
        })
    }
}

impl CreatePaymentBody {
    fn details(&self) -> Option<Arc<[u8]>> {
        let method = &self.payment_method;
        let card = method.detail.as_ref().and_then(|detail| detail.card.as_ref());
        packed(&PaymentDetails {
            merchant_reference: self.merchant_reference.as_ref().map(|Text(text)| Cow::Borrowed(&**text)),
            callback_url: self.callback_url.as_ref().map(|Link(text)| Cow::Borrowed(&**text)),
            soft_descriptor: card.and_then(|card| card.soft_descriptor.as_ref()).map(|Prose(text)| Cow::Borrowed(&**text)),
            installments: card.and_then(|card| u8::try_from(card.installments.0).ok()).filter(|count| *count != 1),
            vault_on_success: method.vault_on_success,
            customer_payer: self.customer_payer.as_ref().map(CustomerPayer::kept),
            additional_data: self.additional_data.as_ref().map(raw),
            metadata: self.metadata.as_ref().map(raw),
            stored_credentials: card.and_then(|card| card.stored_credentials.as_ref()).map(raw),
            three_d_secure: card.and_then(|card| card.three_d_secure.as_ref()).map(raw),
            ..PaymentDetails::default()
        })
    }
}

fn judge_card(card: Card, reader: &mut Reader) -> (Mode, Option<CardData>, Option<Delay>) {
    let mode = match (card.verify, card.capture) {
        (true, _) => Mode::Verify,
        (false, true) => Mode::Purchase,
        (false, false) => Mode::Authorise,
    };
    let authorises = mode == Mode::Authorise;
    let delay = delayed::judge(card.delayed_capture_settings, card.delayed_cancel_settings, authorises, reader);
    (mode, card.card_data, delay)
}

fn judge_amount(amount: Money, mode: Mode, reader: &mut Reader) {
    match mode {
        Mode::Purchase | Mode::Authorise => must_be_positive(amount, reader),
        Mode::Verify if amount.is_zero() => {}
        Mode::Verify => reader.wrong_at(&["amount", "value"], Code::InvalidAmount, "must be zero to check a card"),
    }
}

/// Where the card may come from.
struct Sources {
    card_data: Option<CardData>,
    token: Option<Arc<str>>,
    vaulted_token: Option<Arc<str>>,
}

impl Sources {
    /// The one source there is.
    fn judge(self, workflow: WorkflowWord, reader: &mut Reader) -> Option<Means> {
        match self {
            Sources { card_data: Some(card), token: None, vaulted_token: None } => {
                if !workflow.takes_cards() {
                    let path = ["payment_method", "detail", "card", "card_data"];
                    reader.wrong_at(&path, Code::InvalidParameters, "needs the workflow DIRECT or REDIRECT");
                }
                card.ask().map(Means::Card)
            }
            Sources { card_data: None, token: Some(token), vaulted_token: None } => Some(Means::Token(token)),
            Sources { card_data: None, token: None, vaulted_token: Some(token) } => Some(Means::VaultedToken(token)),
            _ => reader.inside("payment_method", |reader| {
                reader.invalid("must have exactly one of token, vaulted_token and detail.card.card_data")
            }),
        }
    }
}

/// An empty token is no token: clients send both.
pub(super) fn not_empty(text: Option<Text<0, 64>>) -> Option<Arc<str>> {
    text.map(|Text(text)| text).filter(|text| !text.is_empty())
}
