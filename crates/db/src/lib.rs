//! The only crate that knows SQLite and PostgreSQL: rows, the writer, the reader, migrations.
//!
//! Money, tickets and keys change only through a [`Command`]: it names the rows it will probably touch and decides on them, purely. One
//! writer per process groups whatever has queued up into one transaction, so a commit is shared by all who waited for it. Reads that are
//! not part of a decision go through [`Reader`].
//!
//! Invariants:
//! - A reply leaves only after the commit that made it true.
//! - A refused or panicking command leaves no trace and does not disturb its neighbours.
//! - Nothing rests on the memory of a process: the flush names the version of every row a decision saw, so a row that another process
//!   changed meanwhile stops the batch, which is decided again on locked rows.
//! - A process that lost its lease writes nothing more.
//!
//! # Adding a table
//! 1. A folder `migrations/NNNN_topic/` with `sqlite.sql` and `postgres.sql`; every table has the column `row_version`.
//! 2. [`row!`] in the domain crate's `rows.rs`. 3. Commands in `commands.rs`, queries ([`sql!`]) in `queries.rs`.

mod address;
mod clock;
mod command;
mod connect;
mod counter;
mod driver;
mod engine;
mod fault;
mod migrations;
mod node;
mod reader;
mod rows;
mod session;
mod snapshot;
mod sql;
mod steps;
mod store;
mod table;
mod value;
mod writer;

pub use address::DatabaseUrl;
pub use clock::PlatformClock;
pub use command::Command;
pub use counter::name_counter;
pub use counter::take_number;
pub use fault::Fault;
pub use migrations::{Migration, SchemaState};
pub use node::{DeadNode, LEASE_MICROS, NodeRow};
pub use reader::Reader;
pub use rows::{IN_TIME_SECONDS, Keys, Rows};
pub use snapshot::Snapshot;
pub use sql::{Record, Sql};
pub use steps::{Hitch, Step, Stepping, Steps, Turns};
pub use store::{Access, Store, StoreOptions, backup, check_file, lax_settings, migrate, schema_state, snapshot_of, was_served};
#[doc(hidden)]
pub use table::position_of;
pub use table::{ColumnMeta, KeyPrefix, Table, TableMeta, Undecodable, UniqueKey};
pub use value::{Column, Kind, Value};
pub use writer::{BATCH_COMMANDS_MAX, QUEUE_COMMANDS_MAX, Writer};
