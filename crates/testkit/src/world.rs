//! A whole installation for one test: a data directory, a database of its own, the product in this process on a free
//! loopback port, started through the same wiring as the program.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use guichet::commands::{demo, verify};
use guichet::config::{Config, Purpose};
use guichet::settings::Gathered;
use guichet::wiring::Server;
use kernel::verify::Report;
use kernel::{Clock, Random, Source, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::actors::{Actor, Door, Key};
use crate::exchange::Exchange;
use crate::postgres::{Database, fresh_database};

/// Threads of the product's runtime: two, so that races can happen.
const PRODUCT_THREADS: usize = 2;
/// How long a stopped or crashed server may take to let go of its files.
const LET_GO_SECONDS_MAX: u64 = 20;
/// How long a test waits for something the product does by itself.
const PATIENCE_SECONDS: u64 = 20;
/// Name of the credentials file in the world's folder.
const CREDENTIALS_FILE: &str = "credentials.json";

/// Which database a world stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Embedded.
    Sqlite,
    /// A fresh database in a private server.
    Postgres,
}

/// Makes of each story one test per engine. A story takes the world: `async fn a_story(world) { … }`.
#[macro_export]
macro_rules! on_both_engines {
    ($($(#[$meta:meta])* async fn $name:ident($world:pat_param) $body:block)+) => {$(
        $(#[$meta])*
        mod $name {
            use super::*;

            async fn story($world: $crate::world::World) $body

            #[test]
            fn sqlite() {
                $crate::world::tell(stringify!($name), $crate::world::Engine::Sqlite, story);
            }

            #[test]
            fn postgres() {
                $crate::world::tell(stringify!($name), $crate::world::Engine::Postgres, story);
            }
        }
    )+};
}

/// Runs one story in a fresh world.
///
/// # Panics
/// When the story does, or the world cannot be made.
pub fn tell<F: Future<Output = ()>>(name: &str, engine: Engine, story: impl FnOnce(World) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime for the test");
    runtime.block_on(async move { story(World::start(name, engine).await).await });
}

/// A whole installation.
pub struct World {
    name: String,
    engine: Engine,
    folder: TempDir,
    database: Option<Arc<Database>>,
    settings: BTreeMap<&'static str, String>,
    /// How often it was started; each start draws other random bytes.
    boots: u64,
    running: Option<Running>,
}

/// The product, as long as it runs.
struct Running {
    runtime: tokio::runtime::Runtime,
    server: Server,
    door: Door,
    credentials: Value,
}

impl World {
    /// A new installation with the demo's accounts, running.
    pub async fn start(name: &str, engine: Engine) -> World {
        let mut world = World::prepared(name, engine);
        world.boot().await;
        world
    }

    /// A new installation that is not running yet, so that settings can be changed first.
    pub fn prepared(name: &str, engine: Engine) -> World {
        let database = (engine == Engine::Postgres).then(|| Arc::new(fresh_database()));
        World::on(name, engine, database)
    }

    fn on(name: &str, engine: Engine, database: Option<Arc<Database>>) -> World {
        let mut world = World {
            name: name.to_owned(),
            engine,
            folder: tempfile::tempdir().expect("a folder for the test"),
            database,
            settings: BTreeMap::new(),
            boots: 0,
            running: None,
        };
        let path = |file: &str| world.folder.path().join(file).display().to_string();
        let mut settings = BTreeMap::from([
            ("listen", "127.0.0.1:0".to_owned()),
            ("data_dir", path("data")),
            ("credentials", path(CREDENTIALS_FILE)),
            ("log", std::env::var("TEST_LOG").unwrap_or_else(|_| "warn".to_owned())),
        ]);
        if let Some(database) = &world.database {
            settings.insert("database", database.url().to_owned());
        }
        world.settings = settings;
        world
    }

    /// A new installation on a PostgreSQL database of the test's own, such as one whose server it is going to kill.
    pub async fn start_at(name: &str, url: &str) -> World {
        let mut world = World::on(name, Engine::Postgres, None);
        world.set("database", url);
        world.boot().await;
        world
    }

    /// Another process on the same database, with a data directory of its own and the same master key.
    ///
    /// # Panics
    /// On SQLite, which one process serves alone.
    pub async fn twin(&self) -> World {
        assert_eq!(self.engine, Engine::Postgres, "SQLite has one serving process");
        let mut twin = World::on(&format!("twin of {}", self.name), self.engine, self.database.clone());
        twin.set("master_key_file", &self.folder.path().join("data/master.key").display().to_string());
        twin.boot().await;
        twin
    }

    /// Changes a setting for the next start.
    pub fn set(&mut self, setting: &'static str, value: &str) {
        self.settings.insert(setting, value.to_owned());
    }

    /// The configuration it runs with.
    pub fn config(&self, purpose: Purpose) -> Config {
        let mut settings = self.settings.clone();
        if purpose != Purpose::Demo {
            settings.remove("credentials");
        }
        let gathered = Gathered::gather(settings, [], self.folder.path()).expect("the test's settings are known");
        Config::read(purpose, gathered).expect("the test's settings are right")
    }

    /// Starts the product.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn boot(&mut self) {
        assert!(self.running.is_none(), "it runs already");
        guichet::install_cryptography();
        let config = self.config(Purpose::Demo);
        let credentials_file = config.credentials.clone().expect("the world has a credentials file");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(PRODUCT_THREADS).enable_all().build();
        let runtime = runtime.expect("a runtime for the product");
        let source = source(&self.name, self.boots);
        self.boots += 1;
        let started = runtime.spawn(async move { demo::start(&config, &source).await }).await.expect("starting does not panic");
        let server = started.unwrap_or_else(|trouble| panic!("{trouble}")).server;
        let text = std::fs::read(credentials_file).expect("the demo wrote its credentials");
        let credentials: Value = serde_json::from_slice(&text).expect("credentials are JSON");
        let door = Door::at(credentials["base_url"].as_str().expect("a text"));
        self.running = Some(Running { runtime, server, door, credentials });
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("the world is running")
    }

    /// Stops it as SIGTERM does, and starts it again on the same data.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.boot().await;
    }

    /// Stops it as SIGTERM does.
    ///
    /// # Panics
    /// When it does not stop cleanly.
    pub async fn stop(&mut self) {
        let Running { runtime, server, .. } = self.running.take().expect("the world is running");
        let stopped = runtime.spawn(server.stop());
        stopped.await.expect("stopping does not panic").unwrap_or_else(|trouble| panic!("{trouble}"));
        runtime.shutdown_background();
    }

    /// Lets it die in the middle of whatever it does, and starts it again on the same data.
    pub async fn crash(&mut self) {
        self.die().await;
        self.boot().await;
    }

    /// Lets it die in the middle of whatever it does: its tasks are dropped where they wait, nothing is handed back.
    ///
    /// # Panics
    /// When the dead product keeps its files locked.
    pub async fn die(&mut self) {
        self.die_alone().await;
        self.let_lease_pass();
    }

    /// As [`World::die`], but its lease goes on for a while, as it does after a real death.
    ///
    /// # Panics
    /// When the dead product keeps its files locked.
    pub async fn die_alone(&mut self) {
        let Running { runtime, server, .. } = self.running.take().expect("the world is running");
        drop(server);
        runtime.shutdown_background();
        let lock = self.folder.path().join("data/guichet.db.lock");
        let until = Instant::now() + Duration::from_secs(LET_GO_SECONDS_MAX);
        while self.engine == Engine::Sqlite && !unlocked(&lock) {
            assert!(Instant::now() < until, "the dead server still holds {}", lock.display());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// A dead process's lease runs 90 s of the database's time, which nobody can move; this makes all leases on PostgreSQL
    /// have passed. Whoever lives renews its own with its next batch.
    ///
    /// # Panics
    /// When the database cannot be reached.
    pub fn let_lease_pass(&self) {
        if let Some(database) = &self.database {
            database.psql("UPDATE node SET lease_until = 0").expect("the server is ours");
        }
    }

    /// Which database it stands on.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// The PostgreSQL database, if it stands on one.
    pub fn database(&self) -> Option<&Database> {
        self.database.as_deref()
    }

    /// The same, to be taken along to another thread.
    pub fn shared_database(&self) -> Option<Arc<Database>> {
        self.database.clone()
    }

    /// The folder of the installation.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where it answers.
    pub fn door(&self) -> &Door {
        &self.running().door
    }

    /// What the credentials file says.
    pub fn credentials(&self) -> &Value {
        &self.running().credentials
    }

    /// Somebody of the demo account with the key of this name: `full`, `money_in_only`, `read_only`, `read_money_in`,
    /// `no_money_out`.
    pub fn holder(&self, key: &str) -> Actor {
        let running = self.running();
        actor(&running.door, &running.credentials["account"]["id"], &running.credentials["keys"][key])
    }

    /// The merchant: the demo account with the key that may do everything.
    pub fn merchant(&self) -> Actor {
        self.holder("full")
    }

    /// Somebody of another account, with a key that may do everything there.
    pub fn intruder(&self) -> Actor {
        let (door, other) = (&self.running().door, &self.running().credentials["other_account"]);
        actor(door, &other["id"], &other["keys"]["full"])
    }

    /// Somebody without a key.
    pub fn anonymous(&self) -> Actor {
        Actor::anonymous(self.door())
    }

    /// The number of the test card with this name in the credentials file.
    pub fn card(&self, name: &str) -> String {
        let number = self.credentials()["payments"]["cards"][name].as_str();
        number.unwrap_or_else(|| panic!("the credentials name no card `{name}`")).to_owned()
    }

    /// Tells the sandbox acquirer how to behave.
    pub async fn acquirer(&self, mode: &str) {
        self.anonymous().post("/dev/acquirer", json!({ "mode": mode })).await.expect(200);
    }

    /// Makes the sandbox acquirer slow, in milliseconds.
    pub async fn slow_acquirer(&self, slow_ms: u32) {
        self.anonymous().post("/dev/acquirer", json!({ "slow_ms": slow_ms })).await.expect(200);
    }

    /// Moves the sandbox clock forward.
    pub async fn advance_seconds(&self, seconds: u32) {
        self.anonymous().post("/dev/clock", json!({ "advance_seconds": seconds })).await.expect(200);
    }

    /// What the acquirer believes it charged for this order, declined ones too.
    pub async fn charges(&self, order: &str) -> Vec<Value> {
        let answer = self.anonymous().get(&format!("/dev/acquirer/charges?all=true&merchant_order_id={order}")).await.expect(200);
        answer.json()["charges"].as_array().expect("charges is a list").clone()
    }

    /// How many requests the acquirer has decided, approved or declined.
    pub async fn charge_count(&self) -> usize {
        let answer = self.anonymous().get("/dev/acquirer/charges?all=true").await.expect(200);
        answer.json()["charges"].as_array().expect("charges is a list").len()
    }

    /// Asks again and again until the answer is right.
    ///
    /// # Panics
    /// When it does not become right in time; the last answer is shown.
    pub async fn eventually<F: Future<Output = Exchange>>(
        &self,
        ask: impl Fn() -> F,
        right: impl Fn(&Exchange) -> bool,
    ) -> Exchange {
        let until = Instant::now() + Duration::from_secs(PATIENCE_SECONDS);
        loop {
            let answer = ask().await;
            if right(&answer) {
                return answer;
            }
            assert!(Instant::now() < until, "not in time: {}", crate::exchange::show(&[&answer]));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Checks every invariant beside the running server.
    ///
    /// # Panics
    /// When one is broken.
    pub async fn verify(&self) {
        self.check(false).await;
    }

    /// Checks every invariant and that nothing is under way.
    ///
    /// # Panics
    /// When one is broken.
    pub async fn verify_settled(&self) {
        self.check(true).await;
    }

    async fn check(&self, settled: bool) {
        let report = self.report(settled).await;
        assert!(report.ok(), "{report}\n{:#?}", report.findings().filter(|finding| !finding.ok).collect::<Vec<_>>());
    }

    /// What `guichet verify` finds.
    ///
    /// # Panics
    /// When it cannot run.
    pub async fn report(&self, settled: bool) -> Report {
        let config = self.config(Purpose::Tool);
        let checked = verify::check(&config, settled, &[]).await;
        checked.unwrap_or_else(|trouble| panic!("{trouble}")).report
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(Running { runtime, server, .. }) = self.running.take() {
            drop(server);
            runtime.shutdown_background();
        }
    }
}

/// A text of the credentials file.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().expect("credentials hold texts").to_owned()
}

/// Somebody with a key of the credentials file.
pub(crate) fn actor(door: &Door, account: &Value, key: &Value) -> Actor {
    Actor::with_key(door, text(account), Key { id: text(&key["id"]), token: text(&key["token"]), secret: text(&key["secret"]) })
}

fn unlocked(lock: &Path) -> bool {
    std::fs::File::open(lock).is_ok_and(|file| file.try_lock().is_ok())
}

/// Real time, and random bytes that are the same in each run of the same test.
fn source(name: &str, boots: u64) -> Source {
    let mut hasher = DefaultHasher::new();
    (name, boots).hash(&mut hasher);
    let system = Source::system();
    let (seeded, _stands_still) = Source::seeded(hasher.finish(), system.now());
    Source::new(RealTime(system), Seeded(seeded))
}

struct RealTime(Source);

impl Clock for RealTime {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

struct Seeded(Source);

impl Random for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }
}
