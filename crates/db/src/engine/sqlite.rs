//! The writing connection on SQLite: a statement is a function call here, so sets are written row by row with prepared statements.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use kernel::{BootId, Timestamp};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql, params_from_iter};

use super::sqlite_log::Log;
use super::{Begun, Engine, Flush, Mode, Trouble};
use crate::clock::PlatformClock;
use crate::fault::Fault;
use crate::node::LEASE_MICROS;
use crate::rows::{Load, StoredRow};
use crate::table::{ColumnMeta, TableMeta, VERSION_COLUMN};
use crate::value::{Kind, Value};

/// How long a one-shot command beside the serving process, or the serving process beside it, waits for the other's short transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Page cache of a connection; 4 MB was measured to be faster than 64 MB, which only moves memory.
const PAGE_CACHE_KIB: i64 = 4_096;
/// Prepared statements kept by the writing connection.
const STATEMENTS: usize = 256;

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Int(int) => ValueRef::Integer(*int),
            Value::Bool(truth) => ValueRef::Integer(i64::from(*truth)),
            Value::Id(id) => ValueRef::Blob(id),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// What SQLite stores, read as the kind a column declares; `None` when it is something else.
pub(crate) fn read_value(stored: ValueRef<'_>, kind: Kind) -> Option<Value> {
    match (stored, kind) {
        (ValueRef::Null, _) => Some(Value::Null),
        (ValueRef::Integer(int), Kind::Int) => Some(Value::Int(int)),
        (ValueRef::Integer(int @ (0 | 1)), Kind::Bool) => Some(Value::Bool(int == 1)),
        (ValueRef::Blob(blob), Kind::Id) => blob.try_into().ok().map(Value::Id),
        (ValueRef::Text(text), Kind::Text) => std::str::from_utf8(text).ok().map(|text| Value::Text(text.into())),
        (ValueRef::Blob(blob), Kind::Bytes) => Some(Value::Bytes(blob.into())),
        _ => None,
    }
}

/// Opens a connection with the settings every connection of ours has.
pub(crate) fn open(path: &Path, read_only: bool) -> rusqlite::Result<Connection> {
    let access = if read_only {
        OpenFlags::SQLITE_OPEN_READ_ONLY
    } else {
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
    };
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    if !read_only {
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
    }
    connection.pragma_update(None, "cache_size", -PAGE_CACHE_KIB)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

/// Opens a connection that only reads.
pub(crate) fn open_to_read(path: &Path) -> Result<Connection, Fault> {
    open(path, true).map_err(|error| unusable(&error, "the database file cannot be read"))
}

/// What a failure says about the file, if it says that the file is damaged.
pub(crate) fn damage(error: &rusqlite::Error) -> Option<Fault> {
    let why = match error.sqlite_error_code()? {
        ErrorCode::DatabaseCorrupt => "a page of its file makes no sense",
        ErrorCode::NotADatabase => "its file is none of SQLite, or begins with damage",
        _ => return None,
    };
    Some(Fault::Damaged(why.into()))
}

/// Why a file cannot be used: it is damaged, or else what the caller says.
pub(crate) fn unusable(error: &rusqlite::Error, otherwise: &'static str) -> Fault {
    damage(error).unwrap_or(Fault::Unavailable(otherwise))
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Trouble::Conflict,
            Some(ErrorCode::DiskFull) => Trouble::Away("the disk is full"),
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::ReadOnly) => {
                Trouble::Away("the database file cannot be written")
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Trouble::Broken("a page of the database file makes no sense".into())
            }
            Some(code) => Trouble::Broken(format!("SQLite refused the batch: {code:?}")),
            None => Trouble::Broken("SQLite refused the batch".into()),
        }
    }
}

/// The writing connection.
pub(crate) struct SqliteEngine {
    connection: Connection,
    log: Log,
    clock: PlatformClock,
    /// Only the serving process keeps a node row.
    serves: bool,
    boot: BootId,
    data_version: i64,
    texts: HashMap<(&'static str, Operation), String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Operation {
    Insert,
    Update,
    Replace,
    Delete,
}

impl SqliteEngine {
    pub(crate) fn open(path: &Path, clock: PlatformClock, boot: BootId, serves: bool) -> Result<Self, Trouble> {
        let mut connection = open(path, false)?;
        let log = Log::watch(&mut connection, path)?;
        let engine = Self { connection, log, clock, serves, boot, data_version: 0, texts: HashMap::new() };
        if serves {
            engine.connection.execute(
                "INSERT INTO node (boot_id, mark, lease_until, oldest_work_at, row_version) VALUES (?1, 0, ?2, ?3, 0)",
                (&boot.bytes()[..], engine.lease_until(), engine.clock.now().micros()),
            )?;
        }
        Ok(engine)
    }

    fn lease_until(&self) -> i64 {
        self.clock.database_time().micros() + LEASE_MICROS
    }

    fn write(
        &mut self,
        meta: &'static TableMeta,
        operation: Operation,
        version: i64,
        lines: &[Vec<Value>],
    ) -> Result<(), Trouble> {
        if lines.is_empty() {
            return Ok(());
        }
        let text = self.texts.entry((meta.name, operation)).or_insert_with(|| text(meta, operation));
        let mut statement = self.connection.prepare_cached(text)?;
        let stamp = [Value::Int(version)];
        for line in lines {
            let stamped = line.iter().chain(if operation == Operation::Delete { &[][..] } else { &stamp });
            if statement.execute(params_from_iter(stamped))? != 1 {
                return Err(Trouble::Conflict);
            }
        }
        Ok(())
    }

    fn write_all(&mut self, flush: &Flush<'_>) -> Result<(), Trouble> {
        for (meta, changes) in flush.tables {
            self.write(meta, Operation::Delete, flush.version, &changes.deletes)?;
            self.write(meta, Operation::Replace, flush.version, &changes.replaces)?;
            self.write(meta, Operation::Update, flush.version, &changes.updates)?;
            self.write(meta, Operation::Insert, flush.version, &changes.inserts)?;
        }
        self.mark(flush.version, flush.oldest_work)?;
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        self.log.tend(&self.connection);
        Ok(())
    }

    fn mark(&mut self, mark: i64, oldest_work: Timestamp) -> Result<(), Trouble> {
        if self.serves {
            let values = (mark, self.lease_until(), oldest_work.micros(), &self.boot.bytes()[..]);
            let text = "UPDATE node SET mark = ?1, row_version = ?1, lease_until = ?2, oldest_work_at = ?3 WHERE boot_id = ?4";
            self.connection.prepare_cached(text)?.execute(values)?;
        }
        Ok(())
    }
}

impl Engine for SqliteEngine {
    fn boot(&self) -> BootId {
        self.boot
    }

    fn begin(&mut self, _mode: Mode) -> Result<Begun, Trouble> {
        if !self.connection.is_autocommit() {
            self.rollback();
        }
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let state = (|| {
            let seen: i64 = self.connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
            let offset = self
                .connection
                .prepare_cached("SELECT offset_micros FROM platform_clock WHERE id = 1")?
                .query_row([], |row| row.get(0))?;
            Ok((seen, offset))
        })();
        let (seen, offset) = state.inspect_err(|_: &rusqlite::Error| self.rollback())?;
        self.clock.set_offset(offset);
        let cache_valid = std::mem::replace(&mut self.data_version, seen) == seen;
        Ok(Begun { cache_valid, now: self.clock.now() })
    }

    fn load(&mut self, loads: &[Load], _mode: Mode) -> Result<Vec<Vec<StoredRow>>, Trouble> {
        loads.iter().map(|load| self.load_one(load)).collect()
    }

    fn commit(&mut self, flush: &Flush<'_>) -> Result<(), Trouble> {
        self.write_all(flush).inspect_err(|_| self.rollback())
    }

    fn rollback(&mut self) {
        if !self.connection.is_autocommit() {
            let _nothing_left_to_undo = self.connection.execute_batch("ROLLBACK");
        }
    }

    fn heartbeat(&mut self, oldest_work: Timestamp) -> Result<(), Trouble> {
        self.begin(Mode::Locked)?;
        let none = Flush { tables: &[], version: 0, mode: Mode::Locked, oldest_work };
        self.commit(&none)
    }

    fn close(&mut self) {
        if self.serves {
            let gone = self.connection.execute("DELETE FROM node WHERE boot_id = ?1", [&self.boot.bytes()[..]]);
            if gone.is_err() {
                tracing::warn!("the lease could not be given back; it runs out by itself");
            }
            self.log.finish(&self.connection);
        }
    }
}

impl SqliteEngine {
    fn load_one(&mut self, load: &Load) -> Result<Vec<StoredRow>, Trouble> {
        let conditions =
            load.by.iter().enumerate().map(|(index, column)| format!("{} = ?{}", load.meta.columns[*column].name, index + 1));
        let text = format!(
            "SELECT {}, {VERSION_COLUMN} FROM {} WHERE {}",
            load.meta.column_list(),
            load.meta.name,
            conditions.collect::<Vec<_>>().join(" AND ")
        );
        let mut statement = self.connection.prepare_cached(&text)?;
        let mut found = Vec::new();
        for wanted in &load.wanted {
            let mut rows = statement.query(params_from_iter(wanted))?;
            while let Some(row) = rows.next()? {
                found.push(StoredRow { values: read_row(row, load.meta.columns)?, version: row.get(load.meta.columns.len())? });
            }
        }
        Ok(found)
    }
}

fn read_row(row: &rusqlite::Row<'_>, columns: &[ColumnMeta]) -> Result<Vec<Value>, Trouble> {
    let read = |(index, column): (usize, &ColumnMeta)| {
        read_value(row.get_ref(index)?, column.kind)
            .ok_or_else(|| Trouble::Broken(format!("column {} holds another type", column.name)))
    };
    columns.iter().enumerate().map(read).collect()
}

fn text(meta: &TableMeta, operation: Operation) -> String {
    let (table, key) = (meta.name, &meta.columns[..meta.key]);
    let set = |columns: &[ColumnMeta], first: usize| {
        let sets = columns.iter().enumerate().map(|(index, column)| format!("{} = ?{}", column.name, first + index));
        sets.chain([format!("{VERSION_COLUMN} = ?{}", first + columns.len())]).collect::<Vec<_>>().join(", ")
    };
    let seen = key.iter().enumerate().map(|(index, column)| format!("{} = ?{}", column.name, index + 1));
    let seen = seen.chain([format!("{VERSION_COLUMN} = ?{}", meta.key + 1)]).collect::<Vec<_>>().join(" AND ");
    match operation {
        Operation::Insert => {
            let places = (1..=meta.columns.len() + 1).map(|place| format!("?{place}")).collect::<Vec<_>>().join(", ");
            format!("INSERT INTO {table} ({}, {VERSION_COLUMN}) VALUES ({places}) ON CONFLICT DO NOTHING", meta.column_list())
        }
        Operation::Update => format!("UPDATE {table} SET {} WHERE {seen}", set(meta.state(), meta.key + 2)),
        Operation::Replace => format!("UPDATE {table} SET {} WHERE {seen}", set(&meta.columns[meta.key..], meta.key + 2)),
        Operation::Delete => format!("DELETE FROM {table} WHERE {seen}"),
    }
}
