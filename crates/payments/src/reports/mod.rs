//! Reports: an account's payments, transactions or payouts of a time, line by line.
//!
//! A report is what it is to list; its lines are read when it is downloaded, a page at a time, each page by a read of its own. So a
//! report is there as soon as it is asked for, however much it lists, and whoever downloads slowly holds nothing.
//!
//! # Invariants
//! - A line is there once, and reports whose times follow one another list nothing twice.
//! - What was made after the report is not on it. What changed after it is shown as it stands.
//! - A report whose time is over is answered like one that does not exist.

mod commands;
mod queries;
mod rows;
mod rules;
mod service;
mod types;

pub use queries::LINES_PAGE_MAX;
pub use rows::ReportRow;
pub use rules::{REPORT_SECONDS, REPORTED_DAYS_MAX};
pub use service::ReportReader;
pub use types::{CreateReport, Lines, ReportFilter, ReportKind, ReportPage, Step};

/// The table of reports.
pub const MIGRATION: db::Migration = db::Migration {
    number: 22,
    topic: "reports",
    sqlite: include_str!("../../../../migrations/0022_reports/sqlite.sql"),
    postgres: include_str!("../../../../migrations/0022_reports/postgres.sql"),
};

/// How the disputes of a time are found.
pub const DISPUTES_MIGRATION: db::Migration = db::Migration {
    number: 30,
    topic: "disputes_by_time",
    sqlite: include_str!("../../../../migrations/0030_disputes_by_time/sqlite.sql"),
    postgres: include_str!("../../../../migrations/0030_disputes_by_time/postgres.sql"),
};
