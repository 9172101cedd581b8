//! `POST /v1/payments/{payment}/transactions/{transaction}/refund`: gives back part or all of what was taken.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use kernel::{AttemptId, Money, PaymentId};
use payments::Refund;

use super::details::{OperationDetails, packed};
use super::parts::{Reference, must_be_positive};
use super::{
    PAYMENT_NOT_FOUND, PAYMENT_PARAM, PAYMENTS, TRANSACTION_NOT_FOUND, TRANSACTION_PARAM, UNANSWERED, UNREACHED, answer,
    payment_reply,
};
use crate::caller::{Caller, MoneyOut};
use crate::envelope::Code;
use crate::extract::At;
use crate::object::{Amount, Body, Prose, Reader, Text, Word, object, words};
use crate::once::{Once, Required};
use crate::route::Guarded;
use crate::state::Web;

object! {
    /// A refund to be made.
    pub(super) struct RefundBody {
        /// Your own name for the refund.
        merchant_reference: Reference,
        /// How much, in the payment's currency; everything that is left when absent.
        amount: Option<Amount>,
        /// In your words.
        description: Option<Prose<3, 255>>,
        /// Why.
        reason: Option<RefundReason>,
        /// Try it again later where the acquirer cannot be reached or refuses for now: 5 and 50 minutes, 6, 24, 48 and 96 hours after the
        /// first try. The answer does not wait for that: the transaction is `PENDING`.
        simplified_mode: bool = false,
    }
}

words! {
    /// Why money is given back.
    pub(super) enum RefundReason {
        /// It was taken twice.
        Duplicate = "DUPLICATE",
        /// The payer was not who he said.
        Fraudulent = "FRAUDULENT",
        /// The payer asked for it.
        RequestedByCustomer = "REQUESTED_BY_CUSTOMER",
        /// The sale is undone.
        Reverse = "REVERSE",
    }
}

/// What a body asks for, but for the ids in the path.
pub(super) struct Asked {
    amount: Option<Money>,
    retried: bool,
    details: Option<Arc<[u8]>>,
}

impl Body for RefundBody {
    type Ask = Asked;

    fn name() -> &'static str {
        "RefundBody"
    }

    fn judge(self, reader: &mut Reader) -> Option<Asked> {
        let amount = self.amount.map(|Amount(amount)| amount);
        if let Some(amount) = amount {
            must_be_positive(amount, reader);
        }
        let Text(reference) = &self.merchant_reference;
        let details = packed(&OperationDetails {
            merchant_reference: Some(Cow::Borrowed(&**reference)),
            description: self.description.as_ref().map(|Prose(text)| Cow::Borrowed(&**text)),
            reason: self.reason.map(|reason| Cow::Borrowed(reason.text())),
            simplified_mode: self.simplified_mode,
            ..OperationDetails::default()
        });
        Some(Asked { amount, retried: self.simplified_mode, details })
    }
}

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::POST, "/v1/payments/{payment}/transactions/{transaction}/refund", refund).about(|route| {
        route
            .named(PAYMENTS, "refund", "Refund a payment")
            .text(
                "Names a PURCHASE or CAPTURE to give back of it, or the AUTHORIZE to give back of anything captured. Without an \
                 amount everything that is left goes back. Several refunds may follow one another.",
            )
            .params(&[PAYMENT_PARAM, TRANSACTION_PARAM])
            .example(r#"{"merchant_reference": "return-7", "amount": {"currency": "EUR", "value": 5}, "reason": "REQUESTED_BY_CUSTOMER"}"#)
            .replies(StatusCode::OK, "The payment; `transactions` is the refund, `PENDING` where it is tried again.", payment_reply())
            .refusals(&[
                PAYMENT_NOT_FOUND,
                TRANSACTION_NOT_FOUND,
                (Code::InvalidAmount, "More than is left to give back, more than your balance covers, or another currency."),
                (Code::InvalidStatus, "Nothing of the payment can be given back."),
                (Code::InvalidTransactionType, "The transaction is neither a purchase nor a capture nor an authorisation."),
                UNREACHED,
                UNANSWERED,
            ])
    })
}

async fn refund(
    caller: Caller<MoneyOut>,
    At((payment, transaction)): At<(Option<PaymentId>, Option<AttemptId>)>,
    State(web): State<Web>,
    once: Once<Required, RefundBody>,
) -> Response {
    let Asked { amount, retried, details } = once.ask;
    let ask = Refund { payment, transaction, amount, retried, details };
    let answered = web.wiring.payments.refund(&caller.terms(), ask, once.key.clone()).await;
    answer(&web, Some(&once.key), answered)
}
