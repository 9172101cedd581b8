//! `POST /v1/payments/{payment}/transactions/{transaction}/capture`: takes part or all of a held amount.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use kernel::{AttemptId, Money, PaymentId};
use payments::Capture;

use super::details::{OperationDetails, packed, raw};
use super::parts::{Echoed, Reference, must_be_positive};
use super::{
    PAYMENT_NOT_FOUND, PAYMENT_PARAM, PAYMENTS, TRANSACTION_NOT_FOUND, TRANSACTION_PARAM, UNANSWERED, UNREACHED, answer,
    operation_reply,
};
use crate::caller::{Caller, MoneyIn};
use crate::envelope::Code;
use crate::extract::At;
use crate::object::{Amount, Body, Reader, Text, Word, object, words};
use crate::once::{Once, Required};
use crate::route::Guarded;
use crate::state::Web;

object! {
    /// A capture to be made.
    pub(super) struct CaptureBody {
        /// Your own name for the capture.
        merchant_reference: Reference,
        /// How much, in the payment's currency.
        amount: Amount,
        /// Why.
        reason: CaptureReason,
        /// Comes back unchanged; at most 64 KiB.
        additional_data: Option<Echoed>,
        /// Try it again later where the acquirer cannot be reached or refuses for now: 5 and 50 minutes, 6, 24, 48 and 96 hours after the
        /// first try. The answer does not wait for that: the transaction is `PENDING`.
        simplified_mode: bool = false,
    }
}

words! {
    /// Why an amount is taken.
    pub(super) enum CaptureReason {
        /// The goods are ready.
        ProductConfirmed = "PRODUCT_CONFIRMED",
        /// The payer asked for it.
        RequestedByCustomer = "REQUESTED_BY_CUSTOMER",
    }
}

/// What a body asks for, but for the ids in the path.
pub(super) struct Asked {
    amount: Money,
    retried: bool,
    details: Option<Arc<[u8]>>,
}

impl Body for CaptureBody {
    type Ask = Asked;

    fn name() -> &'static str {
        "CaptureBody"
    }

    fn judge(self, reader: &mut Reader) -> Option<Asked> {
        must_be_positive(self.amount.0, reader);
        let Text(reference) = &self.merchant_reference;
        let details = packed(&OperationDetails {
            merchant_reference: Some(Cow::Borrowed(&**reference)),
            reason: Some(Cow::Borrowed(self.reason.text())),
            additional_data: self.additional_data.as_ref().map(raw),
            simplified_mode: self.simplified_mode,
            ..OperationDetails::default()
        });
        Some(Asked { amount: self.amount.0, retried: self.simplified_mode, details })
    }
}

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::POST, "/v1/payments/{payment}/transactions/{transaction}/capture", capture).about(|route| {
        route
            .named(PAYMENTS, "capture", "Capture a held amount")
            .text("Names the AUTHORIZE transaction. Several captures may follow one another until nothing of the amount is left.")
            .params(&[PAYMENT_PARAM, TRANSACTION_PARAM])
            .example(
                r#"{"merchant_reference": "parcel-1", "amount": {"currency": "EUR", "value": 10}, "reason": "PRODUCT_CONFIRMED"}"#,
            )
            .replies(StatusCode::OK, "The capture. A declined one has the status `DECLINED`, one that is tried again `PENDING`.", operation_reply())
            .drawn(super::views::sample::operation_reply)
            .refusals(&[
                PAYMENT_NOT_FOUND,
                TRANSACTION_NOT_FOUND,
                (Code::InvalidAmount, "More than is left to capture, or another currency."),
                (Code::InvalidStatus, "The payment is not held any more."),
                (Code::InvalidTransactionType, "The transaction is no authorisation."),
                UNREACHED,
                UNANSWERED,
            ])
    })
}

async fn capture(
    caller: Caller<MoneyIn>,
    At((payment, transaction)): At<(Option<PaymentId>, Option<AttemptId>)>,
    State(web): State<Web>,
    once: Once<Required, CaptureBody>,
) -> Response {
    let Asked { amount, retried, details } = once.ask;
    let ask = Capture { payment, transaction, amount, retried, details };
    let answered = web.wiring.payments.capture(&caller.terms(), ask, once.key.clone()).await;
    answer(&web, Some(&once.key), answered)
}
