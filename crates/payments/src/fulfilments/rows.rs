//! The tables of fulfilments: one row per request, and one per payment that counts them.

use std::sync::Arc;

use kernel::{AccountId, PaymentId, Timestamp};
use uuid::Uuid;

use super::types::FulfilmentStatus;

db::row! {
    /// What one request told of a payment's fulfilment.
    pub struct FulfilmentRow: "fulfilment" {
        key { /// The tenant.
              account_id: AccountId,
              /// Of which payment.
              payment_id: PaymentId,
              /// Which of the payment's requests it was, from 1.
              number: i64 }
        once { /// What the request's claim names.
               id: Uuid,
               /// How far the whole was.
               status: FulfilmentStatus,
               /// How many fulfilments it names.
               count: i64,
               /// The fulfilments: a JSON list that this crate never looks into. The numbers of carriers stand in it as they were sent.
               items: Arc<[u8]>,
               /// When it was told.
               created_at: Timestamp }
        state {}
    }
}

db::row! {
    /// How much was told of a payment's fulfilment.
    pub struct FulfilmentTotalRow: "fulfilment_total" {
        key { /// The tenant.
              account_id: AccountId,
              /// Of which payment.
              payment_id: PaymentId }
        once {}
        state { /// Requests; the number of the latest one.
                requests: i64,
                /// Fulfilments they named.
                count: i64,
                /// What they take up, in bytes.
                bytes: i64 }
    }
}
