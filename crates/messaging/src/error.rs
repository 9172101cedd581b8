//! Why a receiver cannot be made or changed.

use db::Fault;
use idempotency::HoldRefusal;
use thiserror::Error;

use crate::guard::Unsafe;

/// A rule does not allow it; the text may be shown.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// No such receiver, or somebody else's.
    #[error("webhook not found")]
    NotFound,
    /// No such delivery of this receiver.
    #[error("delivery not found")]
    DeliveryNotFound,
    /// Another receiver of the account has this name.
    #[error("name: another webhook of the account has this name")]
    NameTaken,
    /// Another receiver of the account is told about one of these events at the same address.
    #[error("url: another webhook of the account has this url and one of these events")]
    UrlTaken,
    /// As many as there may be.
    #[error("the account has as many webhooks as it may: {}", crate::rules::WEBHOOKS_MAX)]
    TooMany,
    /// A receiver that is switched off is sent nothing.
    #[error("the webhook is inactive: nothing is sent to it")]
    Inactive,
    /// The address must not be called.
    #[error("url: {0}")]
    Unsafe(Unsafe),
    /// Another request with the same idempotency key is under way.
    #[error("a request with this idempotency key is still being processed")]
    InProcess {
        /// The outside world has not told yet what became of it.
        unknown: bool,
    },
}

/// Why a call has no answer.
#[derive(Clone, Debug, Error)]
pub enum MessagingError {
    /// A rule refused it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<HoldRefusal> for MessagingError {
    fn from(refusal: HoldRefusal) -> Self {
        Fault::Failed(format!("a claim made in the same decision: {refusal}").into()).into()
    }
}
