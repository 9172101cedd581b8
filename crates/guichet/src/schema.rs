//! All tables of the product, in the order in which they are made.

use db::Migration;

/// The migrations of the platform's database, after those that every store begins with.
pub const MIGRATIONS: &[Migration] = &[
    access::MIGRATION,
    ledger::MIGRATION,
    idempotency::MIGRATION,
    payments::MIGRATION,
    payments::payouts::MIGRATION,
    payments::links::MIGRATION,
    payments::subscriptions::MIGRATION,
];
