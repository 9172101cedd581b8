//! Why something was not done. Texts are safe to show; causes inside the store stay in [`Fault`].

use db::Fault;
use kernel::{Currency, Money};

use crate::vault::Stale;

/// Why an amount cannot be captured or given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountRefusal {
    /// The payment is in another currency.
    #[error("amount.currency: the payment is in {}", .0.code())]
    OtherCurrency(Currency),
    /// Only a card check is for nothing.
    #[error("amount.value: must be greater than 0")]
    NotPositive,
    /// A card check is for nothing.
    #[error("amount.value: must be 0 to verify a card")]
    NotZero,
    /// It exceeds the rest that no other operation has taken or reserved.
    #[error("amount.value: at most {0} is left")]
    MoreThanLeft(Money),
    /// The merchant's balance may not fall that low.
    #[error("amount.value: the balance does not cover this refund")]
    BelowFloor,
    /// The trial of a subscription is paid in another currency.
    #[error("amount.currency: must be {}, as the trial's", .0.code())]
    NotTheTrials(Currency),
    /// A checkout session fixed another amount.
    #[error("amount: the checkout session is for {0}")]
    NotTheSessions(Money),
    /// A cancel lets the whole hold go; there is no cancelling of a part.
    #[error("amount.value: nothing is captured yet, so only the whole {0} can be cancelled")]
    CancelsWhole(Money),
}

/// Why a request was refused. Nothing of it was recorded, and its key may be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// An earlier request with the same key has not finished.
    #[error("a request with this idempotency key is still being processed")]
    InProcess {
        /// Its outcome at the acquirer is unknown and being asked for, so it may take longer.
        unknown: bool,
    },
    /// No such payment, or it is another account's.
    #[error("payment not found")]
    PaymentNotFound,
    /// The payment has no such transaction.
    #[error("transaction not found")]
    TransactionNotFound,
    /// No such checkout session, or it is used, expired or another account's.
    #[error("checkout session not found")]
    CheckoutSessionNotFound,
    /// No such stored payment method.
    #[error("payment method not found")]
    PaymentMethodNotFound,
    /// The stored payment method is not one that can be charged.
    #[error("the payment method's status does not allow this operation")]
    PaymentMethodStatus,
    /// The stored payment method is another customer's.
    #[error("payment_method.vaulted_token: belongs to another customer")]
    InvalidCustomerForToken,
    /// No such customer.
    #[error("customer not found")]
    CustomerNotFound,
    /// Who is to pay is no such customer.
    #[error("customer_payer.id: customer not found")]
    PayerNotFound,
    /// No such customer's session, or it has expired.
    #[error("customer session not found")]
    CustomerSessionNotFound,
    /// Another customer of the account has this name.
    #[error("merchant_customer_id: another customer has it")]
    CustomerIdDuplicated,
    /// The keys of the vault were being changed at this very moment.
    #[error("the service cannot take this request right now")]
    KeysChanged,
    /// The one-time token does not exist, is used up or belongs to somebody else.
    #[error("the one-time token is not valid: it is used, too old or not yours")]
    InvalidToken,
    /// The operation cannot be asked of this kind of transaction.
    #[error("the transaction is of a type that does not allow this operation")]
    InvalidTransactionType,
    /// The payment, transaction, method or link is in a state that does not allow the operation.
    #[error("the present status does not allow this operation")]
    InvalidStatus,
    /// The merchant has used this name for another payout.
    #[error("merchant_reference: a payout with this reference exists already")]
    ReferenceTaken,
    /// No such payment link, or it is another account's.
    #[error("payment link not found")]
    LinkNotFound,
    /// The payment link is used, cancelled, expired or not open yet.
    #[error("the payment link cannot be paid now")]
    LinkClosed,
    /// Another payment of a link for one use is under way.
    #[error("the payment link is being paid")]
    LinkBusy,
    /// No such subscription, or it is another account's.
    #[error("subscription not found")]
    SubscriptionNotFound,
    /// The subscription's state does not allow the change, or the cycle is not the one that is due.
    #[error("the subscription's status does not allow this operation")]
    InvalidState,
    /// The subscription changed while a change of it was being made.
    #[error("the subscription is being changed; ask again")]
    Outdated,
    /// More fulfilments than are kept of one payment.
    #[error("fulfillments: a payment keeps at most 1000 of them, and at most 1 MiB")]
    TooManyFulfilments,
    /// A date does not fit.
    #[error("{0}")]
    InvalidDate(&'static str),
    /// The amount does not fit.
    #[error(transparent)]
    InvalidAmount(#[from] AmountRefusal),
    /// Proven: the acquirer was never reached. Nothing was created.
    #[error("the acquirer cannot be reached")]
    NotSent,
    /// The acquirer did not answer; it is being asked, and the key stays in progress.
    #[error(
        "the acquirer has not answered yet and goes on being asked; repeat the request with the same idempotency key if it had one, else read what it made"
    )]
    OutcomeUnknown,
}

impl From<Stale> for Refusal {
    fn from(_: Stale) -> Self {
        Self::KeysChanged
    }
}

/// Why a call of [`crate::Payments`] has no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PaymentsError {
    /// By a rule.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// By the store, or a defect.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<AmountRefusal> for PaymentsError {
    fn from(refusal: AmountRefusal) -> Self {
        Self::Refused(refusal.into())
    }
}
