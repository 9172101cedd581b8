//! The payments family.

mod authentication;
mod card_numbers;
mod challenges;
mod checkout_sessions;
mod customers;
mod idempotency;
mod idempotency_strict;
mod notifications;
mod payers_pages;
mod payment_links;
mod payment_methods;
mod payments;
mod payouts;
mod permissions;
mod rate_limit;
mod reference;
mod reports;
mod routing_rules;
mod stripe;
mod subscriptions;
mod tokens;
mod vault;
mod webhooks;
