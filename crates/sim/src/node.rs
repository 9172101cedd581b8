//! The platform: its real services, writer and edge, in a runtime of one thread whose time stands still until everybody waits.
//!
//! A node is dropped as a process dies: with all it has in memory and without a goodbye. What it leaves is its file.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use access::{AccessSecrets, AccessService, KeyringOptions, NewAccount, NewKey, Opening, Permission};
use db::{DatabaseUrl, Hitch, Step, Steps, Store, StoreOptions};
use guichet::commands::verify;
use guichet::config::{Config, Purpose};
use guichet::schema::MIGRATIONS;
use guichet::settings::Gathered;
use guichet::wiring::{House, Outside, Running};
use kernel::verify::Report;
use kernel::{Country, Currency, PlatformKey, Source};
use messaging::{Lookup, Post, Sender, UrlGuard};
use payments::verify::read_books;
use payments::{Acquirer, Acquirers, ChargeListing};
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, yield_now};
use tokio::time::sleep;

use crate::chance::Chance;
use crate::faults::Fault;
use crate::place::Place;
use crate::realm::Realm;

/// How often an idle writer renews its lease.
const HEARTBEAT: Duration = Duration::from_secs(20);
/// Commands of a batch are at most so many, so that batches differ; drawn below this.
const BATCH_END: u64 = 24;

/// Everything around a node: what it is started with each time.
pub struct Ground {
    /// Chance, clock, faults.
    pub realm: Realm,
    /// Who is charged with.
    pub acquirers: Vec<Arc<dyn Acquirer>>,
    /// Where webhooks go.
    pub receivers: Arc<dyn Post>,
    /// The platform key.
    pub platform: Arc<PlatformKey>,
    url: DatabaseUrl,
    config: Config,
    /// Random bytes differ from start to start.
    seed: u64,
}

impl Ground {
    /// On this place.
    ///
    /// # Panics
    /// When the settings are not the product's.
    pub fn new(seed: u64, place: &Place, realm: Realm, acquirers: Vec<Arc<dyn Acquirer>>, receivers: Arc<dyn Post>) -> Ground {
        let text = |path: &Path| path.display().to_string();
        let settings = [("listen", "127.0.0.1:0".to_owned()), ("data_dir", text(place.folder()))];
        let gathered = Gathered::gather(settings.into(), [], place.folder()).expect("the settings are the product's own");
        let config = Config::read(Purpose::Demo, gathered).expect("the settings are right");
        let platform = Arc::new(PlatformKey::from_bytes([7; 32]));
        Ground { realm, acquirers, receivers, platform, url: place.url(), config, seed }
    }

    /// Time and randomness of the start with this number.
    fn source(&self, start: u64) -> Source {
        let (seeded, _stands_still) = Source::seeded(Chance::of(self.seed, 100 + start).word(), crate::realm::START);
        Source::new(self.realm.clock(), Bytes(seeded))
    }

    fn url(&self) -> DatabaseUrl {
        self.url.clone()
    }
}

struct Bytes(Source);

impl kernel::Random for Bytes {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }
}

/// Every name is somewhere public.
struct Somewhere;

impl Lookup for Somewhere {
    fn addresses(&self, _host: String) -> std::pin::Pin<Box<dyn Future<Output = std::io::Result<Vec<std::net::IpAddr>>> + Send>> {
        Box::pin(async { Ok(vec![std::net::IpAddr::from([93, 184, 216, 34])]) })
    }
}

/// A tenant's key, kept by its client.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Its id.
    pub account: String,
    /// Public half of its key.
    pub token: String,
    /// Private half.
    pub secret: String,
}

/// The platform while it runs.
pub struct Node {
    /// The edge, and what works behind it.
    running: Running,
    runtime: Runtime,
    source: Source,
    renewal: Arc<Notify>,
}

impl Node {
    /// Starts it on whatever is stored.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(ground: &Ground, start: u64) -> Node {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime needs nothing");
        let source = ground.source(start);
        ground.realm.revive();
        let renewal = Arc::new(Notify::new());
        let running = runtime.block_on(async {
            ground.realm.start_clock();
            let store = open(ground, &source, renewal.clone()).await;
            let acquirers = Acquirers::new(ground.acquirers.clone()).expect("there are acquirers");
            let guard = UrlGuard::new(true, Arc::new(Somewhere));
            let sender = Sender::through(ground.receivers.clone(), guard.clone());
            let outside = Outside { store, acquirers, sandbox: None, guard, sender };
            let house = House::furnish(&ground.config, &ground.platform, &source, outside).await;
            let house = house.unwrap_or_else(|trouble| panic!("the services do not start: {trouble}"));
            let base_url = "http://127.0.0.1:8080".to_owned();
            let started = house.start(&ground.config, base_url, None);
            ground.realm.stop_clock();
            started.unwrap_or_else(|trouble| panic!("the edge does not start: {trouble}"))
        });
        Node { running, runtime, source, renewal }
    }

    /// Has it renew its lease as soon as it goes on.
    pub fn renew_lease(&self) {
        self.renewal.notify_one();
    }

    /// Has it work on something; what that comes to is not waited for.
    pub fn spawn(&self, realm: &Realm, work: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        self.block_on(realm, async { tokio::spawn(work).abort_handle() })
    }

    /// Lets time pass; whether it is alive then.
    pub fn sleep(&self, realm: &Realm, time: Duration) -> bool {
        self.block_on(realm, async {
            tokio::select! {
                biased;
                () = realm.death() => false,
                () = sleep(time) => realm.alive(),
            }
        })
    }

    /// Lets whoever is ready go on, so many times; whether it is alive then. No time passes.
    pub fn take_turns(&self, realm: &Realm, turns: u64) -> bool {
        self.block_on(realm, async {
            for _ in 0..turns {
                if !realm.alive() {
                    return false;
                }
                yield_now().await;
            }
            realm.alive()
        })
    }

    /// Runs something in the node's time, which stands still in between.
    fn block_on<F: Future>(&self, realm: &Realm, future: F) -> F::Output {
        self.runtime.block_on(async {
            realm.start_clock();
            let output = future.await;
            realm.stop_clock();
            output
        })
    }

    /// The edge.
    pub fn app(&self) -> web::App {
        self.running.app.clone()
    }

    /// The rules of `guichet verify` over what is stored and what the acquirers' books say.
    ///
    /// # Panics
    /// When what is stored cannot be read.
    pub fn verify(&self, ground: &Ground, books: &dyn ChargeListing, settled: bool) -> Report {
        // As another process does it, beside the node, which stands still.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime needs nothing").block_on(async {
            let books = read_books(books).await;
            let platform = Opening::Opened(PlatformKey::clone(&ground.platform));
            let snapshot = db::snapshot_of(&ground.url(), None, MIGRATIONS).await.expect("the store can be read");
            let report = verify::inspect(snapshot, books, Some(&platform), &self.source, settled).await;
            report.expect("the store can be read")
        })
    }
}

async fn open(ground: &Ground, source: &Source, renewal: Arc<Notify>) -> Arc<Store> {
    let realm = ground.realm.clone();
    let small = realm.faults().rate(Fault::SmallQueue);
    let queue_places = if small > 0 { usize::try_from(4 + small / 4).unwrap_or(4) } else { db::QUEUE_COMMANDS_MAX };
    let turning = realm.clone();
    let stepping = db::Stepping { queue_places, turns: Arc::new(move || turning.turns(3)) };
    let options = options(ground.url(), source);
    let (store, steps) = Store::open_stepped(options, stepping).await.unwrap_or_else(|fault| panic!("no store: {fault}"));
    let store = Arc::new(store);
    tokio::spawn(write(Writing { steps, store: store.clone(), renewal }, realm));
    store
}

fn options(url: DatabaseUrl, source: &Source) -> StoreOptions {
    let source = source.clone();
    StoreOptions { url, schema: None, migrations: MIGRATIONS, access: db::Access::Serve, migrate: true, source }
}

/// The writer in the hands of the node's task.
struct Writing {
    steps: Steps,
    store: Arc<Store>,
    renewal: Arc<Notify>,
}

impl Writing {
    /// Does something under the node's identity, which is another one afterwards when it turns out that it was taken for dead.
    fn as_itself<T>(&mut self, realm: &Realm, act: impl FnOnce(&mut Steps) -> T) -> T {
        let boot = self.store.writer().boot();
        let done = act(&mut self.steps);
        if self.store.writer().boot() != boot {
            realm.is_given_up();
        }
        done
    }
}

/// The writer, batch after batch, with all that can go wrong around a commit.
async fn write(mut writing: Writing, realm: Realm) {
    loop {
        tokio::select! {
            biased;
            () = writing.steps.queued() => {}
            () = heartbeat(&writing.renewal) => {
                writing.as_itself(&realm, Steps::heartbeat);
                continue;
            }
        }
        for _ in 0..realm.turns(6) {
            tokio::task::yield_now().await;
        }
        if realm.strikes(Fault::SlowDisk) {
            sleep(Duration::from_millis(realm.draw(|chance| chance.between(1, 40)))).await;
        }
        while one_batch(&mut writing, &realm).await {
            for _ in 0..realm.turns(3) {
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Waits until the lease is to be renewed.
async fn heartbeat(renewal: &Notify) {
    let _asked_or_time_is_over = tokio::time::timeout(HEARTBEAT, renewal.notified()).await;
}

/// Whether there was a batch.
async fn one_batch(writing: &mut Writing, realm: &Realm) -> bool {
    if !realm.alive() {
        return std::future::pending().await;
    }
    let most = usize::try_from(realm.draw(|chance| chance.between(1, BATCH_END))).unwrap_or(1);
    let dies_before = realm.strikes(Fault::DieBeforeCommit);
    let dies_after = realm.strikes(Fault::DieAfterCommit);
    if dies_before {
        #[cfg(feature = "sabotage")]
        crate::sabotage::acknowledge_first(&mut writing.steps, realm).await;
        realm.die("before a commit");
        return std::future::pending().await;
    }
    let hitch = hitch(realm);
    #[cfg(feature = "sabotage")]
    let hitch = if dies_after { crate::sabotage::torn(realm).or(hitch) } else { hitch };
    let step = writing.as_itself(realm, |steps| steps.step(most, hitch));
    match step {
        Step::Idle => return false,
        Step::Closed => return std::future::pending().await,
        Step::Done(count) => {
            let commits = realm.committed();
            realm.note(format_args!("batch {commits}: {count} commands, {hitch:?}"));
        }
    }
    if dies_after {
        realm.die("after a commit");
        return std::future::pending().await;
    }
    true
}

fn hitch(realm: &Realm) -> Option<Hitch> {
    if realm.strikes(Fault::Statement) {
        let load = realm.draw(|chance| chance.hits(500));
        return Some(if load { Hitch::LoadRefused } else { Hitch::WriteRefused });
    }
    if realm.strikes(Fault::Conflict) {
        return Some(Hitch::Conflict);
    }
    realm.strikes(Fault::StoreAway).then_some(Hitch::Away)
}

/// Makes the tenants, before anything goes wrong: accounts come from the command line, not through the front door.
///
/// # Panics
/// When they cannot be made.
pub fn make_tenants(ground: &Ground, currencies: &[Currency]) -> Vec<Tenant> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime needs nothing").block_on(async {
        ground.realm.start_clock();
        let source = ground.source(0);
        let stepping = db::Stepping { queue_places: 100, turns: Arc::new(|| 0) };
        let (store, mut steps) = Store::open_stepped(options(ground.url(), &source), stepping).await.expect("a new file");
        let secrets = AccessSecrets::new(&ground.platform, &source);
        let options =
            KeyringOptions { environment: access::Environment::Sandbox, requests_per_minute: 1, failed_proofs_per_minute: None };
        let service = AccessService::new(&store, secrets, options);
        let mut tenants = Vec::new();
        let making = async {
            for (number, currency) in currencies.iter().enumerate() {
                let france = Country::parse("FR").expect("a country");
                let new = NewAccount::new(format!("Tenant {number}"), format!("t{number}@example.com"), france, *currency);
                let account = service.create_account(new).await.expect("an account");
                let key = service.create_key(account.id, NewKey::new("all", Permission::FullAccess)).await.expect("a key");
                tenants.push(Tenant {
                    account: account.id.to_string(),
                    token: key.token.to_string(),
                    secret: key.secret.expose().clone(),
                });
            }
        };
        let stepping = async {
            loop {
                steps.queued().await;
                steps.step(usize::MAX, None);
            }
        };
        tokio::select! {
            biased;
            () = making => {}
            () = stepping => {}
        }
        let closing = async {
            steps.queued().await;
            steps.step(usize::MAX, None)
        };
        tokio::join!(store.close(), closing);
        ground.realm.stop_clock();
        tenants
    })
}
