//! `POST /v1/payments/{payment}/cancel-or-refund` and the same of one transaction: undoes a payment, whatever state it is in.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use kernel::{AttemptId, Money, PaymentId};
use payments::{CancelOrRefund, Target};

use super::details::{OperationDetails, packed};
use super::parts::{Reference, must_be_positive};
use super::refund::RefundReason;
use super::{
    PAYMENT_NOT_FOUND, PAYMENT_PARAM, PAYMENTS, TRANSACTION_NOT_FOUND, TRANSACTION_PARAM, UNANSWERED, UNREACHED, answer,
    operation_reply,
};
use crate::caller::{Caller, MoneyOut};
use crate::envelope::Code;
use crate::extract::At;
use crate::object::{Amount, Body, Prose, Reader, Text, Word, object};
use crate::once::{Once, Required};
use crate::route::{Guarded, Route};
use crate::state::Web;

object! {
    /// A payment to be undone.
    pub(super) struct CancelOrRefundBody {
        /// Why.
        reason: RefundReason,
        /// Your own name for it.
        merchant_reference: Option<Reference>,
        /// In your words.
        description: Option<Prose<3, 255>>,
        /// How much to give back; everything that is left when absent. A hold is always cancelled as a whole.
        amount: Option<Amount>,
    }
}

/// What a body asks for, but for the ids in the path.
pub(super) struct Asked {
    amount: Option<Money>,
    details: Option<Arc<[u8]>>,
}

impl Body for CancelOrRefundBody {
    type Ask = Asked;

    fn name() -> &'static str {
        "CancelOrRefundBody"
    }

    fn judge(self, reader: &mut Reader) -> Option<Asked> {
        let amount = self.amount.map(|Amount(amount)| amount);
        if let Some(amount) = amount {
            must_be_positive(amount, reader);
        }
        let details = packed(&OperationDetails {
            merchant_reference: self.merchant_reference.as_ref().map(|Text(text)| Cow::Borrowed(&**text)),
            description: self.description.as_ref().map(|Prose(text)| Cow::Borrowed(&**text)),
            reason: Some(Cow::Borrowed(self.reason.text())),
            ..OperationDetails::default()
        });
        Some(Asked { amount, details })
    }
}

/// What is said of an amount that does not fit.
const TOO_MUCH: (Code, &str) =
    (Code::InvalidAmount, "More than is left to give back, more than your balance covers, or part of a hold.");
/// What is said of a payment of which nothing is left.
const NOTHING_LEFT: (Code, &str) = (Code::InvalidStatus, "There is nothing to undo.");

/// The route of a payment.
pub(super) fn of_payment() -> Guarded {
    Guarded::new(Method::POST, "/v1/payments/{payment}/cancel-or-refund", undo_payment)
        .about(|route| about(route.named(PAYMENTS, "cancel-or-refund", "Cancel or refund a payment").params(&[PAYMENT_PARAM])))
        .about(|route| route.refusals(&[PAYMENT_NOT_FOUND, TOO_MUCH, NOTHING_LEFT, UNREACHED, UNANSWERED]))
}

/// The route of one transaction.
pub(super) fn of_transaction() -> Guarded {
    let path = "/v1/payments/{payment}/transactions/{transaction}/cancel-or-refund";
    Guarded::new(Method::POST, path, undo_transaction).about(|route| {
        let route = route.named(PAYMENTS, "cancel-or-refund-transaction", "Cancel or refund a transaction");
        about(route.params(&[PAYMENT_PARAM, TRANSACTION_PARAM])).refusals(&[
            PAYMENT_NOT_FOUND,
            TRANSACTION_NOT_FOUND,
            TOO_MUCH,
            NOTHING_LEFT,
            UNREACHED,
            UNANSWERED,
        ])
    })
}

fn about(route: Route) -> Route {
    route
        .text("What is only held is cancelled; what was taken is given back.")
        .example(r#"{"reason": "REQUESTED_BY_CUSTOMER", "merchant_reference": "undo-1042"}"#)
        .replies(StatusCode::CREATED, "The transaction: its type is CANCEL or REFUND.", operation_reply())
}

async fn undo_payment(
    caller: Caller<MoneyOut>,
    At(payment): At<Option<PaymentId>>,
    State(web): State<Web>,
    once: Once<Required, CancelOrRefundBody>,
) -> Response {
    undo(&caller, &web, payment, Target::Payment, once).await
}

async fn undo_transaction(
    caller: Caller<MoneyOut>,
    At((payment, transaction)): At<(Option<PaymentId>, Option<AttemptId>)>,
    State(web): State<Web>,
    once: Once<Required, CancelOrRefundBody>,
) -> Response {
    undo(&caller, &web, payment, Target::Transaction(transaction), once).await
}

async fn undo(
    caller: &Caller<MoneyOut>,
    web: &Web,
    payment: Option<PaymentId>,
    target: Target,
    once: Once<Required, CancelOrRefundBody>,
) -> Response {
    let Asked { amount, details } = once.ask;
    let ask = CancelOrRefund { payment, target, amount, details };
    let answered = web.wiring.payments.cancel_or_refund(&caller.terms(), ask, once.key.clone()).await;
    answer(web, Some(&once.key), answered)
}
