//! The writing connection on PostgreSQL: one statement per batch, on a runtime of its own that only the writer's thread drives.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use kernel::{BootId, Source, Timestamp};
use tokio_postgres::error::{DbError, Severity, SqlState};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Row, Statement};

use super::postgres_texts::{FIXED_PARAMETERS, Part, Shape, flush, line_places, load, parameters_of, parts, shape};
use super::postgres_values::{ColumnArray, RowArray, RowType, read_value};
use super::{Begun, Engine, Flush, Mode, Trouble};
use crate::clock::PlatformClock;
use crate::connect::{Connector, Setting, UNNAMED_POOLER, unreachable};
use crate::driver::Driver;
use crate::node::LEASE_MICROS;
use crate::rows::{Load, StoredRow};
use crate::session::{Given, Session, array_of, given};
use crate::table::{TableMeta, VERSION_COLUMN};
use crate::value::Value;

/// Set-based texts prepared on small tables turn into scans and hash joins and stay so; these forbid them. JIT would be tempted by the
/// costs that forbidding adds.
pub(crate) const SETTINGS: [Setting; 8] = [
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("enable_bitmapscan", "off"),
    KEPT,
    ("jit", "off"),
    ("idle_in_transaction_session_timeout", "30s"),
    ("statement_timeout", "30s"),
];
/// The one that is looked at to see whether they arrived.
pub(crate) const KEPT: Setting = ("plan_cache_mode", "force_generic_plan");
/// That one, and those with which the server may lose what it acknowledged.
pub(crate) const SAFETY: &str = "SELECT name, setting FROM pg_settings WHERE name IN ('plan_cache_mode', 'fsync', 'full_page_writes', 'synchronous_commit') ORDER BY name";
/// After a failed connection attempt, batches are refused at once for this long.
const RECONNECT_PAUSE: Duration = Duration::from_millis(250);
/// How long the writer tries to learn what became of a commit whose answer was lost.
const RESOLVE_COMMIT: Duration = Duration::from_secs(30);
/// Prepared statements kept; a batch's shape is the set of its parts, of which a product has a few dozen.
const STATEMENTS: usize = 512;

impl Trouble {
    pub(crate) fn of_postgres(error: &tokio_postgres::Error) -> Self {
        let Some(code) = error.code() else { return Trouble::Away("the connection to PostgreSQL was lost") };
        match code.code() {
            _ if ends_connection(error) => Trouble::Away("PostgreSQL ended the connection"),
            "40001" | "40P01" | "22012" | "23505" | "55P03" => Trouble::Conflict,
            // A prepared statement that is not there, is there already, or is somebody else's: what a pooler does with them.
            "26000" | "42P05" => Trouble::Away(UNNAMED_POOLER),
            "08P01" if error.as_db_error().is_some_and(|refusal| refusal.message().contains("prepared statement")) => {
                Trouble::Away(UNNAMED_POOLER)
            }
            code if code.starts_with("08") || code.starts_with("57P") => Trouble::Away("PostgreSQL ended the connection"),
            code if code.starts_with("53") => Trouble::Away("PostgreSQL has no room left"),
            code if code.starts_with("58") => Trouble::Away("PostgreSQL's disk fails"),
            "25006" => Trouble::Away("this PostgreSQL is read-only"),
            _ => Trouble::Broken(format!("PostgreSQL refused the batch: SQLSTATE {}", code.code())),
        }
    }
}

/// A server that says so ends the connection, whatever the reason it gives; one whose disk fails under its log of changes gives up
/// altogether. What became of a commit is not known then.
fn ends_connection(error: &tokio_postgres::Error) -> bool {
    let severity = error.as_db_error().and_then(DbError::parsed_severity);
    matches!(severity, Some(Severity::Fatal | Severity::Panic))
}

const ROW_TYPE: &str = "SELECT c.reltype, a.atttypid, a.attname::text FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid \
     WHERE c.oid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

struct Connection {
    session: Session,
    statements: HashMap<String, Statement>,
    /// The statements of batches by what they do: their texts are long, and made only once.
    flushes: HashMap<Shape, Statement>,
    row_types: HashMap<&'static str, Arc<RowType>>,
}

impl Connection {
    fn new(session: Session) -> Self {
        Self { session, statements: HashMap::new(), flushes: HashMap::new(), row_types: HashMap::new() }
    }

    async fn row_type(&mut self, meta: &'static TableMeta) -> Result<Arc<RowType>, tokio_postgres::Error> {
        if let Some(known) = self.row_types.get(meta.name) {
            return Ok(known.clone());
        }
        let mut row_type = RowType { oid: 0, attributes: Vec::new() };
        let attributes = if self.session.is_pooled() {
            self.session.ask(ROW_TYPE, &[(&meta.name, Type::TEXT)]).await?
        } else {
            self.session.client().query(ROW_TYPE, &[&meta.name]).await?
        };
        for attribute in attributes {
            let name: &str = attribute.get(2);
            let version = (name == VERSION_COLUMN).then_some(meta.columns.len());
            row_type.oid = attribute.get(0);
            let column = version.or_else(|| meta.columns.iter().position(|column| column.name == name));
            row_type.attributes.push((attribute.get(1), column));
        }
        let row_type = Arc::new(row_type);
        self.row_types.insert(meta.name, row_type.clone());
        Ok(row_type)
    }

    async fn prepare(&mut self, text: String) -> Result<Statement, tokio_postgres::Error> {
        if let Some(statement) = self.statements.get(&text) {
            return Ok(statement.clone());
        }
        if self.statements.len() >= STATEMENTS {
            self.statements.clear();
        }
        let statement = self.session.client().prepare(&text).await?;
        self.statements.insert(text, statement.clone());
        Ok(statement)
    }

    async fn prepare_flush(&mut self, parts: &[Part<'_>]) -> Result<Statement, tokio_postgres::Error> {
        let shape = shape(parts);
        if let Some(statement) = self.flushes.get(&shape) {
            return Ok(statement.clone());
        }
        if self.flushes.len() >= STATEMENTS {
            self.flushes.clear();
        }
        let statement = self.session.client().prepare(&flush(parts)).await?;
        self.flushes.insert(shape, statement.clone());
        Ok(statement)
    }

    /// Asks a statement that is asked often.
    async fn ask(&mut self, text: String, values: &[Value], in_transaction: bool) -> Result<Vec<Row>, tokio_postgres::Error> {
        if self.session.is_pooled() {
            let given = given(values);
            return if in_transaction {
                self.session.client().query_typed(&text, &given).await
            } else {
                self.session.ask(&text, &given).await
            };
        }
        let statement = self.prepare(text).await?;
        let parameters: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        self.session.client().query(&statement, &parameters).await
    }

    /// Rows by sets of keys, all asked for at once.
    async fn load(&mut self, loads: &[Load], mode: Mode) -> Result<Vec<Vec<Row>>, tokio_postgres::Error> {
        let locked = mode == Mode::Locked;
        if self.session.is_pooled() {
            let client = self.session.client();
            let asked = loads.iter().map(|wanted| async move {
                let arrays = arrays(wanted);
                let given: Vec<Given<'_>> =
                    arrays.iter().map(|array| (array as &(dyn ToSql + Sync), array_of(array.kind))).collect();
                client.query_typed(&load(wanted, locked), &given).await
            });
            return if locked { try_join_all(asked).await } else { self.session.transaction(asked).await };
        }
        let mut statements = Vec::with_capacity(loads.len());
        for wanted in loads {
            statements.push(self.prepare(load(wanted, locked)).await?);
        }
        let client = self.session.client();
        try_join_all(loads.iter().zip(&statements).map(|(load, statement)| async move {
            let arrays = arrays(load);
            let parameters: Vec<&(dyn ToSql + Sync)> = arrays.iter().map(|array| array as &(dyn ToSql + Sync)).collect();
            client.query(statement, &parameters).await
        }))
        .await
    }

    /// A batch through a pooler. Each part has its rows and, unless it inserts, how many must be found.
    async fn flush_pooled(
        &self,
        parts: &[Part<'_>],
        parameters: &[&(dyn ToSql + Sync)],
        mode: Mode,
    ) -> Result<Row, tokio_postgres::Error> {
        let mut types = vec![Type::INT8; FIXED_PARAMETERS];
        types[0] = Type::UUID;
        for part in parts {
            types.push(Type::UNKNOWN); // the text says which table's rows they are
            types.resize(types.len() + parameters_of(part.operation) - 1, Type::INT8);
        }
        let given: Vec<Given<'_>> = parameters.iter().copied().zip(types).collect();
        let text = flush(parts);
        let flushed = self.session.client().query_typed_one(&text, &given);
        if mode == Mode::Locked {
            return flushed.await;
        }
        let mut answers = self.session.transaction([flushed]).await?;
        Ok(answers.remove(0))
    }
}

/// The columns of what is wanted.
fn arrays(load: &Load) -> Vec<ColumnArray<'_>> {
    let columns = load.by.iter().enumerate();
    columns.map(|(column, by)| ColumnArray { lines: &load.wanted, column, kind: load.meta.columns[*by].kind }).collect()
}

/// The writing connection.
pub(crate) struct PostgresEngine {
    driver: Driver,
    connector: Connector,
    source: Source,
    clock: PlatformClock,
    boot: BootId,
    /// The mark our node row carries: only we move it, so a statement of ours that arrives late, or after another process took over,
    /// finds another mark and does nothing.
    mark: i64,
    connection: Option<Connection>,
    registered: bool,
    in_transaction: bool,
    clock_read: Option<Instant>,
    failed: Option<Instant>,
}

impl PostgresEngine {
    pub(crate) fn open(connector: &Connector, source: Source, clock: PlatformClock, boot: BootId) -> Result<Self, Trouble> {
        let driver = Driver::new().ok_or(Trouble::Away("no runtime for the writer could be started"))?;
        let mut engine = Self {
            driver,
            connector: connector.with_settings(&SETTINGS),
            source,
            clock,
            boot,
            mark: 0,
            connection: None,
            registered: false,
            in_transaction: false,
            clock_read: None,
            failed: None,
        };
        engine.ensure_connected()?;
        Ok(engine)
    }

    fn lease_until(&self) -> i64 {
        self.clock.database_time().micros() + LEASE_MICROS
    }

    fn ensure_connected(&mut self) -> Result<(), Trouble> {
        if self.connection.as_ref().is_some_and(|connection| !connection.session.client().is_closed()) && self.registered {
            return Ok(());
        }
        if self.failed.is_some_and(|at| at.elapsed() < RECONNECT_PAUSE) {
            return Err(Trouble::Away("PostgreSQL cannot be reached"));
        }
        self.connect().inspect_err(|_| self.failed = Some(Instant::now()))
    }

    fn connect(&mut self) -> Result<(), Trouble> {
        self.connection = None;
        self.in_transaction = false;
        let session = self.driver.block_on(self.connector.connect()).map_err(|error| Trouble::Away(unreachable(&error)))?;
        self.connection = Some(Connection::new(session));
        self.expect_settings()?;
        self.read_clock()?;
        if !self.registered {
            self.register()?;
        }
        self.failed = None;
        Ok(())
    }

    /// Some poolers drop what a session asks for at its start instead of refusing it.
    fn expect_settings(&mut self) -> Result<(), Trouble> {
        let rows = self.query("SELECT current_setting($1)", &[Value::Text(KEPT.0.into())])?;
        if rows.first().is_some_and(|row| row.get::<_, &str>(0) == KEPT.1) {
            return Ok(());
        }
        self.connection = None;
        Err(Trouble::Away(UNNAMED_POOLER))
    }

    fn register(&mut self) -> Result<(), Trouble> {
        let values = [
            Value::Id(self.boot.bytes()),
            Value::Int(self.mark),
            Value::Int(self.lease_until()),
            Value::Int(self.clock.now().micros()),
        ];
        let text = "INSERT INTO node (boot_id, mark, lease_until, oldest_work_at, row_version) VALUES ($1, $2, $3, $4, 0)";
        self.query(text, &values)?;
        self.registered = true;
        Ok(())
    }

    fn query(&mut self, text: &str, values: &[Value]) -> Result<Vec<Row>, Trouble> {
        let in_transaction = self.in_transaction;
        let connection = self.connection.as_mut().ok_or(Trouble::Away("PostgreSQL cannot be reached"))?;
        let found = self.driver.block_on(connection.ask(text.to_owned(), values, in_transaction));
        found.map_err(|error| self.noted(&error))
    }

    /// An error that ends the connection must not leave it in use. After one that a newer program's migration explains, what is known of
    /// the tables is read again; rows that do not fit their table's type any more were not written, and the batch is made again.
    fn noted(&mut self, error: &tokio_postgres::Error) -> Trouble {
        let mut trouble = Trouble::of_postgres(error);
        if let (Trouble::Broken(_), Some(connection)) = (&trouble, &mut self.connection) {
            connection.statements.clear();
            connection.row_types.clear();
            if error.code() == Some(&SqlState::DATATYPE_MISMATCH) {
                trouble = Trouble::Conflict;
            }
        }
        let goes_on = error.code() == Some(&SqlState::DISK_FULL) && !ends_connection(error);
        if matches!(trouble, Trouble::Away(_)) && !goes_on {
            self.connection = None;
            self.in_transaction = false;
        }
        trouble
    }

    fn read_clock(&mut self) -> Result<(), Trouble> {
        let text = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, (SELECT offset_micros FROM platform_clock WHERE id = 1)";
        let rows = self.query(text, &[])?;
        if let Some(row) = rows.first() {
            self.learn_time(row.get(0), row.get(1));
        }
        Ok(())
    }

    fn learn_time(&mut self, database: i64, offset: Option<i64>) {
        self.clock.set_database_time(Timestamp::from_micros(database));
        self.clock.set_offset(offset.unwrap_or(0));
        self.clock_read = Some(Instant::now());
    }

    /// The answer to a commit was lost. Our node row tells what became of it; moving its mark makes a statement that is still on its way
    /// do nothing.
    fn committed_after_all(&mut self, version: i64) -> Result<bool, Trouble> {
        let started = Instant::now();
        let (next, mut before) = (new_mark(&self.source), None);
        loop {
            match self.connect().and_then(|()| self.claim_mark(next, &mut before)) {
                Ok(()) => return Ok(before == Some(version)),
                Err(trouble) if started.elapsed() > RESOLVE_COMMIT => return Err(trouble),
                Err(_) => std::thread::sleep(RECONNECT_PAUSE),
            }
        }
    }

    /// Replaces the mark in our node row by `next`, and says in `before` what it was; `None` when another process has taken the row over.
    /// The answer to this commit may be lost as well: then it is called again, and what it found first stands.
    fn claim_mark(&mut self, next: i64, before: &mut Option<i64>) -> Result<(), Trouble> {
        let boot = Value::Id(self.boot.bytes());
        self.begin_transaction()?;
        let rows = self.query("SELECT mark FROM node WHERE boot_id = $1 FOR UPDATE", std::slice::from_ref(&boot))?;
        let found = rows.first().map(|row| row.get::<_, i64>(0)).filter(|mark| *mark >= 0);
        if found != Some(next) {
            *before = found;
        }
        if found.is_some() {
            self.query("UPDATE node SET mark = $1 WHERE boot_id = $2", &[Value::Int(next), boot])?;
        }
        self.end_transaction("COMMIT")?;
        if found.is_some() {
            self.mark = next;
        }
        Ok(())
    }

    fn begin_transaction(&mut self) -> Result<(), Trouble> {
        let connection = self.connection.as_mut().ok_or(Trouble::Away("PostgreSQL cannot be reached"))?;
        let begun = self.driver.block_on(connection.session.begin("BEGIN"));
        // Where a setting is refused, the transaction has begun nevertheless.
        self.in_transaction = true;
        begun.map_err(|error| self.noted(&error))
    }

    fn end_transaction(&mut self, text: &str) -> Result<(), Trouble> {
        let connection = self.connection.as_mut().ok_or(Trouble::Away("PostgreSQL cannot be reached"))?;
        let ended = self.driver.block_on(connection.session.client().batch_execute(text));
        self.in_transaction = false;
        ended.map_err(|error| self.noted(&error))
    }

    /// A conflict in which our own node row had moved means that another process took over.
    fn conflict_or_fenced(&mut self) -> Trouble {
        let boot = Value::Id(self.boot.bytes());
        match self.query("SELECT mark FROM node WHERE boot_id = $1", &[boot]) {
            Ok(rows) if rows.first().is_some_and(|row| row.get::<_, i64>(0) == self.mark) => Trouble::Conflict,
            Ok(_) => {
                self.boot = BootId::new(&self.source);
                self.mark = new_mark(&self.source);
                self.registered = false;
                Trouble::Fenced
            }
            Err(trouble) => trouble,
        }
    }

    fn send(&mut self, batch: &Flush<'_>) -> Result<Row, tokio_postgres::Error> {
        let parts = parts(batch.tables, batch.mode == Mode::Optimistic);
        let fixed = [
            Value::Id(self.boot.bytes()),
            Value::Int(self.mark),
            Value::Int(batch.version),
            Value::Int(self.lease_until()),
            Value::Int(batch.oldest_work.micros()),
        ];
        let counts: Vec<i64> = parts.iter().map(|part| i64::try_from(part.lines.len()).unwrap_or(i64::MAX)).collect();
        let connection = self.connection.as_mut().expect("a batch begins by connecting");
        self.driver.block_on(async {
            let mut arrays = Vec::with_capacity(parts.len());
            for part in &parts {
                let row_type = connection.row_type(part.meta).await?;
                arrays.push(RowArray { row_type, lines: part.lines, places: line_places(part.meta, part.operation) });
            }
            let mut parameters: Vec<&(dyn ToSql + Sync)> = fixed.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
            for ((part, rows), count) in parts.iter().zip(&arrays).zip(&counts) {
                parameters.push(rows);
                if parameters_of(part.operation) > 1 {
                    parameters.push(count);
                }
            }
            if connection.session.is_pooled() {
                return connection.flush_pooled(&parts, &parameters, batch.mode).await;
            }
            let statement = connection.prepare_flush(&parts).await?;
            connection.session.client().query_one(&statement, &parameters).await
        })
    }
}

/// A number no other batch of any process uses: marks and versions are compared for equality only.
pub(crate) fn new_mark(source: &Source) -> i64 {
    i64::from_be_bytes(source.bytes::<8>()) & i64::MAX
}

impl Engine for PostgresEngine {
    fn boot(&self) -> BootId {
        self.boot
    }

    fn begin(&mut self, mode: Mode) -> Result<Begun, Trouble> {
        self.ensure_connected()?;
        if self.in_transaction {
            self.rollback();
        }
        if self.clock_read.is_none_or(|at| at.elapsed() >= self.clock.believed()) {
            self.read_clock()?;
        }
        if mode == Mode::Locked {
            self.begin_transaction()?;
        }
        Ok(Begun { cache_valid: true, now: self.clock.now() })
    }

    fn load(&mut self, loads: &[Load], mode: Mode) -> Result<Vec<Vec<StoredRow>>, Trouble> {
        let connection = self.connection.as_mut().ok_or(Trouble::Away("PostgreSQL cannot be reached"))?;
        let found = self.driver.block_on(connection.load(loads, mode));
        let found = found.map_err(|error| self.noted(&error))?;
        found.iter().map(|rows| rows.iter().map(stored_row).collect()).collect()
    }

    fn commit(&mut self, batch: &Flush<'_>) -> Result<(), Trouble> {
        let sent = self.send(batch);
        let trouble = match sent {
            Ok(row) => {
                self.learn_time(row.get(1), row.get(2));
                let ended = if batch.mode == Mode::Locked { self.end_transaction("COMMIT") } else { Ok(()) };
                match ended {
                    Ok(()) => {
                        self.mark = batch.version;
                        return Ok(());
                    }
                    Err(trouble) => trouble,
                }
            }
            Err(error) => self.noted(&error),
        };
        match trouble {
            Trouble::Away(_) if self.connection.is_none() => match self.committed_after_all(batch.version) {
                Ok(true) => Ok(()),
                Ok(false) => Err(trouble),
                Err(unreachable) => Err(unreachable),
            },
            Trouble::Conflict => {
                self.rollback();
                Err(self.conflict_or_fenced())
            }
            other => {
                self.rollback();
                Err(other)
            }
        }
    }

    fn rollback(&mut self) {
        if self.in_transaction && self.end_transaction("ROLLBACK").is_err() {
            self.connection = None;
        }
    }

    fn heartbeat(&mut self, oldest_work: Timestamp) -> Result<(), Trouble> {
        self.begin(Mode::Optimistic)?;
        let version = new_mark(&self.source);
        self.commit(&Flush { tables: &[], version, mode: Mode::Optimistic, oldest_work })
    }

    fn close(&mut self) {
        let boot = Value::Id(self.boot.bytes());
        if self.registered && self.query("DELETE FROM node WHERE boot_id = $1", &[boot]).is_err() {
            tracing::warn!("the lease could not be given back; it runs out by itself");
        }
    }
}

fn stored_row(row: &Row) -> Result<StoredRow, Trouble> {
    let read = |index| read_value(row, index).map_err(|error| Trouble::of_postgres(&error));
    let version = row.len() - 1;
    Ok(StoredRow { values: (0..version).map(read).collect::<Result<_, _>>()?, version: row.get(version) })
}
