//! A throw-away private PostgreSQL: `initdb` in a temporary directory, a unix socket and nothing else.
//!
//! Tests call [`fresh_database`] and get a database of their own in a cluster that all test processes of this checkout
//! share ([`Cluster::shared`]): nextest runs every test in a process of its own, so starting must cost next to nothing
//! from the second one on. Benchmarks and the crash harness start their own with [`Cluster::start`].
//!
//! Nothing is left behind, even after SIGKILL. Each process that uses a cluster holds a shared lock on its `lock` file
//! for as long as it lives; a small shell loop beside the cluster tries for the exclusive lock, and when it gets it and
//! the linger time is over, nobody is there any more: it stops the server and removes the directory.
//!
//! `initdb` and `postgres` refuse to run as root; root starts them as user `postgres`, who then owns the directory.
//!
//! ```no_run
//! let database = testkit::postgres::fresh_database();
//! assert_eq!(database.psql("SELECT 1 + 1").expect("the server is ours"), "2");
//! println!("{}", database.url()); // postgres:///test_…?host=/tmp/guichet-postgres-…&user=postgres
//! ```

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, Hasher};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};
use std::{env, fmt, io, thread};

/// How many connections a cluster accepts: the largest benchmark baseline (64) and room for a few servers under test.
const CONNECTIONS_MAX: u32 = 300;
/// Seconds an unused shared cluster waits for the next test process.
const SHARED_LINGER_SECONDS: u32 = 20;
/// Seconds `pg_ctl` waits for the server to answer; a crashed one replays its log first.
const START_SECONDS_MAX: u32 = 120;
/// The programs a cluster needs, all from the server package.
const PROGRAMS: [&str; 5] = ["initdb", "pg_ctl", "postgres", "psql", "createdb"];

/// Stops the server and removes the directory once nobody holds the lock: `$1` directory, `$2` linger seconds. It gets another name
/// first: whoever comes while it is being removed must not make a lock of his own in it and start a server on half of the data.
const WATCHDOG: &str = r#"
while sleep 2; do
    exec 9<"$1/lock" || exit 0
    idle=$(( $(date +%s) - $(stat -c %Y "$1/lock") ))
    if [ "$idle" -ge "$2" ] && flock -n -x 9; then
        read -r server < "$1/data/postmaster.pid" && kill -QUIT "$server"
        mv "$1" "$1.gone" && rm -rf "$1.gone"
        exit 0
    fi
    exec 9<&-
done"#;

/// Why there is no PostgreSQL to use.
#[derive(Debug)]
pub enum PostgresError {
    /// A server program is not installed.
    Missing(&'static str),
    /// We are root, and there is no other user to run the server as.
    NoServerUser,
    /// `PgBouncer` is not installed.
    NoPooler,
    /// A program was started and failed; its name and what it said.
    Failed(String, String),
    /// The operating system refused something.
    Io(io::Error),
}

impl fmt::Display for PostgresError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PostgresError::Missing(program) => write!(
                out,
                "PostgreSQL's server program `{program}` is neither in /usr/lib/postgresql/*/bin nor on the PATH; \
                 `cargo xtask setup` installs it (Debian: apt-get install postgresql)"
            ),
            PostgresError::NoServerUser => {
                write!(out, "PostgreSQL refuses to run as root and there is neither a user `postgres` nor `nobody`")
            }
            PostgresError::NoPooler => write!(
                out,
                "`pgbouncer` is neither on the PATH nor in /usr/sbin; `cargo xtask setup` installs it (Debian: apt-get install pgbouncer)"
            ),
            PostgresError::Failed(program, said) => write!(out, "{program} failed: {said}"),
            PostgresError::Io(error) => write!(out, "private PostgreSQL: {error}"),
        }
    }
}

impl std::error::Error for PostgresError {}

impl From<io::Error> for PostgresError {
    fn from(error: io::Error) -> Self {
        PostgresError::Io(error)
    }
}

/// What the server promises when the machine dies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Durability {
    /// Nothing (`fsync` off): for tests, four times faster to start and to fill. Transactions behave as always.
    Fast,
    /// Everything (60 section 6.1: `fsync`, `synchronous_commit`, `full_page_writes`, data checksums): for benchmarks
    /// and for whoever kills the server.
    Full,
}

impl Durability {
    fn settings(self) -> &'static str {
        match self {
            Durability::Fast => "fsync = off\nfull_page_writes = off\nshared_buffers = 128MB\nmax_wal_size = 2GB\n",
            Durability::Full => {
                "fsync = on\nsynchronous_commit = on\nfull_page_writes = on\nshared_buffers = 512MB\nmax_wal_size = 4GB\n"
            }
        }
    }
}

/// A running private server; its directory is `directory()`, its socket lies in it.
#[derive(Debug)]
pub struct Cluster {
    directory: PathBuf,
    /// Held for the life of this value: what the watchdog looks at.
    _lock: File,
    /// A shared cluster outlives its users for a while; a private one goes with this value.
    private: bool,
}

impl Cluster {
    /// The cluster all test processes of this checkout share, started by whoever comes first.
    pub fn shared() -> Result<&'static Cluster, PostgresError> {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        static STARTING: Mutex<()> = Mutex::new(());
        let _one_at_a_time = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cluster) = SHARED.get() {
            return Ok(cluster);
        }
        let owner = fs::metadata("/proc/self")?.uid();
        let directory = env::temp_dir().join(format!("guichet-postgres-{owner}-{:08x}", checkout_hash()));
        let lock = lock_directory(&directory)?;
        let cluster = Cluster { directory, _lock: lock, private: false };
        cluster.start_once(Durability::Fast)?;
        Ok(SHARED.get_or_init(|| cluster))
    }

    /// A cluster of the caller's own, removed when the value is dropped.
    pub fn start(durability: Durability) -> Result<Cluster, PostgresError> {
        Self::start_in(&env::temp_dir(), durability)
    }

    /// The same in a folder of the caller's choice.
    pub fn start_in(folder: &Path, durability: Durability) -> Result<Cluster, PostgresError> {
        let directory = tempfile::Builder::new().prefix("guichet-postgres-").tempdir_in(folder)?.keep();
        fs::remove_dir(&directory)?; // made again with the right owner
        let lock = lock_directory(&directory)?;
        let cluster = Cluster { directory, _lock: lock, private: true };
        cluster.start_once(durability)?;
        Ok(cluster)
    }

    /// The directory of socket (`host=` of a URL), data (`data/`) and log (`log`).
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The URL of a database of this cluster, in the form the product's `--database` takes.
    pub fn url(&self, database: &str) -> String {
        format!("postgres:///{database}?host={}&user=postgres", self.directory.display())
    }

    /// Makes an empty database with a name nobody else uses.
    pub fn fresh_database(&self) -> Result<Database, PostgresError> {
        self.create_database("")
    }

    /// Makes a copy of a database that nobody is connected to.
    pub fn copy_of(&self, template: &Database) -> Result<Database, PostgresError> {
        self.create_database(&format!("TEMPLATE {}", template.name))
    }

    fn create_database(&self, how: &str) -> Result<Database, PostgresError> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        self.psql("postgres", &format!("CREATE DATABASE {name} {how}"))?;
        Ok(Database { directory: self.directory.clone(), url: self.url(&name), name })
    }

    /// Runs SQL in a database and returns what it printed: rows in lines, columns with `|` between them.
    pub fn psql(&self, database: &str, sql: &str) -> Result<String, PostgresError> {
        psql(&self.directory, database, sql)
    }

    /// Tables are looked after by nobody from now on: when autovacuum comes is a matter of luck, and what it finds changes plans.
    pub fn leave_tables_alone(&self) -> Result<(), PostgresError> {
        self.psql("postgres", "ALTER SYSTEM SET autovacuum = off")?;
        self.psql("postgres", "SELECT pg_reload_conf()").map(drop)
    }

    /// The process id of the server's first process, the parent of all others.
    pub fn server_pid(&self) -> Result<u32, PostgresError> {
        let text = fs::read_to_string(self.directory.join("data/postmaster.pid"))?;
        text.lines()
            .next()
            .and_then(|line| line.trim().parse().ok())
            .ok_or_else(|| PostgresError::Failed("postgres".into(), "postmaster.pid holds no process id".into()))
    }

    /// Whether the server's first process runs, be it that it is just recovering.
    pub fn is_alive(&self) -> bool {
        self.server_pid().is_ok_and(alive)
    }

    /// SIGKILL for the server and all its children at once: the nearest thing to a power cut.
    pub fn kill(&self) -> Result<(), PostgresError> {
        let server = self.server_pid()?;
        let mut victims = vec![server];
        victims.extend(children_of(server)?);
        let mut kill = Command::new("kill");
        kill.arg("-KILL").args(victims.iter().map(u32::to_string));
        let killed = run(&mut kill); // also fails when one of them ended by itself just now; what counts is below
        // A new server refuses to start while an old child still has the shared memory.
        for _ in 0..1_000 {
            if !victims.iter().any(|&pid| alive(pid)) {
                return self.forget_server();
            }
            thread::sleep(Duration::from_millis(5));
        }
        killed.map(drop)
    }

    /// Removes what makes a new server believe that the killed one lives: where the machine's first process is slow to
    /// reap, a dead server still answers to its number.
    fn forget_server(&self) -> Result<(), PostgresError> {
        fs::remove_file(self.directory.join("data/postmaster.pid"))?;
        fs::remove_file(self.directory.join(".s.PGSQL.5432.lock"))?;
        Ok(())
    }

    /// Starts the server of this cluster again after [`Cluster::kill`]; returns when it answers.
    pub fn restart(&self) -> Result<(), PostgresError> {
        self.start_server()
    }

    /// Makes the cluster and starts its server unless another process has done so.
    fn start_once(&self, durability: Durability) -> Result<(), PostgresError> {
        let starting = open_owned(&self.directory.join("starting"))?;
        starting.lock()?;
        if UnixStream::connect(self.directory.join(".s.PGSQL.5432")).is_ok() {
            return Ok(());
        }
        let data = self.directory.join("data");
        if !data.join("postgresql.auto.conf").exists() {
            let mut initdb = server_command(&self.directory, "initdb")?;
            initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--data-checksums"]);
            initdb.arg("--no-sync").arg("--pgdata").arg(&data);
            run(&mut initdb)?;
            let settings = format!(
                "{}listen_addresses = ''\nunix_socket_directories = '{}'\nmax_connections = {CONNECTIONS_MAX}\n",
                durability.settings(),
                self.directory.display()
            );
            let path = data.join("postgresql.conf");
            fs::write(&path, fs::read_to_string(&path)? + &settings)?;
        }
        self.start_server()?;
        self.start_watchdog()
    }

    fn start_server(&self) -> Result<(), PostgresError> {
        let mut start = server_command(&self.directory, "pg_ctl")?;
        start.args(["start", "--wait", "--silent", "--timeout"]).arg(START_SECONDS_MAX.to_string());
        start.arg("--log").arg(self.directory.join("log")).arg("--pgdata").arg(self.directory.join("data"));
        start.process_group(0); // an interrupt at the terminal is for the tests, the server ends by the watchdog
        run(&mut start).map(drop).map_err(|error| match error {
            PostgresError::Failed(program, said) => {
                let log = fs::read_to_string(self.directory.join("log")).unwrap_or_default();
                let last: Vec<&str> = log.lines().rev().take(5).collect();
                PostgresError::Failed(program, format!("{said} (last lines of its log, newest first: {last:?})"))
            }
            other => other,
        })
    }

    fn start_watchdog(&self) -> Result<(), PostgresError> {
        let linger = if self.private { 0 } else { SHARED_LINGER_SECONDS };
        let mut watchdog = as_server_user(Command::new("sh"), &self.directory)?;
        watchdog.args(["-c", WATCHDOG, "watchdog"]).arg(&self.directory).arg(linger.to_string());
        watchdog.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn()?;
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.private {
            // The watchdog would do both within seconds; this way the directory is gone when the caller looks.
            let _ = self.kill();
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

/// A database of its own, dropped with this value.
#[derive(Debug)]
pub struct Database {
    directory: PathBuf,
    name: String,
    url: String,
}

impl Database {
    /// `postgres:///name?host=/directory&user=postgres`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where its server's socket is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The database's name in its cluster.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs SQL and returns what it printed: rows in lines, columns with `|` between them.
    pub fn psql(&self, sql: &str) -> Result<String, PostgresError> {
        psql(&self.directory, &self.name, sql)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // Whoever is still connected was started by the same test and is thrown out; a dead cluster needs no cleaning.
        let _ = psql(&self.directory, "postgres", &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

/// An empty database in the shared cluster.
///
/// # Panics
/// With one clear sentence when PostgreSQL cannot be had: a test that needs it cannot go on.
pub fn fresh_database() -> Database {
    Cluster::shared().and_then(Cluster::fresh_database).unwrap_or_else(|error| panic!("{error}"))
}

/// Whether a private PostgreSQL could be started here, and if not, what is missing.
pub fn available() -> Result<(), PostgresError> {
    PROGRAMS.iter().try_for_each(|name| program(name).map(|_| ()))?;
    server_user().map(|_| ())
}

/// Where a program of PostgreSQL lies: the newest server version installed, else the PATH.
///
/// Debian puts wrappers on the PATH that take longer to start than the work takes; hence this order.
pub fn program(name: &'static str) -> Result<PathBuf, PostgresError> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    let on_path = env::var_os("PATH").unwrap_or_default();
    let mut folders = versions.into_iter().map(|(_, folder)| folder).chain(env::split_paths(&on_path));
    folders.find_map(|folder| Some(folder.join(name)).filter(|path| path.is_file())).ok_or(PostgresError::Missing(name))
}

/// The direct children of a process, from `/proc`.
pub fn children_of(parent: u32) -> io::Result<Vec<u32>> {
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // A process may end while we look; the fourth word after the name in brackets is its parent.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        let after_name = stat.rsplit(") ").next().unwrap_or_default();
        if after_name.split(' ').nth(1).and_then(|word| word.parse().ok()) == Some(parent) {
            children.push(pid);
        }
    }
    Ok(children)
}

/// Opens the cluster's directory and takes part in its lock; makes the directory when it is not there.
fn lock_directory(directory: &Path) -> Result<File, PostgresError> {
    loop {
        match fs::DirBuilder::new().mode(0o700).create(directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error.into()),
            _made_by_us_or_by_somebody => {}
        }
        let path = directory.join("lock");
        // Whoever made the directory may not have come to giving it away yet, and the server is not started by him alone.
        let lock = match give_to_server_user(directory).and_then(|()| open_owned(&path)) {
            Err(PostgresError::Io(error)) if error.kind() == io::ErrorKind::NotFound => continue, // removed meanwhile
            opened => opened?,
        };
        lock.lock_shared()?;
        // The watchdog may have removed the directory while we waited: then this is the lock of nothing.
        let current = fs::metadata(&path).map(|found| found.ino()).ok();
        if current == Some(lock.metadata()?.ino()) {
            touch(&lock)?;
            return Ok(lock);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the watchdog compares the file's time with the machine's clock")]
fn touch(lock: &File) -> io::Result<()> {
    lock.set_modified(SystemTime::now())
}

fn open_owned(path: &Path) -> Result<File, PostgresError> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    give_to_server_user(path)?;
    Ok(file)
}

fn give_to_server_user(path: &Path) -> Result<(), PostgresError> {
    if let Some((user, group)) = server_user()? {
        chown(path, Some(user), Some(group))?;
    }
    Ok(())
}

/// The user and group the server runs as, or `None` when it can run as ourselves.
pub(crate) fn server_user() -> Result<Option<(u32, u32)>, PostgresError> {
    if fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let find = |name: &str| {
        let mut words = users.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?.split(':').skip(1);
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    };
    find("postgres").or_else(|| find("nobody")).map(Some).ok_or(PostgresError::NoServerUser)
}

/// A server program, run by the server's user in the cluster's directory.
fn server_command(directory: &Path, name: &'static str) -> Result<Command, PostgresError> {
    as_server_user(Command::new(program(name)?), directory)
}

pub(crate) fn as_server_user(mut command: Command, directory: &Path) -> Result<Command, PostgresError> {
    if let Some((user, group)) = server_user()? {
        command.uid(user).gid(group);
    }
    command.current_dir(directory).env("LC_ALL", "C");
    Ok(command)
}

fn psql(directory: &Path, database: &str, sql: &str) -> Result<String, PostgresError> {
    psql_at(directory, 5432, database, sql)
}

/// SQL over the socket of this number.
pub(crate) fn psql_at(directory: &Path, port: u32, database: &str, sql: &str) -> Result<String, PostgresError> {
    let mut command = Command::new(program("psql")?);
    command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-c", sql]);
    command.arg("-h").arg(directory).arg("-p").arg(port.to_string());
    run(&mut command).map(|printed| printed.trim_end().to_owned())
}

/// Runs to the end and returns what it printed.
///
/// The output goes through files, not pipes: a server started by `pg_ctl` would inherit a pipe and never close it.
fn run(command: &mut Command) -> Result<String, PostgresError> {
    let mut said = tempfile::tempfile()?;
    let mut complained = tempfile::tempfile()?;
    command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(complained.try_clone()?);
    let status = command.status()?;
    let said = read_back(&mut said)?;
    if status.success() {
        return Ok(said);
    }
    let name = Path::new(command.get_program()).file_name().unwrap_or(OsStr::new("?")).display().to_string();
    Err(PostgresError::Failed(name, format!("{status}: {} {}", said.trim(), read_back(&mut complained)?.trim())))
}

fn read_back(file: &mut File) -> io::Result<String> {
    use std::io::{Read, Seek};
    file.rewind()?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text)
}

fn alive(pid: u32) -> bool {
    // A zombie has ended; only its parent has not looked yet.
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Tells the checkouts on one machine apart.
fn checkout_hash() -> u32 {
    let mut hasher = std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default().build_hasher();
    hasher.write(env!("CARGO_MANIFEST_DIR").as_bytes());
    u32::try_from(hasher.finish() >> 32).expect("32 of 64 bits are left")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_are_fresh_apart_and_gone_at_the_end() {
        let cluster = Cluster::shared().expect("PostgreSQL is installed");
        let (one, other) = (fresh_database(), fresh_database());
        one.psql("CREATE TABLE mine (id bigint)").expect("an own database");
        assert_eq!(other.psql("SELECT count(*) FROM pg_class WHERE relname = 'mine'").expect("a query"), "0");
        let name = one.name().to_owned();
        drop(one);
        let left = cluster.psql("postgres", &format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'"));
        assert_eq!(left.expect("a query"), "0");
    }

    #[test]
    fn a_copy_begins_with_what_its_template_holds_and_goes_its_own_way() {
        let cluster = Cluster::shared().expect("PostgreSQL is installed");
        let template = fresh_database();
        template.psql("CREATE TABLE kept AS SELECT 42 AS answer").expect("an own database");
        let copy = cluster.copy_of(&template).expect("nobody is connected to it");
        copy.psql("UPDATE kept SET answer = 43").expect("a table");
        assert_eq!(template.psql("SELECT answer FROM kept").expect("a query"), "42");
        assert_eq!(copy.psql("SELECT answer FROM kept").expect("a query"), "43");
    }

    #[test]
    fn a_killed_server_comes_back_with_what_was_committed() {
        let cluster = Cluster::start(Durability::Full).expect("PostgreSQL is installed");
        let database = cluster.fresh_database().expect("a database");
        database.psql("CREATE TABLE kept AS SELECT 42 AS answer").expect("committed");
        cluster.kill().expect("a server to kill");
        assert!(database.psql("SELECT 1").is_err());
        cluster.restart().expect("recovery");
        assert_eq!(database.psql("SELECT answer FROM kept").expect("a query"), "42");
        let directory = cluster.directory().to_owned();
        drop((database, cluster));
        assert!(!directory.exists());
    }

    #[test]
    fn a_statement_that_fails_says_why() {
        let error = fresh_database().psql("SELECT nonsense").expect_err("there is no such column").to_string();
        assert!(error.contains("nonsense"), "{error}");
    }
}
