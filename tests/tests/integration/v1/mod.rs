//! The payments family.

mod authentication;
mod idempotency;
mod payments;
mod permissions;
mod rate_limit;
