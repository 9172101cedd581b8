//! The one place where stores, services, workers and the edge are put together.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use access::{
    AccessError, AccessSecrets, AccessService, Environment, FAILED_PROOFS_PER_MINUTE, KeyringOptions, Opening, PlatformKeys,
};
use connectors::acquirer_sandbox::{self, Sandbox};
use connectors::acquirer_stripe::Stripe;
use db::{Access, DatabaseUrl, Store, StoreOptions};
use idempotency::{Idempotency, ReplySealer};
use kernel::{MasterKey, PlatformKey, SecretText, Source, Timestamp};
use messaging::{Courier, Messaging, Outbox, Sender, SystemLookup, UrlGuard, WebhookSecrets};
use payments::delays::Delays;
use payments::settlements::Settlements;
use payments::subscriptions::{BillingPort, Subscriptions};
use payments::{Acquirer, Acquirers, Challenges, Connector, Origins, Parts, Patience, Payments, Vault};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use web::{App, Listening, Options, SandboxWiring, Showcase, Wiring};

use crate::billing::Billing;
use crate::config::{Config, Purpose};
use crate::no_acquirer::NoAcquirer;
use crate::schema::MIGRATIONS;
use crate::trouble::Trouble;
use crate::{files, master_key, telemetry, workers};

/// What to do about a schema that is not this program's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// Bring it up to date.
    Migrate,
    /// Refuse it.
    MustBeCurrent,
}

/// What a house stands on and what lies outside it; a simulation brings its own.
pub struct Outside {
    /// The platform's store.
    pub store: Arc<Store>,
    /// Who can be charged with.
    pub acquirers: Acquirers,
    /// The sandbox acquirer, where there is one.
    pub sandbox: Option<Sandbox>,
    /// Which addresses may be called.
    pub guard: UrlGuard,
    /// The way to webhook receivers.
    pub sender: Sender,
}

/// The opened stores and the services on them, not yet answering anybody.
pub struct House {
    store: Arc<Store>,
    access: AccessService,
    idempotency: Idempotency,
    payments: Payments,
    subscriptions: Subscriptions,
    delays: Delays,
    messaging: Messaging,
    courier: Arc<Courier>,
    sandbox: Option<Sandbox>,
    notification_secret: SecretText,
    source: Source,
}

impl House {
    /// Opens everything that is kept.
    ///
    /// # Errors
    /// A store that cannot be opened; secrets sealed under another master key.
    pub async fn open(config: &Config, master: &MasterKey, source: &Source, schema: Schema) -> Result<House, Trouble> {
        telemetry::start();
        if config.names_redis() {
            tracing::warn!("redis is configured, but nothing in this version uses it; rates are counted in each process");
        }
        make_data_dir(config)?;
        let store = Arc::new(open_store(config, Access::Serve, schema, source).await?);
        let platform = open_platform_key(&config.database, &store, master, source).await?;
        let secret = notification_secret(&platform);
        let sandbox = if config.sandbox { Some(open_sandbox(config, &secret, source).await?) } else { None };
        let acquirers = acquirers(sandbox.as_ref(), config.stripe.connector(config.sandbox)?);
        let guard = UrlGuard::new(config.sandbox, Arc::new(SystemLookup));
        let sender = Sender::new(guard.clone());
        let sender = sender.map_err(|error| Trouble::new("webhooks cannot be sent").because(error))?;
        House::furnish(config, &platform, source, Outside { store, acquirers, sandbox, guard, sender }).await
    }

    /// The services, over a store and an outside world that are there already.
    ///
    /// # Errors
    /// A database for another purpose.
    pub async fn furnish(config: &Config, platform: &PlatformKey, source: &Source, outside: Outside) -> Result<House, Trouble> {
        let Outside { store, acquirers, sandbox, guard, sender } = outside;
        let access = open_access(config, &store, platform, source).await?;
        let replies = ReplySealer::new(platform, source);
        let idempotency = Idempotency::new(store.reader().clone()).sealing(replies.clone());
        let outbox = Outbox::new(store.reader().clone(), store.clock().clone());
        let faces = web::faces(Challenges::new(platform));
        let payments = Payments::new(Parts {
            store: store.clone(),
            source: source.clone(),
            idempotency: idempotency.clone(),
            acquirers,
            origins: Origins::new(faces.clone(), outbox.clone()),
            faces,
            patience: Patience::default(),
            vault: Vault::new(store.clone(), platform, source),
        });
        let messaging = Messaging::new(messaging::Parts {
            store: store.clone(),
            secrets: WebhookSecrets::new(platform, source),
            replies,
            idempotency: idempotency.clone(),
            outbox,
            guard,
            faces: web::webhook_faces(),
        });
        let courier = Courier::new(messaging.clone(), sender);
        let billing: Arc<dyn BillingPort> = Arc::new(Billing::new(access.keyring().clone(), payments.clone(), messaging.clone()));
        let subscriptions = Subscriptions::new(payments.clone(), billing.clone());
        let delays = Delays::new(payments.clone(), billing);
        Ok(House {
            store,
            access,
            idempotency,
            payments,
            subscriptions,
            delays,
            messaging,
            courier,
            sandbox,
            notification_secret: notification_secret(platform),
            source: source.clone(),
        })
    }

    /// Accounts and keys.
    pub fn access(&self) -> &AccessService {
        &self.access
    }

    /// What the sandbox acquirer signs its notifications with.
    pub fn notification_secret(&self) -> &SecretText {
        &self.notification_secret
    }

    /// The platform's time.
    pub fn now(&self) -> Timestamp {
        self.store.clock().now()
    }

    /// Binds the address and starts the workers. Who connects waits until [`Bound::open`].
    ///
    /// # Errors
    /// An address that cannot be bound, a certificate that cannot be used.
    pub async fn bind(self, config: &Config, showcase: Option<Showcase>) -> Result<Bound, Trouble> {
        let tls = config.tls.as_ref().map(|files| web::tls::server_config(&files.cert, &files.key)).transpose();
        let tls =
            tls.map_err(|error| Trouble::new("TLS cannot be set up").because(error).remedy("correct --tls-cert and --tls-key"))?;
        let listener = TcpListener::bind(config.listen).await.map_err(|error| {
            Trouble::new(format!("cannot listen on {}", config.listen))
                .because(error)
                .remedy("stop what uses the address, or give another with --listen; port 0 picks a free one")
        })?;
        let address = listener.local_addr().map_err(|error| Trouble::new("cannot listen").because(error))?;
        let base_url = format!("{}://{}", if tls.is_some() { "https" } else { "http" }, reachable(address));
        let public_url = config.public_url.as_ref().unwrap_or(&base_url).clone();
        let running = self.start(config, public_url, showcase)?;
        Ok(Bound { listener, listening: Listening { tls, ..Listening::default() }, address, base_url, running })
    }

    /// Starts the workers and the edge, which answers whoever asks it in this process: a server without its listener.
    ///
    /// # Errors
    /// Pages or routes that cannot be set up.
    pub fn start(self, config: &Config, public_url: String, showcase: Option<Showcase>) -> Result<Running, Trouble> {
        let House { store, access, idempotency, payments, subscriptions, delays, messaging, courier, sandbox, source, .. } = self;
        payments.challenges().reached_at(&public_url);
        let app = web::app(Wiring {
            payments: payments.clone(),
            subscriptions: subscriptions.clone(),
            messaging,
            keyring: access.keyring().clone(),
            idempotency: idempotency.clone(),
            clock: store.clock().clone(),
            writer: store.writer().clone(),
            source,
            ready: telemetry::readiness(config.database.clone()),
            metrics: telemetry::metrics(),
            sandbox: sandbox.clone().map(|acquirer| SandboxWiring { acquirer, showcase }),
            options: options(config, public_url),
        });
        let app = app.map_err(|error| Trouble::new("the pages and routes cannot be set up").because(error))?;
        let closing = CancellationToken::new();
        let mut workers = workers::start(&store, &idempotency, &payments, &subscriptions, courier, &closing);
        workers.push(workers::carry_out_delays(delays, closing.clone()));
        Ok(Running { app, store, sandbox, payments, closing, workers })
    }
}

/// What [`House::start`] has started.
pub struct Running {
    /// The edge.
    pub app: App,
    store: Arc<Store>,
    sandbox: Option<Sandbox>,
    payments: Payments,
    closing: CancellationToken,
    workers: Vec<JoinHandle<()>>,
}

/// A server whose address is taken and who answers nobody yet.
pub struct Bound {
    listener: TcpListener,
    listening: Listening,
    address: SocketAddr,
    base_url: String,
    running: Running,
}

impl Bound {
    /// Where it will answer, without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The edge, to be asked in process.
    pub fn app(&self) -> &App {
        &self.running.app
    }

    /// Answers from now on, first of all those who have connected already.
    pub fn open(self) -> Server {
        let Bound { listener, listening, address, base_url, running } = self;
        let Running { app, store, sandbox, payments, closing, workers } = running;
        let accepting = tokio::spawn(web::serve(listener, app.clone(), listening, closing.clone()));
        Server { address, base_url, app, store, sandbox, payments, closing, accepting, workers }
    }
}

/// A server that answers. Dropping it stops nothing: its tasks run until [`Server::stop`], or until their runtime ends.
pub struct Server {
    address: SocketAddr,
    base_url: String,
    app: App,
    store: Arc<Store>,
    sandbox: Option<Sandbox>,
    payments: Payments,
    closing: CancellationToken,
    accepting: JoinHandle<()>,
    workers: Vec<JoinHandle<()>>,
}

impl Server {
    /// Where it answers, without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The address it is bound to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops: not ready from now on, what is under way is finished (the edge waits at most 10 s), leases are given back.
    ///
    /// # Errors
    /// A part that did not end as it should; the others were stopped all the same.
    pub async fn stop(self) -> Result<(), Trouble> {
        tracing::info!("stopping");
        self.app.drain();
        self.closing.cancel();
        let deadline = Instant::now() + IN_FLIGHT_TIME_MAX;
        let mut ended = self.accepting.await;
        if tokio::time::timeout_at(deadline, self.payments.finish_in_flight()).await.is_err() {
            tracing::warn!("payments were still under way; they are taken up again at the next start");
        }
        for worker in self.workers {
            ended = ended.and(worker.await);
        }
        self.store.close().await;
        if let Some(sandbox) = &self.sandbox {
            sandbox.close().await;
        }
        ended.map_err(|_| {
            Trouble::new("a part of the server ended by a defect").because("it panicked; the log has the place").as_answer()
        })
    }
}

/// Longest time in which payments under way are waited for, those without a connection included.
const IN_FLIGHT_TIME_MAX: Duration = Duration::from_secs(10);

/// What commands on accounts and keys work with, beside a serving process.
pub struct Office {
    store: Arc<Store>,
    database: DatabaseUrl,
    /// Accounts and keys.
    pub access: AccessService,
    /// Stored cards.
    pub vault: Vault,
    /// What acquirers have settled.
    pub settlements: Settlements,
    /// The key that everything sealed depends on.
    pub platform: PlatformKey,
    /// Where it is kept, wrapped under the master key.
    pub platform_keys: PlatformKeys,
}

impl Office {
    /// Opens the database for short transactions.
    ///
    /// # Errors
    /// No master key, or another than the database's; a database that cannot be opened.
    pub async fn open(config: &Config, source: &Source) -> Result<Office, Trouble> {
        let master = master_key::demand(config, source)?;
        let store = Arc::new(open_store(config, Access::OneShot, Schema::MustBeCurrent, source).await?);
        let platform = open_platform_key(&config.database, &store, &master, source).await?;
        let access = open_access(config, &store, &platform, source).await?;
        let vault = Vault::new(store.clone(), &platform, source);
        let platform_keys = PlatformKeys::new(&store, source);
        let settlements = Settlements::new(store.clone());
        Ok(Office { store, database: config.database.clone(), access, vault, settlements, platform, platform_keys })
    }

    /// Gives the database back.
    pub async fn close(&self) {
        self.store.close().await;
    }

    /// Tells a person why the store did not do it.
    pub fn fault(&self, fault: &db::Fault) -> Trouble {
        Trouble::of_store(fault, &self.database)
    }

    /// Tells a person why something about accounts or keys was not done.
    pub fn explain(&self, what: &str, error: AccessError) -> Trouble {
        match error {
            AccessError::Refused(refusal) => Trouble::new(what).because(refusal).as_answer(),
            AccessError::Fault(fault) => Trouble::of_store(&fault, &self.database),
            sealed @ AccessError::Sealed { .. } => damaged(&self.database).because(sealed),
        }
    }
}

/// Opens the key that everything sealed depends on; the first who serves a database makes it.
async fn open_platform_key(
    database: &DatabaseUrl,
    store: &Store,
    master: &MasterKey,
    source: &Source,
) -> Result<PlatformKey, Trouble> {
    match PlatformKeys::new(store, source).open_or_make(master).await {
        Ok(Opening::Opened(key)) => Ok(key),
        Ok(Opening::Absent | Opening::OtherMasterKey) => Err(other_master_key(database)),
        Ok(Opening::Damaged) => Err(damaged(database).because("the platform key was changed")),
        Err(AccessError::Fault(fault)) => Err(Trouble::of_store(&fault, database)),
        Err(error) => Err(damaged(database).because(error)),
    }
}

/// The master key at hand opens nothing of this database.
pub fn other_master_key(database: &DatabaseUrl) -> Trouble {
    Trouble::new(format!("this is not the master key of {database}"))
        .because("secrets in it were sealed under another one")
        .remedy("name the key it was made with, or the one it was changed to, by --master-key-file or GUICHET_MASTER_KEY")
}

fn damaged(database: &DatabaseUrl) -> Trouble {
    Trouble::new(format!("what is sealed in {database} does not open"))
        .remedy("run `guichet verify` to see how much of it, and restore a backup")
}

/// Makes the data directory, closed to other users.
fn make_data_dir(config: &Config) -> Result<(), Trouble> {
    files::make_folder(&config.data_dir).map_err(|error| {
        Trouble::new(format!("cannot make the data directory {}", config.data_dir.display()))
            .because(error)
            .remedy("name a folder you may write to with --data-dir")
    })
}

async fn open_store(config: &Config, access: Access, schema: Schema, source: &Source) -> Result<Store, Trouble> {
    let options = StoreOptions {
        url: config.database.clone(),
        schema: None,
        migrations: MIGRATIONS,
        access,
        migrate: schema == Schema::Migrate,
        source: source.clone(),
    };
    Store::open(options).await.map_err(|fault| Trouble::of_store(&fault, &config.database))
}

/// Accounts and keys, after a look at whether the environment is that of the database.
async fn open_access(config: &Config, store: &Store, platform: &PlatformKey, source: &Source) -> Result<AccessService, Trouble> {
    let of_store = |fault| Trouble::of_store(&fault, &config.database);
    let asked = if config.sandbox { Environment::Sandbox } else { Environment::Production };
    let environment = match AccessService::environment_in_use(store).await.map_err(of_store)? {
        // A tool follows the database: whether it is a sandbox was decided by whoever made its first key.
        Some(in_use) if config.purpose == Purpose::Tool || in_use == asked => in_use,
        None => asked,
        Some(in_use) => {
            let (is, wanted) = if in_use == Environment::Sandbox {
                ("a sandbox", "serve real money")
            } else {
                ("for real money", "be a sandbox")
            };
            return Err(Trouble::new(format!("{} is {is} and cannot {wanted}", config.database))
                .because("play money and real money never mix in one database")
                .remedy("name another --database or --data-dir, or add or leave out --sandbox"));
        }
    };
    let secrets = AccessSecrets::new(platform, source);
    let options = KeyringOptions {
        environment,
        requests_per_minute: config.rate_per_minute,
        failed_proofs_per_minute: Some(FAILED_PROOFS_PER_MINUTE),
    };
    Ok(AccessService::new(store, secrets, options))
}

/// Who can be charged with: the sandbox under both its names, Stripe where it has a key, or nobody.
fn acquirers(sandbox: Option<&Sandbox>, stripe: Option<Arc<Stripe>>) -> Acquirers {
    let mut all: Vec<Arc<dyn Acquirer>> = Vec::new();
    if let Some(sandbox) = sandbox {
        all.extend([sandbox.acquirer(Connector::Sandbox), sandbox.acquirer(Connector::SandboxB)]);
    }
    if let Some(stripe) = stripe {
        all.push(stripe);
    }
    if all.is_empty() {
        all.push(Arc::new(NoAcquirer));
    }
    Acquirers::new(all).expect("the list is never empty")
}

/// The sandbox acquirer keeps its own books, as a bank would: in a file beside the database, or in a schema of its own.
async fn open_sandbox(config: &Config, secret: &SecretText, source: &Source) -> Result<Sandbox, Trouble> {
    let url = sandbox_url(config);
    Sandbox::open(url.clone(), source.clone(), secret).await.map_err(|fault| Trouble::of_store(&fault, &url))
}

/// What the sandbox acquirer signs its notifications with.
fn notification_secret(platform: &PlatformKey) -> SecretText {
    acquirer_sandbox::secret_of(&platform.derive("guichet/sandbox/notification secret"))
}

/// Where the sandbox acquirer keeps its books.
pub fn sandbox_url(config: &Config) -> DatabaseUrl {
    match config.database.sqlite_path() {
        Some(_) => DatabaseUrl::sqlite(config.data_dir.join(SANDBOX_FILE)),
        None => config.database.clone(),
    }
}

/// The sandbox acquirer's books in the data directory.
const SANDBOX_FILE: &str = "sandbox-acquirer.db";

/// The address to be called by on this machine: "any" is one to listen on, not one to call.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    address
}

fn options(config: &Config, base_url: String) -> Options {
    Options {
        only_tls: base_url.starts_with("https://"),
        base_url,
        version: env!("CARGO_PKG_VERSION"),
        hosts: config.hosts.clone(),
        trusted_proxies: if config.behind_proxy { config.trusted_proxies.clone() } else { Vec::new() },
        in_flight_status: config.in_flight_status,
        framed_by: config.framed_by.clone(),
        templates: Some(config.data_dir.join("templates")).filter(|folder: &std::path::PathBuf| Path::is_dir(folder)),
    }
}
