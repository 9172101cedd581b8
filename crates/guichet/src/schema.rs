//! All tables of the product, in the order in which they are made.

use db::Migration;

/// The migrations of the platform's database, after those that every store begins with.
pub const MIGRATIONS: &[Migration] = &[
    access::MIGRATION,
    ledger::MIGRATION,
    idempotency::MIGRATION,
    payments::MIGRATION,
    payments::customers::MIGRATION,
    payments::vault::MIGRATION,
    messaging::MIGRATION,
    payments::routing::MIGRATION,
    payments::payouts::MIGRATION,
    payments::links::MIGRATION,
    payments::subscriptions::MIGRATION,
    payments::CHALLENGES_MIGRATION,
    payments::NOTIFICATIONS_MIGRATION,
    payments::delays::MIGRATION,
    payments::NOTIFICATIONS_BY_ATTEMPT_MIGRATION,
    payments::TOLD_MIGRATION,
    access::PLATFORM_KEY_MIGRATION,
    payments::retries::MIGRATION,
    payments::reports::MIGRATION,
    payments::fulfilments::MIGRATION,
    payments::settlements::MIGRATION,
    access::IDEMPOTENCY_STRICT_MIGRATION,
    payments::customers::FORGOTTEN_MIGRATION,
    idempotency::PAGES_MIGRATION,
    payments::customers::TOKENS_MIGRATION,
    payments::reports::DISPUTES_MIGRATION,
    payments::subscriptions::FREQUENCY_MIGRATION,
];
