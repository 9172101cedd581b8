//! `POST /v1/payments/{payment}/transactions/{transaction}/cancel`: lets a held amount go.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use kernel::{AttemptId, PaymentId};
use payments::Cancel;

use super::details::{OperationDetails, packed};
use super::parts::Reference;
use super::{
    PAYMENT_NOT_FOUND, PAYMENT_PARAM, PAYMENTS, TRANSACTION_NOT_FOUND, TRANSACTION_PARAM, UNANSWERED, UNREACHED, answer,
    operation_reply,
};
use crate::caller::{Caller, Write};
use crate::envelope::Code;
use crate::extract::At;
use crate::object::{Body, Prose, Reader, Text, Word, object, words};
use crate::once::{Once, Required};
use crate::route::Guarded;
use crate::state::Web;

object! {
    /// A cancellation to be made.
    pub(super) struct CancelBody {
        /// Your own name for the cancellation.
        merchant_reference: Reference,
        /// In your words.
        description: Option<Prose<3, 255>>,
        /// Why.
        reason: Option<CancelReason>,
    }
}

words! {
    /// Why a payment is cancelled.
    pub(super) enum CancelReason {
        /// It was made twice.
        Duplicate = "DUPLICATE",
        /// The payer is not who he says.
        Fraudulent = "FRAUDULENT",
        /// The payer asked for it.
        RequestedByCustomer = "REQUESTED_BY_CUSTOMER",
    }
}

impl Body for CancelBody {
    type Ask = Option<Arc<[u8]>>;

    fn name() -> &'static str {
        "CancelBody"
    }

    fn judge(self, _reader: &mut Reader) -> Option<Option<Arc<[u8]>>> {
        let Text(reference) = &self.merchant_reference;
        Some(packed(&OperationDetails {
            merchant_reference: Some(Cow::Borrowed(&**reference)),
            description: self.description.as_ref().map(|Prose(text)| Cow::Borrowed(&**text)),
            reason: self.reason.map(|reason| Cow::Borrowed(reason.text())),
            ..OperationDetails::default()
        }))
    }
}

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::POST, "/v1/payments/{payment}/transactions/{transaction}/cancel", cancel).about(|route| {
        route
            .named(PAYMENTS, "cancel", "Cancel a held amount")
            .text("Names the AUTHORIZE transaction. Only before anything of it is captured; the payer's money is free again at once.")
            .params(&[PAYMENT_PARAM, TRANSACTION_PARAM])
            .example(r#"{"merchant_reference": "cancel-1042", "reason": "REQUESTED_BY_CUSTOMER"}"#)
            .replies(StatusCode::OK, "The cancellation.", operation_reply())
            .refusals(&[
                PAYMENT_NOT_FOUND,
                TRANSACTION_NOT_FOUND,
                (Code::InvalidStatus, "The payment is not held any more, or something of it is captured."),
                (Code::InvalidTransactionType, "The transaction is no authorisation."),
                UNREACHED,
                UNANSWERED,
            ])
    })
}

async fn cancel(
    caller: Caller<Write>,
    At((payment, transaction)): At<(Option<PaymentId>, Option<AttemptId>)>,
    State(web): State<Web>,
    once: Once<Required, CancelBody>,
) -> Response {
    let ask = Cancel { payment, transaction, details: once.ask };
    let answered = web.wiring.payments.cancel(&caller.terms(), ask, once.key.clone()).await;
    answer(&web, Some(&once.key), answered)
}
