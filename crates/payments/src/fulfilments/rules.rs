//! Of which payments fulfilments may be told, and how much of them is kept.

use super::rows::FulfilmentTotalRow;
use crate::types::PaymentState;

/// Most fulfilments kept of one payment.
pub const COUNT_MAX: i64 = 1_000;
/// Most that they take up together, in bytes (1 MiB), so that a payment's fulfilments are read in one piece.
pub const BYTES_MAX: i64 = 1_024 * 1_024;

impl PaymentState {
    /// Whether there is anything to be fulfilled, or was: goods are sent for money that is held or paid, and what became of them is
    /// still told when the money has gone back since, or is disputed.
    pub(super) const fn is_fulfillable(self) -> bool {
        match self {
            Self::Authorised
            | Self::Approved
            | Self::PartlyCaptured
            | Self::Captured
            | Self::PartlyRefunded
            | Self::CaptureRetried
            | Self::RefundRetried
            | Self::CaptureFailed
            | Self::Refunded
            | Self::Cancelled
            | Self::Disputed
            | Self::ChargedBack => true,
            Self::Created
            | Self::Unconfirmed
            | Self::AwaitingPayer
            | Self::Verified
            | Self::Declined
            | Self::Errored
            | Self::Expired => false,
        }
    }
}

impl FulfilmentTotalRow {
    /// Whether it is more than is kept of one payment.
    pub(super) const fn is_too_much(&self) -> bool {
        self.count > COUNT_MAX || self.bytes > BYTES_MAX
    }
}
