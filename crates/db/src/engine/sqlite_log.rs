//! The write-ahead log of a SQLite file, and its way into the file.
//!
//! Left to itself SQLite carries the log over inside the commit that made it too long, and that commit, with everybody who waits for it,
//! waits for thousands of pages. Here a thread of its own carries them over while commits go on; the writer carries only what came in
//! meanwhile, after which the log begins anew.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::sqlite;

/// Pages the log may hold before they are carried over (32 MB). Hot pages are written many times into the log but carried over once, so a
/// longer log saves work.
const CARRIED_FROM: usize = 8_000;

/// Nothing is to be done.
const IDLE: u8 = 0;
/// The thread carries over.
const CARRYING: u8 = 1;
/// The thread is done; the rest is the writer's.
const REST: u8 = 2;

/// The log behind a writing connection.
pub(crate) struct Log {
    path: PathBuf,
    pages: Arc<AtomicUsize>,
    carrier: Option<Carrier>,
}

impl Log {
    /// Watches how long the log gets by the commits of `connection`, which carries nothing over by itself from now on.
    pub(crate) fn watch(connection: &mut Connection, path: &Path) -> rusqlite::Result<Log> {
        let pages = Arc::new(AtomicUsize::new(0));
        let seen = pages.clone();
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: i32| {
            seen.store(usize::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(Log { path: path.to_owned(), pages, carrier: None })
    }

    /// After a commit: sees to it that a log that is long enough is carried over.
    pub(crate) fn tend(&mut self, connection: &Connection) {
        if self.pages.load(Ordering::Relaxed) < CARRIED_FROM {
            return;
        }
        let carrier = self.carrier.get_or_insert_with(|| Carrier::start(self.path.clone()));
        match carrier.state.load(Ordering::Acquire) {
            IDLE => carrier.order(),
            REST => {
                noted(carry_over(connection));
                carrier.state.store(IDLE, Ordering::Release);
            }
            _ => {}
        }
    }

    /// Carries everything over and empties the log: from now on the file alone is the database, for whoever copies it or puts another one
    /// in its place.
    pub(crate) fn finish(&mut self, connection: &Connection) {
        self.carrier = None;
        noted(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
    }
}

/// The thread, with a connection of its own. It ends with this value.
struct Carrier {
    state: Arc<AtomicU8>,
    orders: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Carrier {
    fn start(path: PathBuf) -> Carrier {
        let state = Arc::new(AtomicU8::new(IDLE));
        let (orders, ordered) = sync_channel(1);
        let shared = state.clone();
        let thread = std::thread::Builder::new().name("guichet-log".into()).spawn(move || carry(&path, &ordered, &shared));
        Carrier { state, orders: Some(orders), thread: thread.ok() }
    }

    /// Without a thread the writer does it all.
    fn order(&self) {
        self.state.store(CARRYING, Ordering::Release); // before it can be done
        let sent = self.thread.is_some() && self.orders.as_ref().is_some_and(|orders| orders.try_send(()).is_ok());
        if !sent {
            self.state.store(REST, Ordering::Release);
        }
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Some(thread) = self.thread.take() {
            let _it_has_said_what_went_wrong = thread.join();
        }
    }
}

fn carry(path: &Path, ordered: &Receiver<()>, state: &AtomicU8) {
    let connection = sqlite::open(path, false);
    while ordered.recv().is_ok() {
        match &connection {
            Ok(connection) => noted(carry_over(connection)),
            Err(error) => tracing::warn!(%error, "the log's own connection could not be opened; the writer carries it over"),
        }
        state.store(REST, Ordering::Release);
    }
}

/// Writes into the database file what nobody may still need from the log; waits for nobody.
fn carry_over(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}

fn noted(carried: rusqlite::Result<()>) {
    if let Err(error) = carried {
        tracing::warn!(%error, "the log could not be carried over; it is tried again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_under_load_begins_anew_and_loses_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.db");
        let mut connection = sqlite::open(&path, false).expect("a database");
        connection.pragma_update(None, "synchronous", "OFF").expect("a setting");
        connection.execute_batch("CREATE TABLE filled (id INTEGER PRIMARY KEY, content BLOB)").expect("a table");
        let mut log = Log::watch(&mut connection, &path).expect("a hook");
        let reader = sqlite::open(&path, true).expect("a reader");
        let (mut longest, mut shortest_after) = (0, usize::MAX);
        for _ in 0..4_000 {
            let insert = "INSERT INTO filled (content) SELECT randomblob(3000) FROM (VALUES (1),(2),(3),(4),(5),(6),(7),(8))";
            connection.execute(insert, []).expect("a commit");
            reader.query_row("SELECT max(id) FROM filled", [], |row| row.get::<_, i64>(0)).expect("a read");
            log.tend(&connection);
            let pages = log.pages.load(Ordering::Relaxed);
            longest = longest.max(pages);
            shortest_after = if longest >= CARRIED_FROM { shortest_after.min(pages) } else { shortest_after };
        }
        assert!(shortest_after < CARRIED_FROM / 2, "it began anew: {shortest_after} pages after {longest}");
        assert!(longest < 4_000 * 8, "it was shorter than all that was written: {longest}");
        drop((log, connection, reader));
        let connection = sqlite::open(&path, false).expect("the database again");
        let (count, sound): (i64, String) = (
            connection.query_row("SELECT count(*) FROM filled", [], |row| row.get(0)).expect("a count"),
            connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a check"),
        );
        assert_eq!((count, sound.as_str()), (32_000, "ok"));
    }
}
