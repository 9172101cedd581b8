//! Reads that are not part of a decision: lists, pages, look-ups. They never wait for the writer.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};

use crossbeam_channel::{Sender, bounded};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rusqlite::{Connection, params_from_iter};
use tokio::sync::{Mutex, RwLock, oneshot};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

use crate::connect::{Connector, Setting, unreachable};
use crate::driver::Driver;
use crate::engine::{Trouble, postgres_values, sqlite};
use crate::fault::Fault;
use crate::session::{Session, given};
use crate::sql::{Record, Sql};
use crate::steps::Turns;
use crate::table::Table;
use crate::value::{Kind, Value};

/// Reading connections of one process. PostgreSQL connections are shared and pipelined, so few carry many callers.
const CONNECTIONS: usize = 2;
/// Reads write nothing, and end.
const SETTINGS: [Setting; 3] = [("default_transaction_read_only", "on"), ("statement_timeout", "30s"), ("jit", "off")];
/// Reads that may wait for a SQLite connection.
const WAITING_READS_MAX: usize = 4_096;

/// The way to read; cheap to clone.
#[derive(Clone)]
pub struct Reader(Engine);

#[derive(Clone)]
enum Engine {
    Sqlite(Sender<Read>),
    Inline(Arc<Inline>),
    Postgres(Arc<Pool>),
}

/// Answers while the caller stands still, after as many turns of its executor as it is told to wait.
struct Inline {
    answering: Answering,
    turns: Turns,
}

enum Answering {
    Sqlite(std::sync::Mutex<Connection>),
    Postgres(Box<Pool>, Driver),
}

type Answer = Result<Vec<Record>, Fault>;

struct Read {
    text: &'static Sql,
    values: Vec<Value>,
    caller: oneshot::Sender<Answer>,
}

impl Reader {
    pub(crate) fn sqlite(path: &Path) -> Result<Self, Fault> {
        let (queue, reads) = bounded::<Read>(WAITING_READS_MAX);
        for number in 0..CONNECTIONS {
            let reads = reads.clone();
            let connection = sqlite::open_to_read(path)?;
            let work = move || {
                for Read { text, values, caller } in reads {
                    let _caller_may_be_gone = caller.send(list_sqlite(&connection, text, &values));
                }
            };
            let spawned = std::thread::Builder::new().name(format!("guichet-reader-{number}")).spawn(work);
            spawned.map_err(|_| Fault::Unavailable("a reader's thread could not be started"))?;
        }
        Ok(Self(Engine::Sqlite(queue)))
    }

    /// A reader without threads, for whoever steps the writer by hand.
    pub(crate) fn inline_sqlite(path: &Path, turns: Turns) -> Result<Self, Fault> {
        let answering = Answering::Sqlite(std::sync::Mutex::new(sqlite::open_to_read(path)?));
        Ok(Self(Engine::Inline(Arc::new(Inline { answering, turns }))))
    }

    /// The same on PostgreSQL: each read is over before anything else goes on.
    pub(crate) fn inline_postgres(connector: &Connector, driver: Driver, turns: Turns) -> Self {
        let answering = Answering::Postgres(Box::new(Pool::new(connector)), driver);
        Self(Engine::Inline(Arc::new(Inline { answering, turns })))
    }

    pub(crate) fn postgres(connector: &Connector) -> Self {
        Self(Engine::Postgres(Arc::new(Pool::new(connector))))
    }

    /// All lines of the answer.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn list(&self, text: &'static Sql, values: Vec<Value>) -> Answer {
        match &self.0 {
            Engine::Sqlite(queue) => {
                let (caller, answer) = oneshot::channel();
                queue.try_send(Read { text, values, caller }).map_err(|_| Fault::Busy)?;
                answer.await.unwrap_or(Err(Fault::Closing))
            }
            Engine::Inline(inline) => {
                for _ in 0..(inline.turns)() {
                    tokio::task::yield_now().await;
                }
                match &inline.answering {
                    Answering::Sqlite(connection) => {
                        list_sqlite(&connection.lock().unwrap_or_else(PoisonError::into_inner), text, &values)
                    }
                    Answering::Postgres(pool, driver) => driver.block_on(pool.list(text, &values)),
                }
            }
            Engine::Postgres(pool) => pool.list(text, &values).await,
        }
    }

    /// The first line of the answer, if there is one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn one(&self, text: &'static Sql, values: Vec<Value>) -> Result<Option<Record>, Fault> {
        Ok(self.list(text, values).await?.into_iter().next())
    }

    /// The answer as rows: the text selects `{}`.
    ///
    /// # Errors
    /// When the store cannot be read, or a row cannot be decoded.
    pub async fn rows<T: Table>(&self, text: &'static Sql, values: Vec<Value>) -> Result<Vec<T>, Fault> {
        self.list(text, values).await?.iter().map(|record| record.row(0)).collect()
    }

    /// The first row of the answer, if there is one.
    ///
    /// # Errors
    /// When the store cannot be read, or the row cannot be decoded.
    pub async fn row<T: Table>(&self, text: &'static Sql, values: Vec<Value>) -> Result<Option<T>, Fault> {
        self.one(text, values).await?.map(|record| record.row(0)).transpose()
    }
}

pub(crate) fn list_sqlite(connection: &Connection, text: &Sql, values: &[Value]) -> Answer {
    let mut records = Vec::new();
    each_sqlite(connection, text, values, &mut |record| {
        records.push(record);
        Ok(())
    })?;
    Ok(records)
}

pub(crate) fn each_sqlite(
    connection: &Connection,
    text: &Sql,
    values: &[Value],
    each: &mut dyn FnMut(Record) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let failed = |error: rusqlite::Error| {
        let code = error.sqlite_error_code().map_or_else(String::new, |code| format!(": {code:?}"));
        sqlite::damage(&error).unwrap_or_else(|| Fault::Failed(format!("SQLite could not answer a query{code}")))
    };
    let mut statement = connection.prepare_cached(text.sqlite()).map_err(failed)?;
    let columns = statement.column_count();
    let mut rows = statement.query(params_from_iter(values)).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let read = |index| row.get_ref(index).map(untyped);
        let values = (0..columns).map(read).collect::<Result<Vec<_>, _>>().map_err(failed)?;
        each(Record::new(values))?;
    }
    Ok(())
}

/// A value as SQLite holds it; whoever takes it from the record says what it means.
fn untyped(stored: rusqlite::types::ValueRef<'_>) -> Value {
    [Kind::Int, Kind::Text, Kind::Bytes].into_iter().find_map(|kind| sqlite::read_value(stored, kind)).unwrap_or(Value::Null)
}

struct Pool {
    connector: Connector,
    slots: Vec<Mutex<Option<Arc<Shared>>>>,
    next: AtomicUsize,
}

/// A connection many callers use at once: their queries are pipelined.
struct Shared {
    session: Session,
    statements: RwLock<HashMap<&'static str, Statement>>,
}

impl Pool {
    fn new(connector: &Connector) -> Self {
        let connector = connector.with_settings(&SETTINGS);
        let slots = (0..CONNECTIONS).map(|_| Mutex::new(None)).collect();
        Self { connector, slots, next: AtomicUsize::new(0) }
    }

    async fn connection(&self) -> Result<Arc<Shared>, Fault> {
        let number = self.next.fetch_add(1, Ordering::Relaxed) % self.slots.len();
        let mut slot = self.slots[number].lock().await;
        if let Some(shared) = slot.as_ref().filter(|shared| !shared.session.client().is_closed()) {
            return Ok(shared.clone());
        }
        let session = self.connector.connect().await.map_err(|error| Fault::of_away(unreachable(&error)))?;
        let shared = Arc::new(Shared { session, statements: RwLock::new(HashMap::new()) });
        *slot = Some(shared.clone());
        Ok(shared)
    }

    /// Boxed, so that the many places that read do not each hold a compiled copy of it.
    fn list<'a>(&'a self, text: &'static Sql, values: &'a [Value]) -> BoxFuture<'a, Answer> {
        async move {
            let shared = self.connection().await?;
            let rows = shared.rows(text, values).await.map_err(|error| of_postgres(&error))?;
            rows.iter().map(|row| record(row).map_err(|error| of_postgres(&error))).collect()
        }
        .boxed()
    }
}

impl Shared {
    async fn rows(&self, text: &'static Sql, values: &[Value]) -> Result<Vec<Row>, tokio_postgres::Error> {
        if self.session.is_pooled() {
            return self.session.ask(text.postgres(), &given(values)).await;
        }
        let statement = self.statement(text).await?;
        let parameters: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        self.session.client().query(&statement, &parameters).await
    }

    async fn statement(&self, text: &'static Sql) -> Result<Statement, tokio_postgres::Error> {
        if let Some(statement) = self.statements.read().await.get(text.postgres()) {
            return Ok(statement.clone());
        }
        let statement = self.session.client().prepare(text.postgres()).await?;
        self.statements.write().await.insert(text.postgres(), statement.clone());
        Ok(statement)
    }
}

pub(crate) fn record(row: &Row) -> Result<Record, tokio_postgres::Error> {
    (0..row.len()).map(|index| postgres_values::read_value(row, index)).collect::<Result<_, _>>().map(Record::new)
}

pub(crate) fn of_postgres(error: &tokio_postgres::Error) -> Fault {
    match Trouble::of_postgres(error) {
        Trouble::Away(why) => Fault::of_away(why),
        Trouble::Broken(text) => Fault::Failed(text),
        Trouble::Conflict | Trouble::Fenced => Fault::Unavailable("PostgreSQL gave the query up"),
    }
}

/// Where a SQLite reader finds its file; kept for snapshots.
pub(crate) fn open_snapshot(path: &Path) -> Result<Connection, Fault> {
    let connection = sqlite::open_to_read(path)?;
    connection.execute_batch("BEGIN DEFERRED").map_err(|error| sqlite::unusable(&error, "the database file cannot be read"))?;
    Ok(connection)
}
