//! The table of delays.

use kernel::{AccountId, PaymentId, Timestamp};

use super::types::DelayedStep;

db::row! {
    /// An approved authorisation that is captured or cancelled by itself.
    pub struct DelayedRow: "delayed_operation" {
        key { /// The tenant.
              account_id: AccountId,
              /// The payment.
              payment_id: PaymentId }
        once { /// What is to be done.
               step: DelayedStep,
               /// When it was approved.
               created_at: Timestamp }
        state { /// When to look next; absent once it was asked for, or there was nothing left.
                due_at: Option<Timestamp>,
                /// Tries that never reached the acquirer.
                tries: u32,
                /// When it last changed.
                updated_at: Timestamp }
    }
}
