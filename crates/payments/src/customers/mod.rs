//! Customers of a merchant, and their sessions on the payment page.
//!
//! What is known of a customer is one JSON document that the edge makes; only the merchant's own name for the customer is looked at.
//! Deleting forgets the document and the name; the row stays, because payments name it.

mod commands;
mod document;
mod queries;
mod rows;
mod service;
mod types;

pub(crate) use commands::{live, named, named_keys};
pub(crate) use document::changed;
pub(crate) use queries::session;
pub use rows::{CustomerReferenceRow, CustomerRow, CustomerSessionRow};
pub use types::{Changes, CreateCustomer, CreateCustomerSession, PatchCustomer};

/// The tables of customers.
pub const MIGRATION: db::Migration = db::Migration {
    number: 6,
    topic: "customers",
    sqlite: include_str!("../../../../migrations/0006_customers/sqlite.sql"),
    postgres: include_str!("../../../../migrations/0006_customers/postgres.sql"),
};

/// How long a customer's session lives (payments specification, section 2.1).
pub const CUSTOMER_SESSION_SECONDS: i64 = 5 * 60 * 60;
