//! What a stored payment method can be.

use messaging::Trigger;

db::codes! {
    /// How far a stored payment method got.
    pub enum MethodStatus {
        /// Waits for a card.
        ReadyToEnroll = 0,
        /// The acquirer is being asked about its card.
        EnrollInProcess = 1,
        /// Can be charged.
        Enrolled = 2,
        /// The card was refused.
        Declined = 3,
        /// No card came in time.
        Expired = 4,
        /// Taken off; its number is destroyed.
        Unenrolled = 5,
        /// Its number does not open any more.
        Error = 6,
    }
}

impl MethodStatus {
    /// The word of the payments API.
    pub const fn wire(self) -> &'static str {
        match self {
            Self::ReadyToEnroll => "READY_TO_ENROLL",
            Self::EnrollInProcess => "ENROLL_IN_PROCESS",
            Self::Enrolled => "ENROLLED",
            Self::Declined => "DECLINED",
            Self::Expired => "EXPIRED",
            Self::Unenrolled => "UNENROLLED",
            Self::Error => "ERROR",
        }
    }

    /// The event of reaching it; none while an enrolment is under way, or for one that nobody finished.
    pub(crate) const fn trigger(self) -> Option<Trigger> {
        match self {
            Self::Enrolled | Self::Declined | Self::Error => Some(Trigger::EnrollmentEnroll),
            Self::Unenrolled => Some(Trigger::EnrollmentUnenroll),
            Self::ReadyToEnroll | Self::EnrollInProcess | Self::Expired => None,
        }
    }
}
