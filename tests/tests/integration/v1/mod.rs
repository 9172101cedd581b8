//! The payments family.

mod authentication;
mod checkout_sessions;
mod idempotency;
mod payment_links;
mod payments;
mod payouts;
mod permissions;
mod rate_limit;
mod subscriptions;
