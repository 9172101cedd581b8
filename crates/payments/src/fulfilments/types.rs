//! What is told of a fulfilment.

use std::sync::Arc;

db::codes! {
    /// How far the fulfilment of a payment is.
    pub enum FulfilmentStatus {
        /// Part of it is done.
        Partial = 0,
        /// All of it is.
        Completed = 1,
        /// Something is sent in place of what was sent before.
        Replacement = 2,
        /// It will not be done.
        Cancelled = 3,
    }
}

impl FulfilmentStatus {
    /// The word of the payments API.
    pub const fn wire(self) -> &'static str {
        match self {
            Self::Partial => "PARTIAL",
            Self::Completed => "COMPLETED",
            Self::Replacement => "REPLACEMENT",
            Self::Cancelled => "CANCELED",
        }
    }
}

/// What one request tells.
#[derive(Clone, Debug)]
pub struct AddFulfilments {
    /// How far the whole is.
    pub status: FulfilmentStatus,
    /// How many fulfilments it names, at least one.
    pub count: u32,
    /// The fulfilments as a JSON list that this crate never looks into.
    pub items: Arc<[u8]>,
}
