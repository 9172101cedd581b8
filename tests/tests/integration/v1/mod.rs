//! The payments family.

mod authentication;
mod checkout_sessions;
mod idempotency;
mod payments;
mod permissions;
mod rate_limit;
mod webhooks;
