//! Customers of a merchant, and their sessions on the payment page.
//!
//! What is known of a customer is one JSON document that the edge makes; only the merchant's own name for the customer is looked at.
//! Deleting forgets the document and the name; the row stays, because payments name it. What they say of his device, and what recorded
//! replies show of him, is forgotten by [`forgetting`].

mod commands;
mod document;
pub(crate) mod forgetting;
mod queries;
mod rows;
mod service;
mod types;

pub(crate) use commands::{live, payer, payer_keys};
pub(crate) use document::changed;
pub(crate) use queries::session;
pub use rows::{CustomerReferenceRow, CustomerReplyRow, CustomerRow, CustomerSessionRow};
pub use types::{Changes, CreateCustomer, CreateCustomerSession, PatchCustomer};

/// The tables of customers.
pub const MIGRATION: db::Migration = db::Migration {
    number: 6,
    topic: "customers",
    sqlite: include_str!("../../../../migrations/0006_customers/sqlite.sql"),
    postgres: include_str!("../../../../migrations/0006_customers/postgres.sql"),
};

/// Where the forgetting of deleted customers goes on, and which recorded replies show a customer. Beside it the count of what accounts
/// were charged begins with what is booked.
pub const FORGOTTEN_MIGRATION: db::Migration = db::Migration {
    number: 26,
    topic: "forgotten_and_charged",
    sqlite: include_str!("../../../../migrations/0026_forgotten_and_charged/sqlite.sql"),
    postgres: include_str!("../../../../migrations/0026_forgotten_and_charged/postgres.sql"),
};

/// Which customer a one-time token was made for.
pub const TOKENS_MIGRATION: db::Migration = db::Migration {
    number: 29,
    topic: "tokens_of_customers",
    sqlite: include_str!("../../../../migrations/0029_tokens_of_customers/sqlite.sql"),
    postgres: include_str!("../../../../migrations/0029_tokens_of_customers/postgres.sql"),
};

/// How long a customer's session lives (payments specification, section 2.1).
pub const CUSTOMER_SESSION_SECONDS: i64 = 5 * 60 * 60;
