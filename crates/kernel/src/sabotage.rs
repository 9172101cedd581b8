//! Defects on purpose, one at a time, for the simulator to find. Only a build with the feature `sabotage` and with debug assertions can
//! plant one; in every other the question is answered `false` by the compiler.

#[cfg(all(feature = "sabotage", not(debug_assertions)))]
compile_error!("defects on purpose are never built into a release");

/// A defect that can be planted in the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Defect {
    /// Refunds that are under way do not count against the limit.
    RefundsUnderWayForgotten = 1,
    /// An idempotency key counts for all tenants together.
    KeysSharedByTenants = 2,
    /// A key whose outcome is unknown is free again.
    ClaimForgottenAfterTimeout = 3,
    /// Whatever a webhook receiver answers confirms.
    AnyAnswerConfirms = 4,
    /// An operation that is tried again counts as failed when the outcome of a try is unknown, and is sent anew.
    UnknownTryCountsAsFailed = 5,
    /// Each try of an operation is sent under the id of the one before.
    TryIdKept = 6,
}

#[cfg(feature = "sabotage")]
static PLANTED: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);

/// Plants a defect, or none, in the whole process.
#[cfg(feature = "sabotage")]
pub fn plant(defect: Option<Defect>) {
    PLANTED.store(defect.map_or(0, |defect| defect as u8), std::sync::atomic::Ordering::SeqCst);
}

/// Whether this defect is planted.
#[cfg(feature = "sabotage")]
pub fn is_planted(defect: Defect) -> bool {
    PLANTED.load(std::sync::atomic::Ordering::SeqCst) == defect as u8
}

/// Whether this defect is planted: never.
#[cfg(not(feature = "sabotage"))]
#[inline]
pub const fn is_planted(_defect: Defect) -> bool {
    false
}
