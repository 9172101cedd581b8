//! A throw-away `PgBouncer` in transaction mode before a database of [`crate::postgres`]: a unix socket and nothing else.
//!
//! It has few sessions of the server and gives them out in turn, so that no two transactions of a client in a row meet the same one. The
//! shell that started it waits for the end of its input, which is our end, however we come to it, and leaves nothing behind.

use std::collections::HashSet;
use std::os::unix::fs::chown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use crate::postgres::{Database, PostgresError, as_server_user, psql_at, server_user};

/// The number in the socket's name.
const PORT: u32 = 6432;
/// How long it may take to be there.
const START: Duration = Duration::from_secs(30);
/// What starts it, waits, and clears up.
const KEEPER: &str = r#"pgbouncer="$1" folder="$2"
"$pgbouncer" "$folder/pgbouncer.ini" > "$folder/log" 2>&1 &
read -r _
kill -KILL $!
rm -rf "$folder""#;

/// A running pooler, stopped with this value.
#[derive(Debug)]
pub struct Pooler {
    folder: PathBuf,
    database: String,
    keeper: Child,
}

impl Pooler {
    /// Starts one before this database with so many sessions of the server.
    ///
    /// # Errors
    /// When it is not installed or does not start.
    pub fn start(database: &Database, sessions: u32) -> Result<Pooler, PostgresError> {
        Pooler::start_with(database, sessions, "")
    }

    /// The same with further lines of its configuration.
    ///
    /// # Errors
    /// When it is not installed or does not start.
    pub fn start_with(database: &Database, sessions: u32, lines: &str) -> Result<Pooler, PostgresError> {
        let pgbouncer = program()?;
        let folder = tempfile::Builder::new().prefix("guichet-pooler-").tempdir()?.keep();
        let configuration = format!(
            "[databases]\n* = host={} port=5432 user=postgres\n[pgbouncer]\npool_mode = transaction\nlisten_port = {PORT}\n\
             unix_socket_dir = {}\nauth_type = trust\nauth_file = users\nadmin_users = postgres\nmax_client_conn = 200\ndefault_pool_size = {sessions}\n\
             server_round_robin = 1\nserver_login_retry = 1\n{lines}\n",
            database.directory().display(),
            folder.display()
        );
        fs::write(folder.join("pgbouncer.ini"), configuration)?;
        fs::write(folder.join("users"), "\"postgres\" \"\"\n")?;
        if let Some((user, group)) = server_user()? {
            chown(&folder, Some(user), Some(group))?;
        }
        let mut keeper = as_server_user(Command::new("sh"), &folder)?;
        keeper.args(["-c", KEEPER, "keeper"]).arg(&pgbouncer).arg(&folder);
        let keeper = keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let pooler = Pooler { folder, database: database.name().to_owned(), keeper };
        pooler.wait()?;
        pooler.open_sessions(sessions)?;
        Ok(pooler)
    }

    /// Until it answers.
    fn wait(&self) -> Result<(), PostgresError> {
        let until = Instant::now() + START;
        while UnixStream::connect(self.folder.join(format!(".s.PGSQL.{PORT}"))).is_err() {
            if Instant::now() > until {
                let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                return Err(PostgresError::Failed("pgbouncer".into(), log.trim().to_owned()));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// It opens a session when all it has are in use, and closes one whose client goes away inside a transaction: so as many as it may
    /// have are used at once.
    ///
    /// # Errors
    /// When it does not open them.
    pub fn open_sessions(&self, sessions: u32) -> Result<(), PostgresError> {
        let until = Instant::now() + START;
        loop {
            let asked = thread::scope(|scope| {
                let ask = || self.psql("SELECT pg_backend_pid() FROM pg_sleep(0.1)");
                let askers: Vec<_> = (0..sessions).map(|_| scope.spawn(ask)).collect();
                askers.into_iter().map(|asker| asker.join().expect("no panic")).collect::<Result<HashSet<String>, _>>()
            })?;
            if u32::try_from(asked.len()) == Ok(sessions) {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(PostgresError::Failed("pgbouncer".into(), format!("it opens only the sessions {asked:?}")));
            }
        }
    }

    /// The database behind it, as the product is told of it.
    pub fn url(&self) -> String {
        self.url_unnamed() + "&pooler=transaction"
    }

    /// The same address, which does not say that it is a pooler's.
    pub fn url_unnamed(&self) -> String {
        format!("postgres:///{}?host={}&port={PORT}&user=postgres", self.database, self.folder.display())
    }

    /// Asks the pooler itself, as in `SHOW POOLS`: rows in lines, columns with `|` between them.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn console(&self, command: &str) -> Result<String, PostgresError> {
        psql_at(&self.folder, PORT, "pgbouncer", command)
    }

    /// Runs SQL through it.
    ///
    /// # Errors
    /// When it fails.
    pub fn psql(&self, sql: &str) -> Result<String, PostgresError> {
        psql_at(&self.folder, PORT, &self.database, sql)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        drop(self.keeper.wait());
    }
}

/// Whether a pooler could be started here.
///
/// # Errors
/// Saying what is missing.
pub fn available() -> Result<(), PostgresError> {
    program().map(drop)
}

/// Debian puts it where only administrators look.
fn program() -> Result<PathBuf, PostgresError> {
    let on_path = env::var_os("PATH").unwrap_or_default();
    let mut folders = env::split_paths(&on_path).chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")]);
    folders.find_map(|folder| Some(folder.join("pgbouncer")).filter(|path| path.is_file())).ok_or(PostgresError::NoPooler)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::fresh_database;

    #[test]
    fn it_switches_sessions_between_transactions_and_leaves_nothing() {
        let database = fresh_database();
        let pooler = Pooler::start(&database, 3).expect("PgBouncer is installed");
        let seen: HashSet<String> = (0..3).map(|_| pooler.psql("SELECT pg_backend_pid()").expect("it answers")).collect();
        assert_eq!(seen.len(), 3);
        let folder = pooler.folder.clone();
        drop(pooler);
        assert!(!folder.exists());
    }
}
