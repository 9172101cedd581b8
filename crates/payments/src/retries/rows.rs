//! The tables of operations that are tried again.

use kernel::{AccountId, AttemptId, PaymentId, Timestamp};

use crate::earlier::{Earlier, EarlierTry};
use crate::rules::Retries;

db::row! {
    /// A capture or refund that was asked to be tried again where it fails for now.
    pub struct RetriedRow: "retried_operation" {
        key { /// The tenant.
              account_id: AccountId,
              /// The operation, as everybody here knows it.
              attempt_id: AttemptId }
        once { /// Of which payment.
               payment_id: PaymentId,
               /// When it was first tried: the times of all others count from here.
               first_try_at: Timestamp }
        state { /// What the acquirer was told it is at its last try; the first one bears the operation's own id.
                try_id: AttemptId,
                /// When the intent of that try was written.
                began_at: Timestamp,
                /// When it is tried again; only while it waits for that.
                due_at: Option<Timestamp>,
                /// The tries that came to nothing.
                earlier: Option<Earlier>,
                /// When it last changed.
                updated_at: Timestamp }
    }
}

impl RetriedRow {
    /// The tries that came to nothing, oldest first.
    pub fn earlier_tries(&self) -> &[EarlierTry] {
        self.earlier.as_ref().map_or(&[], Earlier::tries)
    }
}

db::row! {
    /// What is tried again of one payment, in numbers.
    pub struct RetriesRow: "retried_payment" {
        key { /// The tenant.
              account_id: AccountId,
              /// The payment.
              payment_id: PaymentId }
        once { /// When something was to be tried again for the first time.
               created_at: Timestamp }
        state { /// Captures that wait for their next try or are in it.
                captures: u32,
                /// Refunds likewise.
                refunds: u32,
                /// A capture failed at every try, and nothing has gone through since.
                capture_failed: bool }
    }
}

impl RetriesRow {
    /// As the rules have it.
    pub fn retries(&self) -> Retries {
        Retries { captures: self.captures, refunds: self.refunds, capture_failed: self.capture_failed }
    }
}
