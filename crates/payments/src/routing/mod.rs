//! Which acquirer a charge goes to: an account's rules, and what this process has seen of each acquirer lately.
//!
//! # Invariants
//! - The choice is pure: the same rules, facts and acquirers give the same route.
//! - A charge always finds an acquirer; rules only change which.
//! - A change of the rules counts at once in the process that made it, and within [`STALE_SECONDS`] in others.

mod breaker;
mod commands;
mod queries;
mod rows;
mod rules;
mod service;
#[cfg(test)]
mod tests;

pub use rows::RoutingRow;
pub use rules::{Conditions, Facts, Limit, ROUTE_MAX, RULES_MAX, RetryOn, Route, RoutingRules, Rule, route};
pub use service::STALE_SECONDS;

pub(crate) use service::Routing;

/// The tables of routing, and what a payment's row needs for it.
pub const MIGRATION: db::Migration = db::Migration {
    number: 9,
    topic: "routing",
    sqlite: include_str!("../../../../migrations/0009_routing/sqlite.sql"),
    postgres: include_str!("../../../../migrations/0009_routing/postgres.sql"),
};
