//! A database as the rest of the program sees it: a writer, a reader, a clock.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use kernel::{BootId, Source};

use crate::address::{DatabaseUrl, Place};
use crate::clock::PlatformClock;
use crate::connect::{Connector, UNNAMED_POOLER, unreachable};
use crate::driver::Driver;
use crate::engine::postgres::{self, PostgresEngine};
use crate::engine::sqlite::{self, SqliteEngine};
use crate::engine::{Engine, Trouble};
use crate::fault::Fault;
use crate::migrations::{self, Migration, SchemaState};
use crate::reader::{Reader, of_postgres};
use crate::session::Session;
use crate::snapshot::Snapshot;
use crate::steps::{Stepping, Steps};
use crate::writer::{self, Writer};

/// What a process wants to do with the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Serve: on SQLite one process at a time, guarded by a lock file.
    Serve,
    /// A command that writes in short transactions of its own, also beside a serving process.
    OneShot,
}

/// How to open a store.
pub struct StoreOptions {
    /// Where it is.
    pub url: DatabaseUrl,
    /// On PostgreSQL, the schema to live in; `None` for the default one.
    pub schema: Option<&'static str>,
    /// Its migrations after the platform's own, in order.
    pub migrations: &'static [Migration],
    /// What for.
    pub access: Access,
    /// Whether to bring the schema up to date; otherwise an outdated one is refused.
    pub migrate: bool,
    /// Time and randomness.
    pub source: Source,
}

/// An open database.
pub struct Store {
    writer: Writer,
    reader: Reader,
    clock: PlatformClock,
    place: Located,
    /// Held while serving on SQLite.
    lock: Mutex<Option<File>>,
}

enum Located {
    Sqlite { path: PathBuf, serving: bool },
    Postgres(Box<Connector>),
}

impl Store {
    /// Opens the database, brings its schema up to date or checks it, and starts the writer.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] when it cannot be reached, [`Fault::InUse`] when another process serves on the same file,
    /// [`Fault::Schema`] or [`Fault::OtherVersion`] when the schema is not this program's.
    pub async fn open(options: StoreOptions) -> Result<Self, Fault> {
        match options.url.place() {
            Place::Sqlite(path) => Self::open_sqlite(path.clone(), &options).await,
            Place::Postgres(server) => {
                let connector = Connector::new(server, options.schema)?;
                Self::open_postgres(connector, options).await
            }
        }
    }

    async fn open_sqlite(path: PathBuf, options: &StoreOptions) -> Result<Self, Fault> {
        refuse_network_file_system(&path)?;
        let serving = options.access == Access::Serve;
        let lock = if serving { Some(lock_file(&path)?) } else { None };
        if options.migrate {
            let unusable = |error| sqlite::unusable(&error, "the database file cannot be opened");
            migrations::migrate_sqlite(&mut sqlite::open(&path, false).map_err(unusable)?, options.migrations)?;
        }
        expect_current(schema_of_file(&path, options.migrations)?)?;
        let clock = PlatformClock::new(options.source.clone());
        let boot = BootId::new(&options.source);
        let (file, writers_clock) = (path.clone(), clock.clone());
        let open = move || {
            let engine = SqliteEngine::open(&file, writers_clock, boot, serving).map_err(|trouble| not_opened(&trouble))?;
            Ok(Box::new(engine) as Box<dyn Engine>)
        };
        let writer = writer::start(options.source.clone(), open).await?;
        let reader = Reader::sqlite(&path)?;
        Self::synchronised(Self { writer, reader, clock, place: Located::Sqlite { path, serving }, lock: Mutex::new(lock) }).await
    }

    /// Opens a database to serve on so that nothing happens by itself: batches are carried out by whoever holds the [`Steps`], reads while
    /// their caller stands still, and the source says what time it is, on PostgreSQL too. The writer's code is the same; only who calls it
    /// differs. For simulations; [`Store::snapshot`] of PostgreSQL still needs a runtime that reaches sockets.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_stepped(options: StoreOptions, stepping: Stepping) -> Result<(Self, Steps), Fault> {
        let (store, mut steps) = match options.url.place() {
            Place::Sqlite(path) => Self::stepped_sqlite(path.clone(), options, stepping)?,
            Place::Postgres(config) => {
                let connector = Connector::new(config, options.schema)?;
                Self::stepped_postgres(connector, options, stepping)?
            }
        };
        let (advanced, _) = tokio::join!(store.clock.advance(&store.writer, 0), async { steps.step(usize::MAX, None) });
        advanced?;
        Ok((store, steps))
    }

    fn stepped_sqlite(path: PathBuf, options: StoreOptions, stepping: Stepping) -> Result<(Self, Steps), Fault> {
        let lock = lock_file(&path)?;
        if options.migrate {
            let unusable = |error| sqlite::unusable(&error, "the database file cannot be opened");
            migrations::migrate_sqlite(&mut sqlite::open(&path, false).map_err(unusable)?, options.migrations)?;
        }
        expect_current(schema_of_file(&path, options.migrations)?)?;
        let clock = PlatformClock::new(options.source.clone());
        let boot = BootId::new(&options.source);
        let engine = SqliteEngine::open(&path, clock.clone(), boot, true).map_err(|trouble| not_opened(&trouble))?;
        let reader = Reader::inline_sqlite(&path, stepping.turns)?;
        let (writer, steps) = Steps::over(Box::new(engine), options.source, stepping.queue_places);
        let place = Located::Sqlite { path, serving: true };
        Ok((Self { writer, reader, clock, place, lock: Mutex::new(Some(lock)) }, steps))
    }

    fn stepped_postgres(connector: Connector, options: StoreOptions, stepping: Stepping) -> Result<(Self, Steps), Fault> {
        let driver = Driver::new().ok_or(Fault::Unavailable("no runtime for the reader could be started"))?;
        driver.block_on(bring_up_to_date(&connector, &options))?;
        let clock = PlatformClock::simulated(options.source.clone());
        let boot = BootId::new(&options.source);
        let engine = PostgresEngine::open(&connector, options.source.clone(), clock.clone(), boot);
        let engine = engine.map_err(|trouble| not_opened(&trouble))?;
        let reader = Reader::inline_postgres(&connector, driver, stepping.turns);
        let (writer, steps) = Steps::over(Box::new(engine), options.source, stepping.queue_places);
        let place = Located::Postgres(Box::new(connector));
        Ok((Self { writer, reader, clock, place, lock: Mutex::new(None) }, steps))
    }

    async fn open_postgres(connector: Connector, options: StoreOptions) -> Result<Self, Fault> {
        bring_up_to_date(&connector, &options).await?;
        let clock = PlatformClock::new(options.source.clone());
        let boot = BootId::new(&options.source);
        let (writers_connector, source, writers_clock) = (connector.clone(), options.source.clone(), clock.clone());
        let open = move || {
            let engine =
                PostgresEngine::open(&writers_connector, source, writers_clock, boot).map_err(|trouble| not_opened(&trouble))?;
            Ok(Box::new(engine) as Box<dyn Engine>)
        };
        let writer = writer::start(options.source, open).await?;
        let reader = Reader::postgres(&connector);
        Self::synchronised(Self { writer, reader, clock, place: Located::Postgres(Box::new(connector)), lock: Mutex::new(None) })
            .await
    }

    /// The clock is right before anybody asks it.
    async fn synchronised(store: Self) -> Result<Self, Fault> {
        store.clock.advance(&store.writer, 0).await?;
        Ok(store)
    }

    /// The way to the writer.
    pub fn writer(&self) -> &Writer {
        &self.writer
    }

    /// The way to read.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The platform clock.
    pub fn clock(&self) -> &PlatformClock {
        &self.clock
    }

    /// `sqlite` or `postgres`.
    pub fn engine(&self) -> &'static str {
        match self.place {
            Located::Sqlite { .. } => "sqlite",
            Located::Postgres(_) => "postgres",
        }
    }

    /// Whether no other process can be serving on this database.
    pub(crate) fn serves_alone(&self) -> bool {
        matches!(self.place, Located::Sqlite { serving: true, .. })
    }

    /// One consistent view of the whole database.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn snapshot(&self) -> Result<Snapshot, Fault> {
        match &self.place {
            Located::Sqlite { path, .. } => Snapshot::sqlite(path),
            Located::Postgres(connector) => Snapshot::postgres(connector).await,
        }
    }

    /// Carries out what waits and gives lease and lock file back; afterwards commands are refused.
    pub async fn close(&self) {
        self.writer.close().await;
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// How the schema at `url` compares with this program's; writes nothing.
///
/// # Errors
/// When it cannot be read.
pub async fn schema_state(url: &DatabaseUrl, schema: Option<&str>, ours: &[Migration]) -> Result<SchemaState, Fault> {
    match url.place() {
        Place::Sqlite(path) => schema_of_file(path, ours),
        Place::Postgres(server) => migrations::state_postgres(&mut connect(&Connector::new(server, schema)?).await?, ours).await,
    }
}

/// Looks at a PostgreSQL server through the address as the writer does, and names what is switched off there that keeps what was
/// acknowledged from being lost. SQLite has nothing to switch off.
///
/// # Errors
/// [`Fault::Unavailable`] when it cannot be reached, [`Fault::Address`] when the address leads to a pooler without saying so.
pub async fn lax_settings(url: &DatabaseUrl) -> Result<Vec<String>, Fault> {
    let Place::Postgres(server) = url.place() else { return Ok(Vec::new()) };
    let session = connect(&Connector::new(server, None)?.with_settings(&postgres::SETTINGS)).await?;
    let found = session.ask(postgres::SAFETY, &[]).await.map_err(|error| of_postgres(&error))?;
    let found: Vec<(&str, &str)> = found.iter().map(|row| (row.get(0), row.get(1))).collect();
    if !found.contains(&postgres::KEPT) {
        return Err(Fault::of_away(UNNAMED_POOLER));
    }
    Ok(found.iter().filter(|(_, value)| *value == "off").map(|(name, _)| (*name).to_owned()).collect())
}

/// A consistent view of the database at `url` without opening it for writing, beside whoever serves on it.
///
/// # Errors
/// [`Fault::Schema`] or [`Fault::OtherVersion`] when the schema is not this program's; [`Fault::Unavailable`] when it cannot be read.
pub async fn snapshot_of(url: &DatabaseUrl, schema: Option<&str>, ours: &[Migration]) -> Result<Snapshot, Fault> {
    expect_current(schema_state(url, schema, ours).await?)?;
    match url.place() {
        Place::Sqlite(path) => Snapshot::sqlite(path),
        Place::Postgres(server) => Snapshot::postgres(&Connector::new(server, schema)?).await,
    }
}

/// Brings the schema at `url` up to date.
///
/// # Errors
/// [`Fault::Schema`] when a step fails or was edited after it had been applied.
pub async fn migrate(url: &DatabaseUrl, schema: Option<&str>, ours: &[Migration]) -> Result<(), Fault> {
    match url.place() {
        Place::Sqlite(path) => {
            refuse_network_file_system(path)?;
            let _lock = lock_file(path)?;
            let unusable = |error| sqlite::unusable(&error, "the database file cannot be opened");
            migrations::migrate_sqlite(&mut sqlite::open(path, false).map_err(unusable)?, ours)
        }
        Place::Postgres(server) => migrate_postgres(&Connector::new(server, schema)?, ours, schema).await,
    }
}

/// Looks whether the database file hangs together, every page and every index of it; PostgreSQL has tools of its own for this. Reads all
/// of it on the calling thread.
///
/// # Errors
/// [`Fault::Damaged`] with the first thing that is wrong; [`Fault::Unavailable`] when it cannot be read.
pub fn check_file(url: &DatabaseUrl) -> Result<(), Fault> {
    let Some(path) = url.sqlite_path() else { return Ok(()) };
    let unreadable = |error| sqlite::unusable(&error, "the database file cannot be read");
    let connection = sqlite::open_to_read(path)?;
    let found: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(unreadable)?;
    if found == "ok" { Ok(()) } else { Err(Fault::Damaged(found)) }
}

/// A consistent copy of a SQLite database, made while it is in use.
///
/// # Errors
/// [`Fault::Address`] for other engines (their own tools do it better), [`Fault::Unavailable`] when a file cannot be read or written.
pub fn backup(url: &DatabaseUrl, to: &Path) -> Result<(), Fault> {
    let path = url.sqlite_path().ok_or_else(|| Fault::Address("only SQLite is copied by this command".into()))?;
    let failed = |error| sqlite::unusable(&error, "the copy could not be written");
    let from = sqlite::open_to_read(path)?;
    from.backup("main", to, None::<fn(rusqlite::backup::Progress)>).map_err(failed)
}

/// Brings the schema up to date when that is asked for, and refuses one that is not this program's.
async fn bring_up_to_date(connector: &Connector, options: &StoreOptions) -> Result<(), Fault> {
    if options.migrate {
        migrate_postgres(connector, options.migrations, options.schema).await?;
    }
    expect_current(migrations::state_postgres(&mut connect(connector).await?, options.migrations).await?)
}

async fn connect(connector: &Connector) -> Result<Session, Fault> {
    connector.connect().await.map_err(|error| Fault::of_away(unreachable(&error)))
}

async fn migrate_postgres(connector: &Connector, ours: &[Migration], schema: Option<&str>) -> Result<(), Fault> {
    let mut session = connect(connector).await?;
    if session.is_pooled() {
        return migrations::migrate_pooled(&session, ours, schema).await;
    }
    let mut lock = connect(connector).await?;
    migrations::migrate_postgres(&mut lock, &mut session, ours, schema).await
}

fn schema_of_file(path: &Path, ours: &[Migration]) -> Result<SchemaState, Fault> {
    if !path.exists() {
        return Err(Fault::Unavailable("there is no database file yet"));
    }
    let mut connection = sqlite::open_to_read(path)?;
    migrations::state_sqlite(&mut connection, ours)
}

fn expect_current(state: SchemaState) -> Result<(), Fault> {
    match state {
        SchemaState::Current => Ok(()),
        SchemaState::Absent => Err(Fault::Schema("the database has no schema yet; run `guichet migrate`".into())),
        SchemaState::Outdated => Err(Fault::Schema("the database schema is outdated; run `guichet migrate`".into())),
        SchemaState::Unknown => Err(Fault::OtherVersion),
    }
}

fn not_opened(trouble: &Trouble) -> Fault {
    match trouble {
        Trouble::Away(why) => Fault::of_away(why),
        Trouble::Broken(text) => Fault::Failed(text.clone()),
        Trouble::Conflict | Trouble::Fenced => Fault::Unavailable("the database is locked by another process"),
    }
}

/// Whether a process ever served on this file, or changed its schema; of other engines it is not known. A copy put somewhere else was
/// never served on.
pub fn was_served(url: &DatabaseUrl) -> bool {
    url.sqlite_path().is_some_and(|path| lock_path(path).exists())
}

fn lock_path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

/// How long whoever holds the lock is waited for: a process that is just ending, or a child of one that has yet to become its own program.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);

/// Two serving processes on one file would each trust a cache the other one changes.
fn lock_file(database: &Path) -> Result<File, Fault> {
    if let Some(folder) = database.parent() {
        std::fs::create_dir_all(folder).map_err(|_| Fault::Unavailable("the data directory cannot be made"))?;
    }
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(lock_path(database));
    let file = file.map_err(|_| Fault::Unavailable("the lock file cannot be written"))?;
    let asked = Instant::now();
    while file.try_lock().is_err() {
        if asked.elapsed() > LOCK_PATIENCE {
            return Err(Fault::InUse);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(file)
}

/// WAL needs shared memory between processes, which network file systems do not have.
fn refuse_network_file_system(path: &Path) -> Result<(), Fault> {
    const NETWORK: [&str; 8] = ["nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "9p", "ceph"];
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (Ok(folder), Ok(mounts)) = (folder.canonicalize(), std::fs::read_to_string("/proc/mounts")) else { return Ok(()) };
    let mounted = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    let nearest = mounted.filter(|(point, _)| folder.starts_with(point)).max_by_key(|(point, _)| point.len());
    match nearest {
        Some((_, kind)) if NETWORK.contains(&kind) => {
            Err(Fault::Address("SQLite must not live on a network file system; use a local disk or PostgreSQL".into()))
        }
        _ => Ok(()),
    }
}
