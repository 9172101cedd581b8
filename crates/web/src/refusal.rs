//! Refusals and faults of the domains, in the envelope's words.

use db::Fault;
use payments::{PaymentsError, Refusal};

use crate::envelope::{Code, Problem};
use crate::once::in_process;
use crate::state::Web;

/// What the store's faults are to a caller: come again, or an opaque defect.
pub(crate) fn problem_of_fault(fault: &Fault) -> Problem {
    let unavailable =
        |seconds| Problem::new(Code::ServiceUnavailable, "the service cannot take this request right now").retry_after(seconds);
    match fault {
        Fault::Busy => unavailable(1),
        Fault::Unavailable(_) | Fault::Fenced | Fault::Closing => unavailable(5).because(fault.to_string()),
        Fault::Damaged(_)
        | Fault::Corrupt(_)
        | Fault::Failed(_)
        | Fault::Schema(_)
        | Fault::OtherVersion
        | Fault::InUse
        | Fault::Address(_) => Problem::internal(fault.to_string()),
    }
}

/// Why a call of `payments` has no answer.
pub(crate) fn problem_of_payments(web: &Web, error: &PaymentsError) -> Problem {
    match error {
        PaymentsError::Fault(fault) => problem_of_fault(fault),
        PaymentsError::Refused(refusal) => problem_of_refusal(web, *refusal),
    }
}

fn problem_of_refusal(web: &Web, refusal: Refusal) -> Problem {
    let code = match refusal {
        Refusal::InProcess { unknown } => return in_process(web, idempotency::InProcess { unknown }),
        Refusal::PaymentNotFound => Code::PaymentNotFound,
        Refusal::TransactionNotFound => Code::TransactionNotFound,
        Refusal::CheckoutSessionNotFound => Code::CheckoutSessionNotFound,
        Refusal::PaymentMethodNotFound => Code::PaymentMethodNotFound,
        Refusal::PaymentMethodStatus => Code::PaymentMethodStatusInvalid,
        Refusal::InvalidCustomerForToken => Code::InvalidCustomerForToken,
        Refusal::CustomerNotFound | Refusal::PayerNotFound => Code::CustomerNotFound,
        Refusal::CustomerSessionNotFound | Refusal::LinkNotFound => Code::ObjectNotFound,
        Refusal::CustomerIdDuplicated => Code::CustomerIdDuplicated,
        Refusal::KeysChanged => return Problem::new(Code::ServiceUnavailable, refusal.to_string()).retry_after(1),
        Refusal::InvalidToken => Code::InvalidToken,
        Refusal::InvalidTransactionType => Code::InvalidTransactionType,
        Refusal::InvalidStatus | Refusal::LinkClosed | Refusal::LinkBusy => Code::InvalidStatus,
        Refusal::ReferenceTaken => Code::IdempotencyDuplicated,
        Refusal::SubscriptionNotFound => Code::SubscriptionNotFound,
        Refusal::InvalidState | Refusal::Outdated => Code::InvalidState,
        Refusal::TooManyFulfilments => Code::InvalidParameters,
        Refusal::InvalidDate(_) => Code::InvalidDate,
        Refusal::InvalidAmount(_) => Code::InvalidAmount,
        Refusal::NotSent => Code::ProviderUnavailable,
        Refusal::OutcomeUnknown => Code::RequestTimeout,
    };
    let problem = Problem::new(code, refusal.to_string());
    match refusal {
        Refusal::NotSent | Refusal::OutcomeUnknown => problem.retry_after(5),
        _ => problem,
    }
}
