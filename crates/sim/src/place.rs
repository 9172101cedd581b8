//! Where the platform's data lives in a run: a file, or a database of its own on a private PostgreSQL.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use clap::ValueEnum;
use db::DatabaseUrl;
use guichet::schema::MIGRATIONS;
use tempfile::TempDir;
use testkit::postgres::{Cluster, Database, Durability};

/// Which database the platform works on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// A file of its own.
    #[default]
    Sqlite,
    /// A database of its own on a private server.
    Postgres,
}

impl Engine {
    /// As the command line spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Engine::Sqlite => "sqlite",
            Engine::Postgres => "postgres",
        }
    }

    /// Makes sure that there can be places of this engine.
    ///
    /// # Errors
    /// What is missing.
    pub fn prepare(self) -> Result<()> {
        match self {
            Engine::Sqlite => Ok(()),
            Engine::Postgres => Server::with(|_| Ok(())),
        }
    }
}

/// The data of one run; gone with this value.
#[derive(Debug)]
pub struct Place {
    url: DatabaseUrl,
    folder: TempDir,
    _database: Option<Database>,
}

impl Place {
    /// A fresh one.
    ///
    /// # Panics
    /// When none can be made.
    pub fn new(engine: Engine) -> Place {
        let folder = folder();
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(Server::with(Server::database).unwrap_or_else(|error| panic!("no database: {error:#}"))),
        };
        let url = match &database {
            None => DatabaseUrl::sqlite(folder.path().join("sim.db")),
            Some(database) => database.url().parse().expect("its address can be read"),
        };
        Place { url, folder, _database: database }
    }

    /// Its address.
    pub fn url(&self) -> DatabaseUrl {
        self.url.clone()
    }

    /// Where the platform keeps its other files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Where files are cheap to sync: nothing here rests on what a machine keeps when its power fails.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a folder for the run")
}

/// One private server for all runs of this process, with a database whose schema is made: the others are copies of it.
struct Server {
    cluster: Cluster,
    template: Database,
}

impl Server {
    /// Does something with the server, which the first one starts; one after the other.
    fn with<T>(act: impl FnOnce(&Server) -> Result<T>) -> Result<T> {
        static SERVER: Mutex<Option<Server>> = Mutex::new(None);
        let mut server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *server {
            Some(server) => act(server),
            none => act(none.insert(Server::start()?)),
        }
    }

    fn start() -> Result<Server> {
        let cluster = Cluster::start(Durability::Fast)?;
        cluster.leave_tables_alone()?;
        let template = cluster.fresh_database()?;
        let url: DatabaseUrl = template.url().parse()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(db::migrate(&url, None, MIGRATIONS)).context("the schema cannot be made")?;
        Ok(Server { cluster, template })
    }

    fn database(&self) -> Result<Database> {
        Ok(self.cluster.copy_of(&self.template)?)
    }
}
