//! Rules of stored payment methods.

use kernel::Timestamp;

use super::rows::PaymentMethodRow;
use super::types::MethodStatus;

/// How long a method waits for its card: as long as the session it was prepared in can live at most.
pub const READY_SECONDS: i64 = crate::customers::CUSTOMER_SESSION_SECONDS;

impl PaymentMethodRow {
    /// Its status at `now`: one that waited too long for a card has expired, whether or not anybody wrote that down.
    pub fn status_at(&self, now: Timestamp) -> MethodStatus {
        let late = now >= self.created_at.plus_seconds(READY_SECONDS);
        if self.status == MethodStatus::ReadyToEnroll && late { MethodStatus::Expired } else { self.status }
    }

    /// Whether it can be taken off.
    pub(crate) fn can_be_unenrolled(&self, now: Timestamp) -> bool {
        match self.status_at(now) {
            MethodStatus::ReadyToEnroll | MethodStatus::Enrolled | MethodStatus::Error => true,
            MethodStatus::EnrollInProcess | MethodStatus::Declined | MethodStatus::Expired | MethodStatus::Unenrolled => false,
        }
    }
}
