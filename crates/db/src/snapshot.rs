//! One consistent view of the whole database, streamed: what `guichet verify` reads.

use std::path::Path;

use futures_util::future::LocalBoxFuture;
use futures_util::{FutureExt, TryStreamExt};
use kernel::{Source, Timestamp};
use rusqlite::Connection;
use tokio_postgres::types::ToSql;

use crate::connect::{Connector, unreachable};
use crate::fault::Fault;
use crate::reader::{each_sqlite, of_postgres, open_snapshot, record};
use crate::session::{Session, given};
use crate::sql::{Record, Sql};
use crate::value::Value;

/// A read-only transaction on a connection of its own. No writer waits for it.
pub struct Snapshot(Engine);

enum Engine {
    Sqlite(Box<Connection>),
    Postgres(Session),
}

impl Snapshot {
    pub(crate) fn sqlite(path: &Path) -> Result<Self, Fault> {
        Ok(Self(Engine::Sqlite(Box::new(open_snapshot(path)?))))
    }

    pub(crate) async fn postgres(connector: &Connector) -> Result<Self, Fault> {
        let session = connector.connect().await.map_err(|error| Fault::of_away(unreachable(&error)))?;
        session.begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.map_err(|error| of_postgres(&error))?;
        Ok(Self(Engine::Postgres(session)))
    }

    /// `sqlite` or `postgres`.
    pub fn engine(&self) -> &'static str {
        match &self.0 {
            Engine::Sqlite(_) => "sqlite",
            Engine::Postgres(_) => "postgres",
        }
    }

    /// Says what time it is by the database's clock, where it has one of its own.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn set_right(&self, source: &Source) -> Result<(), Fault> {
        let Engine::Postgres(session) = &self.0 else { return Ok(()) };
        let text = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        let row = session.client().query_typed_one(text, &[]).await.map_err(|error| of_postgres(&error))?;
        source.set_right(Timestamp::from_micros(row.get(0)));
        Ok(())
    }

    /// Hands every line of the answer to `each`, one at a time; memory does not grow with the answer. On SQLite it reads on the calling
    /// thread.
    ///
    /// # Errors
    /// When the store cannot be read, or the first error of `each`.
    pub async fn each(
        &self,
        text: &Sql,
        values: Vec<Value>,
        mut each: impl FnMut(Record) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.stream(text, &values, &mut each).await
    }

    /// Boxed, so that the many places that read do not each hold a compiled copy of it.
    fn stream<'a>(
        &'a self,
        text: &'a Sql,
        values: &'a [Value],
        each: &'a mut dyn FnMut(Record) -> Result<(), Fault>,
    ) -> LocalBoxFuture<'a, Result<(), Fault>> {
        async move {
            match &self.0 {
                Engine::Sqlite(connection) => each_sqlite(connection, text, values, each),
                Engine::Postgres(session) => {
                    let stream = if session.is_pooled() {
                        session.client().query_typed_raw(text.postgres(), given(values)).await
                    } else {
                        let parameters = values.iter().map(|value| value as &(dyn ToSql + Sync));
                        session.client().query_raw(text.postgres(), parameters).await
                    };
                    let stream = stream.map_err(|error| of_postgres(&error))?;
                    let mut stream = std::pin::pin!(stream);
                    while let Some(row) = stream.try_next().await.map_err(|error| of_postgres(&error))? {
                        each(record(&row).map_err(|error| of_postgres(&error))?)?;
                    }
                    Ok(())
                }
            }
        }
        .boxed_local()
    }

    /// The first line of the answer, if there is one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn one(&self, text: &Sql, values: Vec<Value>) -> Result<Option<Record>, Fault> {
        let mut first = None;
        self.each(text, values, |record| {
            first.get_or_insert(record);
            Ok(())
        })
        .await?;
        Ok(first)
    }
}
