//! Lists of payments: by when they were made and how they stand, and those of one order; page by page.
//!
//! A page ends where the next one begins, at a payment's id, so what is made meanwhile moves nothing. The key of the table is walked:
//! no index is kept for these lists.

mod queries;
mod service;
mod types;

pub use queries::{BY_ORDER_MAX, LOOKED_AT_MAX};
pub use types::{PaymentFilter, PaymentPage};
