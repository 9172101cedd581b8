//! Bringing a schema up to date: our SQL files, applied and checked by refinery.

use refinery::{AsyncMigrate, Migration as Step, Runner};
use refinery_core::traits::r#async::{AsyncQuery, AsyncTransaction};
use rusqlite::Connection;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio_postgres::Client;

use crate::engine::{Trouble, sqlite};
use crate::fault::Fault;
use crate::reader::of_postgres;
use crate::session::Session;

/// Statements of one file at most: the step number is the file's times this, plus the statement's.
const STATEMENTS_PER_FILE: u32 = 1_000;

/// One folder of `migrations/`: the same change for both engines.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// The folder's number; never reused.
    pub number: u32,
    /// The folder's name.
    pub topic: &'static str,
    /// `sqlite.sql`.
    pub sqlite: &'static str,
    /// `postgres.sql`.
    pub postgres: &'static str,
}

/// Node leases, the sandbox clock and counters: every store begins with these.
const PLATFORM: Migration = Migration {
    number: 1,
    topic: "platform",
    sqlite: include_str!("../../../migrations/0001_platform/sqlite.sql"),
    postgres: include_str!("../../../migrations/0001_platform/postgres.sql"),
};

/// How the schema in the database compares with this program's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaState {
    /// The same.
    Current,
    /// Nothing of it is there.
    Absent,
    /// Some migrations are missing.
    Outdated,
    /// It has migrations this program does not know, or other ones under the same number.
    Unknown,
}

/// The statements of a file, without comment lines. A statement ends with `;` at the end of a line.
fn statements(file: &str) -> Vec<String> {
    let code: String =
        file.lines().filter(|line| !line.trim_start().starts_with("--")).fold(String::new(), |code, line| code + line + "\n");
    code.split(";\n").map(|statement| statement.trim().to_owned()).filter(|statement| !statement.is_empty()).collect()
}

/// One step per statement: online schema changes want one at a time.
fn steps(migrations: &[Migration], file: impl Fn(&Migration) -> &'static str) -> Result<Vec<Step>, Fault> {
    let mut steps = Vec::new();
    for migration in std::iter::once(&PLATFORM).chain(migrations) {
        for (index, statement) in (1_u32..).zip(statements(file(migration))) {
            let number = migration.number * STATEMENTS_PER_FILE + index;
            let step = Step::unapplied(&format!("V{number}__{}", migration.topic), &statement);
            steps.push(step.map_err(|error| Fault::Schema(format!("migration {} cannot be used: {error}", migration.topic)))?);
        }
    }
    Ok(steps)
}

fn compare(ours: &[Step], applied: &[Step]) -> SchemaState {
    let same = |step: &Step| ours.iter().any(|our| our.version() == step.version() && our.checksum() == step.checksum());
    if !applied.iter().all(same) {
        SchemaState::Unknown
    } else if applied.len() < ours.len() {
        SchemaState::Outdated
    } else {
        SchemaState::Current
    }
}

/// A migration holds no personal data, so the whole chain of causes may be shown.
fn failed(error: &refinery::Error) -> Fault {
    let chain = || std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    if let Some(damage) = chain().find_map(|cause| cause.downcast_ref().and_then(sqlite::damage)) {
        return damage;
    }
    if let Some(Trouble::Away(why)) = chain().find_map(|cause| cause.downcast_ref()).map(Trouble::of_postgres) {
        return Fault::of_away(why);
    }
    let causes = chain().map(|cause| format!(": {cause}"));
    Fault::Schema(format!("the schema could not be brought up to date: {error}{}", causes.collect::<String>()))
}

const HISTORY_EXISTS_SQLITE: &str = "SELECT count(*) FROM sqlite_master WHERE name = 'refinery_schema_history'";
const HISTORY_SQLITE: &str = "SELECT applied_on, checksum FROM refinery_schema_history";
const HISTORY_EXISTS_POSTGRES: &str = "SELECT to_regclass('refinery_schema_history') IS NOT NULL";

/// Held by whoever changes the schema.
const LOCK: &str = "SELECT id FROM migration_lock WHERE id = 1 FOR UPDATE";

/// How the schema of a SQLite database stands; writes nothing.
pub(crate) fn state_sqlite(connection: &mut Connection, migrations: &[Migration]) -> Result<SchemaState, Fault> {
    let ours = steps(migrations, |migration| migration.sqlite)?;
    if !history_of(connection)? {
        return Ok(SchemaState::Absent);
    }
    expect_sound_history(connection)?;
    let applied = Runner::new(&ours).get_applied_migrations(connection).map_err(|error| failed(&error))?;
    Ok(compare(&ours, &applied))
}

/// Brings a SQLite database up to date. The serving process's lock file keeps others away.
///
/// All steps are one transaction: by itself refinery writes a step down in another one than it is made in, and whoever dies in between
/// could not go on.
pub(crate) fn migrate_sqlite(connection: &mut Connection, migrations: &[Migration]) -> Result<(), Fault> {
    let ours = steps(migrations, |migration| migration.sqlite)?;
    if history_of(connection)? {
        expect_sound_history(connection)?;
    }
    Runner::new(&ours).set_grouped(true).run(connection).map_err(|error| failed(&error))?;
    Ok(())
}

/// Whether any migration was ever noted.
fn history_of(connection: &Connection) -> Result<bool, Fault> {
    let unreadable = |error| sqlite::unusable(&error, "the database file cannot be read");
    connection.query_row(HISTORY_EXISTS_SQLITE, [], |row| row.get(0)).map_err(unreadable)
}

/// Refinery takes it for granted that its own table can be read, and panics where it cannot.
fn expect_sound_history(connection: &Connection) -> Result<(), Fault> {
    let damaged = || Fault::Damaged("the list of its migrations cannot be read".into());
    let unreadable = |error| sqlite::damage(&error).unwrap_or_else(damaged);
    let mut history = connection.prepare(HISTORY_SQLITE).map_err(unreadable)?;
    let mut rows = history.query([]).map_err(unreadable)?;
    while let Some(row) = rows.next().map_err(unreadable)? {
        let applied_on: String = row.get(0).map_err(unreadable)?;
        let checksum: String = row.get(1).map_err(unreadable)?;
        if OffsetDateTime::parse(&applied_on, &Rfc3339).is_err() || checksum.parse::<u64>().is_err() {
            return Err(damaged());
        }
    }
    Ok(())
}

/// How the schema of a PostgreSQL database stands; writes nothing.
pub(crate) async fn state_postgres(session: &mut Session, migrations: &[Migration]) -> Result<SchemaState, Fault> {
    let ours = steps(migrations, |migration| migration.postgres)?;
    let applied = if session.is_pooled() {
        session.begin("BEGIN READ ONLY").await.map_err(|error| of_postgres(&error))?;
        let applied = applied_pooled(session.client(), &ours).await?;
        session.client().batch_execute("COMMIT").await.map_err(|error| of_postgres(&error))?;
        applied
    } else {
        applied_directly(session.client_mut(), &ours).await?
    };
    Ok(applied.map_or(SchemaState::Absent, |applied| compare(&ours, &applied)))
}

async fn applied_directly(client: &mut Client, ours: &[Step]) -> Result<Option<Vec<Step>>, Fault> {
    let exists = client.query_one(HISTORY_EXISTS_POSTGRES, &[]).await.map_err(|error| of_postgres(&error))?;
    if !exists.get::<_, bool>(0) {
        return Ok(None);
    }
    Runner::new(ours).get_applied_migrations_async(client).await.map(Some).map_err(|error| failed(&error))
}

async fn applied_pooled(client: &Client, ours: &[Step]) -> Result<Option<Vec<Step>>, Fault> {
    let exists = client.query_typed_one(HISTORY_EXISTS_POSTGRES, &[]).await.map_err(|error| of_postgres(&error))?;
    if !exists.get::<_, bool>(0) {
        return Ok(None);
    }
    let mut transaction = OneTransaction(client);
    Runner::new(ours).get_applied_migrations_async(&mut transaction).await.map(Some).map_err(|error| failed(&error))
}

/// Brings a PostgreSQL database up to date. `lock` holds a row locked meanwhile, so that of several processes one does it and the others
/// find it done.
pub(crate) async fn migrate_postgres(
    lock: &mut Session,
    session: &mut Session,
    migrations: &[Migration],
    schema: Option<&str>,
) -> Result<(), Fault> {
    let ours = steps(migrations, |migration| migration.postgres)?;
    make_lock(lock, schema).await?;
    let held = lock.client_mut().transaction().await.map_err(|error| of_postgres(&error))?;
    held.batch_execute(LOCK).await.map_err(|error| of_postgres(&error))?;
    Runner::new(&ours).run_async(session.client_mut()).await.map_err(|error| failed(&error))?;
    held.commit().await.map_err(|error| of_postgres(&error))
}

/// The same through a pooler in transaction mode, on one session: of processes that each held one for the lock and waited for another,
/// none would get it. All steps are one transaction, which is the only thing that stays on its session.
pub(crate) async fn migrate_pooled(session: &Session, migrations: &[Migration], schema: Option<&str>) -> Result<(), Fault> {
    let ours = steps(migrations, |migration| migration.postgres)?;
    make_lock(session, schema).await?;
    session.begin("BEGIN").await.map_err(|error| of_postgres(&error))?;
    let client = session.client();
    client.batch_execute(LOCK).await.map_err(|error| of_postgres(&error))?;
    Runner::new(&ours).run_async(&mut OneTransaction(client)).await.map_err(|error| failed(&error))?;
    client.batch_execute("COMMIT").await.map_err(|error| of_postgres(&error))
}

/// Refinery's way to the database inside a transaction that somebody else began and ends; by itself it would prepare statements.
struct OneTransaction<'c>(&'c Client);

impl AsyncTransaction for OneTransaction<'_> {
    type Error = tokio_postgres::Error;

    async fn execute<'a, T: Iterator<Item = &'a str> + Send + 'a>(&'a mut self, queries: T) -> Result<usize, Self::Error> {
        let mut count = 0;
        for query in queries {
            self.0.batch_execute(query).await?;
            count += 1;
        }
        Ok(count)
    }
}

impl AsyncQuery<Vec<Step>> for OneTransaction<'_> {
    async fn query<'a>(&'a mut self, query: &'a str) -> Result<Vec<Step>, tokio_postgres::Error> {
        let rows = self.0.query_typed(query, &[]).await?;
        let applied = rows.iter().map(|row| {
            // A checksum that is no number is not that of any step of ours; when it was applied nobody asks.
            let checksum = row.try_get::<_, &str>(3)?.parse().unwrap_or_default();
            Ok(Step::applied(row.try_get(0)?, row.try_get(1)?, OffsetDateTime::UNIX_EPOCH, checksum))
        });
        applied.collect()
    }
}

impl AsyncMigrate for OneTransaction<'_> {}

/// Makes the schema and the row to lock, where they are missing.
async fn make_lock(session: &Session, schema: Option<&str>) -> Result<(), Fault> {
    if let Some(schema) = schema {
        create_if_missing(session, &format!("CREATE SCHEMA IF NOT EXISTS {schema}")).await?;
    }
    create_if_missing(session, "CREATE TABLE IF NOT EXISTS migration_lock (id BIGINT NOT NULL PRIMARY KEY)").await?;
    let row = "INSERT INTO migration_lock (id) VALUES (1) ON CONFLICT DO NOTHING";
    session.run(row).await.map_err(|error| of_postgres(&error))
}

/// `IF NOT EXISTS` still fails when two processes create the same thing at the same moment; the second attempt finds it there.
async fn create_if_missing(session: &Session, text: &str) -> Result<(), Fault> {
    if session.run(text).await.is_ok() {
        return Ok(());
    }
    session.run(text).await.map_err(|error| of_postgres(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_cut_into_statements() {
        let file = "-- what it is for\nCREATE TABLE a (\n  b TEXT -- ; not an end\n);\nCREATE INDEX c ON a (b);\n";
        assert_eq!(statements(file), ["CREATE TABLE a (\n  b TEXT -- ; not an end\n)", "CREATE INDEX c ON a (b)"]);
    }

    #[test]
    fn both_engines_get_the_same_steps() {
        let names = |steps: Vec<Step>| steps.iter().map(|step| (step.version(), step.name().to_owned())).collect::<Vec<_>>();
        let sqlite = names(steps(&[], |migration| migration.sqlite).expect("steps"));
        let postgres = names(steps(&[], |migration| migration.postgres).expect("steps"));
        assert_eq!(sqlite.len(), postgres.len());
    }
}
