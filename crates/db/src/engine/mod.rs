//! What the writer needs of an engine. Everything that differs between SQLite and PostgreSQL ends here.

pub(crate) mod postgres;
pub(crate) mod postgres_texts;
pub(crate) mod postgres_values;
pub(crate) mod sqlite;
mod sqlite_log;

use kernel::{BootId, Timestamp};

use crate::rows::{Changes, Load, StoredRow};
use crate::table::TableMeta;

/// Why an engine did not do what it was asked to. In every case the transaction is gone and nothing of it was committed.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Another process wrote a row or took a key that this batch rests on, or the engine asked for a repetition (serialisation
    /// failure, deadlock, busy): decide again on locked rows.
    Conflict,
    /// The store is out of reach or cannot write (connection lost, disk full).
    Away(&'static str),
    /// Another process took over from this one; it now has a new identity.
    Fenced,
    /// Any other error. The driver's own text may hold the row and stays here.
    Broken(String),
}

/// How a batch deals with other processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Rows are read without locks and the flush checks their versions.
    Optimistic,
    /// Rows are locked as they are read.
    Locked,
}

/// What the engine says at the start of a batch.
pub(crate) struct Begun {
    /// Whether rows kept from earlier batches may still be right.
    pub(crate) cache_valid: bool,
    /// The batch's time: database time plus the sandbox offset.
    pub(crate) now: Timestamp,
}

/// A whole batch on its way to the store.
pub(crate) struct Flush<'a> {
    pub(crate) tables: &'a [(&'static TableMeta, Changes)],
    /// The version that every written row gets.
    pub(crate) version: i64,
    pub(crate) mode: Mode,
    /// When the oldest work of this process began that is still in flight (platform time).
    pub(crate) oldest_work: Timestamp,
}

/// One writing connection.
pub(crate) trait Engine: Send {
    /// This process's identity in the store; a fenced process gets a new one.
    fn boot(&self) -> BootId;
    fn begin(&mut self, mode: Mode) -> Result<Begun, Trouble>;
    fn load(&mut self, loads: &[Load], mode: Mode) -> Result<Vec<Vec<StoredRow>>, Trouble>;
    /// Writes and commits. On an error everything is rolled back.
    fn commit(&mut self, flush: &Flush<'_>) -> Result<(), Trouble>;
    /// Ends a batch that writes nothing.
    fn rollback(&mut self);
    /// Keeps the lease alive while nothing is written.
    fn heartbeat(&mut self, oldest_work: Timestamp) -> Result<(), Trouble>;
    /// Gives the lease back.
    fn close(&mut self);
}
