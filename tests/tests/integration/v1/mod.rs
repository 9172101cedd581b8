//! The payments family.

mod authentication;
mod checkout_sessions;
mod customers;
mod idempotency;
mod payment_methods;
mod payments;
mod permissions;
mod rate_limit;
mod routing_rules;
mod tokens;
mod vault;
mod webhooks;
