//! `cargo xtask crash`: the real binary under load, killed at any moment, started again on the same data, and judged
//! (60 section 4): what was acknowledged is stored and charged, once; a repeated key gives the same bytes whether its
//! first answer was read or not; `guichet verify --settled` holds.

pub mod customers;
pub mod deal;
pub mod line;

use std::collections::HashMap;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use serde_json::Value;
use testkit::postgres::{Cluster, Durability};

use self::customers::{Crowd, Shop, Worked, settle};
use self::deal::Deal;
use crate::http::{Ask, Connection};
use crate::product::{self, Engine, Place, Product};
use crate::random::Random;
use crate::{acquirer, say};

/// From the start of the process to an answer of `/readyz`, with a database that is up.
const READY_SECONDS_MAX: u64 = 2;
/// From the start of the process to the first acknowledged payment.
const FIRST_PAYMENT_SECONDS_MAX: u64 = 10;
/// How long an unanswered key may stay so on SQLite, where a new process takes over at once.
const PATIENCE_SQLITE: Duration = Duration::from_secs(12);
/// The same on PostgreSQL, where the 90 s lease of the dead process must run out first.
const PATIENCE_POSTGRES: Duration = Duration::from_secs(100);
/// How long a killed database stays away; the last one is longer than a writer waits to learn what became of its commit.
const OUTAGES_MS: [u64; 4] = [0, 500, 3_000, 35_000];
/// Begins our order numbers; the demo's data has others.
const ORDERS: &str = "crash";
/// The platform's clock is moved by so much after outages of the acquirer, so that what is to be asked again is due.
const CLOCK_SECONDS: u64 = 60;

/// What happens to the product.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Fault {
    /// SIGKILL of the service with payments in flight.
    #[value(name = "F1")]
    Kill,
    /// SIGKILL of all PostgreSQL processes, started again after a while; on SQLite skipped.
    #[value(name = "F2")]
    KillDatabase,
    /// The acquirer falls silent before or after acting, or is down; half of the times with a SIGKILL on top.
    #[value(name = "F7")]
    Acquirer,
}

/// What to do, and how often.
#[derive(Args, Debug)]
pub struct Options {
    /// Repeats the choices of an earlier run.
    #[arg(long)]
    seed: Option<u64>,
    /// Rounds for each engine, all on the same data.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Begin no further round after so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// Engines, one after the other [default: both].
    #[arg(long, value_delimiter = ',', value_enum)]
    engine: Vec<Engine>,
    /// Faults, in turn.
    #[arg(long, value_delimiter = ',', value_enum, ignore_case = true, default_values = ["F1", "F7"])]
    faults: Vec<Fault>,
    /// Test a release build; without it the debug build that the tests use too.
    #[arg(long)]
    release: bool,
}

impl Options {
    /// The round of `cargo xtask ci`.
    pub fn short(seconds: u64) -> Options {
        let (engine, faults) = (vec![Engine::Sqlite], vec![Fault::Kill, Fault::Acquirer]);
        Options { seed: None, rounds: 20, seconds: Some(seconds), engine, faults, release: false }
    }
}

/// Runs the rounds; the first broken promise ends them.
pub fn run(options: &Options) -> Result<()> {
    let binary = product::build(options.release)?;
    let seed = options.seed.unwrap_or_else(Random::any_seed);
    let both = [Engine::Sqlite, Engine::Postgres];
    let engines = if options.engine.is_empty() { &both[..] } else { &options.engine };
    for &engine in engines {
        let told = |error: anyhow::Error| error.context(format!("crash failed: seed={seed} engine={engine}"));
        on_engine(options, &binary, engine, seed).map_err(told)?;
    }
    Ok(())
}

fn on_engine(options: &Options, binary: &Path, engine: Engine, seed: u64) -> Result<()> {
    let began = Instant::now();
    let cluster = (engine == Engine::Postgres).then(|| Cluster::start(Durability::Full)).transpose()?;
    let mut harness = Harness::start(binary, engine, cluster, seed)?;
    let (mut rounds, mut kills) = (0, 0);
    let faults = options.faults.iter().filter(|fault| engine == Engine::Postgres || **fault != Fault::KillDatabase);
    for fault in faults.cycle().take(options.rounds) {
        if options.seconds.is_some_and(|seconds| began.elapsed() > Duration::from_secs(seconds)) {
            break;
        }
        rounds += 1;
        if let Err(error) = harness.round(rounds, *fault, &mut kills) {
            let kept = harness.place.keep();
            return Err(error.context(format!("round {rounds}, data and log kept in {}", kept.display())));
        }
    }
    ensure!(rounds > 0, "no round was run");
    let payments = harness.deals.iter().filter(|deal| deal.is_approved()).count();
    say!("crash: {engine}, seed {seed}: {payments} payments, {rounds} rounds, {kills} kills, 0 lost, 0 double");
    Ok(())
}

/// The product on its data, and all that was ever asked of it.
struct Harness {
    /// Before its place: it must have ended when its data goes.
    product: Product,
    place: Place,
    cluster: Option<Cluster>,
    random: Random,
    deals: Vec<Deal>,
}

impl Harness {
    fn start(binary: &Path, engine: Engine, cluster: Option<Cluster>, seed: u64) -> Result<Harness> {
        say!("crash: {engine}, seed {seed}");
        let place = Place::fresh(binary, cluster.as_ref())?;
        let product = place.start()?;
        Ok(Harness { product, place, cluster, random: Random::of(seed), deals: Vec::new() })
    }

    fn shop(&self) -> Result<Shop> {
        let account = self.product.account_id()?.to_owned();
        Ok(Shop { address: self.product.address, headers: self.product.key_headers()?, account })
    }

    /// One round: load, fault, the fault undone, every key answered, judgement.
    fn round(&mut self, number: usize, fault: Fault, kills: &mut u64) -> Result<()> {
        let customers = self.random.between(8, 64);
        let crowd = Crowd::start(&self.shop()?, customers, &format!("{ORDERS}-{number}"), &mut self.random)?;
        let after = Duration::from_millis(self.random.between(100, 2_000));
        thread::sleep(after);
        let killed = self.inflict(fault)?;
        let worked = crowd.stop()?;
        *kills += u64::from(killed || fault == Fault::KillDatabase);
        let cut = if killed { 0 } else { worked.deaths.len() as u64 };
        ensure!(cut <= customers, "{cut} lines to a product that ran were cut, the first: {}", worked.deaths[0]);
        let restarted = if killed { self.restart()? } else { String::new() };
        let Worked { mut deals, answered, .. } = worked;
        let open = deals.iter_mut().filter_map(Deal::waiting).count();
        if fault == Fault::Acquirer {
            self.calm_acquirer()?;
        }
        let began = Instant::now();
        let patience = if self.cluster.is_some() { PATIENCE_POSTGRES } else { PATIENCE_SQLITE };
        let shop = self.shop()?;
        settle(&shop, &mut deals, patience, &mut self.random)?;
        let settled_ms = began.elapsed().as_millis();
        let earlier = self.deals.len();
        self.deals.extend(deals);
        self.judge(&shop, earlier)?;
        let after = after.as_millis();
        say!(
            "  round {number}: {fault:?} after {after} ms, {customers} customers: {answered} answered, {open} open{restarted}, \
             settled in {settled_ms} ms; {} deals hold",
            self.deals.len()
        );
        Ok(())
    }

    /// Does the harm; true when the product was killed and must be started again.
    fn inflict(&mut self, fault: Fault) -> Result<bool> {
        match fault {
            Fault::Kill => {
                self.product.kill()?;
                Ok(true)
            }
            Fault::KillDatabase => {
                let cluster = self.cluster.as_ref().context("a database that can be killed")?;
                cluster.kill()?;
                thread::sleep(Duration::from_millis(self.random.pick(&OUTAGES_MS)));
                cluster.restart()?;
                thread::sleep(Duration::from_secs(1));
                Ok(false)
            }
            Fault::Acquirer => {
                let mode = self.random.pick(&["timeout_after_charge", "timeout_before_charge", "down"]);
                acquirer::behave(&mut self.product.connect()?, mode)?;
                thread::sleep(Duration::from_millis(self.random.between(200, 3_000)));
                let kill = self.random.percent(50);
                if kill {
                    self.product.kill()?;
                }
                Ok(kill)
            }
        }
    }

    /// Starts the product again on the same data and measures until the first payment.
    fn restart(&mut self) -> Result<String> {
        let began = Instant::now();
        self.product = self.place.start()?;
        let ready = self.product.ready_after;
        ensure!(ready <= Duration::from_secs(READY_SECONDS_MAX), "ready only {} ms after the start", ready.as_millis());
        let shop = self.shop()?;
        let order = format!("{ORDERS}-first-{}", self.deals.len());
        let mut first = vec![Deal::open(&shop.account, order, &mut self.random)];
        settle(&shop, &mut first, Duration::from_secs(FIRST_PAYMENT_SECONDS_MAX), &mut self.random)?;
        let paid = began.elapsed();
        ensure!(
            paid <= Duration::from_secs(FIRST_PAYMENT_SECONDS_MAX),
            "first payment only {} ms after the start",
            paid.as_millis()
        );
        self.deals.extend(first);
        Ok(format!(", killed, ready in {} ms, first payment in {} ms", ready.as_millis(), paid.as_millis()))
    }

    /// The acquirer answers again, and what is to be asked again is due at once.
    fn calm_acquirer(&self) -> Result<()> {
        let mut line = self.product.connect()?;
        acquirer::behave(&mut line, "normal")?;
        let body = format!(r#"{{"advance_seconds":{CLOCK_SECONDS}}}"#);
        let answer = line.ask(&Ask { method: "POST", path: "/dev/clock", headers: "", body: &body })?;
        ensure!(answer.status < 300, "POST /dev/clock answered {}", answer.short());
        Ok(())
    }

    /// Acknowledged = stored = charged, the books hold, and nothing panicked. The platform is asked for each deal since
    /// `earlier`; the acquirer's list must agree with all deals of all rounds.
    fn judge(&self, shop: &Shop, earlier: usize) -> Result<()> {
        let mut line = Connection::open(shop.address)?;
        for deal in &self.deals[earlier..] {
            let found = line.get_json(&format!("/v1/payments?merchant_order_id={}", deal.order), &shop.headers)?;
            deal.agrees_with_platform(&found)?;
        }
        let mut charges: HashMap<String, Vec<Value>> = HashMap::new();
        acquirer::each_charge(&mut line, |charge| {
            let order = charge["merchant_order_id"].as_str().unwrap_or_default().to_owned();
            charges.entry(order).or_default().push(charge.clone());
            Ok(())
        })?;
        for deal in &self.deals {
            deal.agrees_with_acquirer(&charges.remove(&deal.order).unwrap_or_default())?;
        }
        if let Some(order) = charges.keys().find(|order| order.starts_with(ORDERS)) {
            bail!("the acquirer charged {order}, which nobody asked for");
        }
        self.place.tool(&["verify", "--settled"])?;
        let log = self.place.log();
        let panic = log.lines().find(|line| line.contains("panicked at"));
        ensure!(panic.is_none(), "the log shows a panic: {}", panic.unwrap_or_default());
        Ok(())
    }
}
