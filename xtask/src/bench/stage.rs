//! The stage of one case: a product on fresh data, the baseline beside it, and the checks that keep the figures honest.

use std::cell::Cell;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::postgres::Cluster;

use super::baseline::Baseline;
use super::cases::{ACCOUNTS, MANY, Side};
use super::client::{HttpLoad, Requests};
use super::machine::Meter;
use super::part::{Finished, Load, Part, WARM_UP};
use super::requests::{Hello, Known, Notifications, Payee, Payments, Sessions};
use crate::acquirer;
use crate::product::{self, Engine, Place, Product};
use crate::say;

/// Connections of the loads that need no particular number.
const CONNECTIONS: usize = 64;
/// Connections of an open loop: enough that no request waits for a free one.
const OPEN_CONNECTIONS: usize = 512;
/// Prefix of the payments that P7 repeats and P13 tells about.
const KNOWN: &str = "known";
/// Prefix of what is under way when the machines are killed.
const KILLED: &str = "killed";
/// The product has so long to work off what it stored.
const WORKED_OFF_MAX: Duration = Duration::from_mins(2);
/// A durable payment cannot write less log than this: intent, acquirer's charge and finish are rows of their own.
const WAL_BYTES_LEAST: u64 = 300;
/// Load before the machines are killed.
const KILL_AFTER: Duration = Duration::from_secs(3);
/// All units acknowledged within this time before the kill must still be there.
const LAST_SECOND: Duration = Duration::from_secs(1);

/// A product on fresh data and a baseline in the same cluster.
pub struct Stage<'a> {
    cluster: &'a Cluster,
    /// Before its place: it must have ended when its data goes.
    product: Product,
    place: Place,
    baseline: Option<Baseline>,
    payees: Vec<Payee>,
    keys: Vec<String>,
    known: Vec<Known>,
    loads: Cell<u64>,
    /// Payments acknowledged by all loads so far.
    paid: u64,
    /// Notifications acknowledged by all loads so far.
    notified: u64,
    /// Charges the acquirer knew before the first load: the demo's.
    charges_before: u64,
}

impl<'a> Stage<'a> {
    /// Starts everything that these sides need.
    pub fn set(binary: &Path, cluster: &'a Cluster, engine: Engine, sides: [Side; 2]) -> Result<Stage<'a>> {
        let place = Place::fresh(binary, (engine == Engine::Postgres).then_some(cluster))?;
        let product = place.start()?;
        let with_baseline = sides.iter().any(|side| matches!(side, Side::Pgbench { .. }));
        let baseline = with_baseline.then(|| Baseline::prepare(cluster)).transpose()?;
        let charges_before = acquirer::each_charge(&mut product.connect()?, |_| Ok(()))?;
        let payees = vec![Payee { account: product.account_id()?.to_owned(), headers: product.key_headers()? }];
        let mut stage = Stage {
            cluster,
            product,
            place,
            baseline,
            payees,
            keys: Vec::new(),
            known: Vec::new(),
            loads: Cell::new(0),
            paid: 0,
            notified: 0,
            charges_before,
        };
        stage.prepare(sides)?;
        Ok(stage)
    }

    /// Accounts, keys and finished payments that the sides take for granted.
    fn prepare(&mut self, sides: [Side; 2]) -> Result<()> {
        if sides.iter().any(|side| matches!(side, Side::Pay { accounts: ACCOUNTS, .. })) {
            say!("  making {ACCOUNTS} accounts");
            while self.payees.len() < ACCOUNTS {
                let payee = self.new_account(self.payees.len())?;
                self.payees.push(payee);
            }
        }
        if sides.contains(&Side::Hello { with_key: true }) {
            say!("  making {MANY} keys");
            self.keys = self.new_keys(&self.payees[0].account, MANY)?;
        }
        if sides.iter().any(|side| matches!(side, Side::Repeat | Side::Notify)) {
            say!("  making {MANY} payments");
            let requests = self.payments(KNOWN, 1);
            let load = HttpLoad::new(self.product.address, CONNECTIONS, Arc::new(requests)).of_units(MANY);
            self.paid += load.run_all()?.len() as u64;
        }
        if sides.contains(&Side::Notify) {
            self.known = self.charged()?;
        }
        Ok(())
    }

    /// What the acquirer may tell about.
    fn charged(&self) -> Result<Vec<Known>> {
        let mut known = Vec::new();
        acquirer::each_charge(&mut self.product.connect()?, |charge| {
            let text = |name: &str| charge[name].as_str().map(str::to_owned).with_context(|| format!("{name} of a charge"));
            if text("merchant_order_id").is_ok_and(|order| order.starts_with(&format!("order-{KNOWN}-"))) {
                let minor = charge["amount"].as_u64().context("a charge's amount")?;
                known.push(Known {
                    payment: text("payment_id")?,
                    order: text("merchant_order_id")?,
                    connector: text("connector")?,
                    amount: (minor, text("currency")?),
                });
            }
            Ok(())
        })?;
        ensure!(!known.is_empty(), "the acquirer knows no payment to tell about");
        Ok(known)
    }

    fn new_account(&self, number: usize) -> Result<Payee> {
        let (name, email) = (format!("Shop {number}"), format!("shop{number}@example.com"));
        let made = self.place.tool(&["account", "create", "--name", &name, "--owner-email", &email, "--json"])?;
        let made: Value = serde_json::from_str(&made).context("what `account create --json` printed")?;
        let account = made["id"].as_str().or_else(|| made["account"]["id"].as_str()).context("the new account's id")?;
        let headers = self.new_keys(account, 1)?.remove(0);
        Ok(Payee { account: account.to_owned(), headers })
    }

    fn new_keys(&self, account: &str, count: u64) -> Result<Vec<String>> {
        let count = count.to_string();
        let mut arguments =
            vec!["key", "create", "--account", account, "--name", "bench", "--permission", "FullAccess", "--json"];
        if count != "1" {
            arguments.extend(["--count", count.as_str()]);
        }
        let made = self.place.tool(&arguments)?;
        let keys = serde_json::Deserializer::from_str(&made).into_iter::<Value>().map(|key| {
            let key = key.context("what `key create --json` printed")?;
            let part = |name: &str| key[name].as_str().with_context(|| format!("{name} of the new key"));
            Ok(product::key_headers(part("token")?, part("secret")?))
        });
        keys.collect()
    }

    fn payments(&self, prefix: &str, accounts: usize) -> Payments {
        Payments::new(self.product.address, self.payees[..accounts].to_vec(), self.product.approved_card(), prefix)
    }

    fn notifications(&self, prefix: &str) -> Result<Notifications> {
        let secret = self.product.notification_secret()?;
        Ok(Notifications::new(self.product.address, secret, self.known.clone(), prefix))
    }

    /// An open loop of so many payments a second: what is asked when does not depend on answers.
    pub fn open_loop(&mut self, per_second: u64, window: Duration) -> Result<Finished> {
        self.loads.set(self.loads.get() + 1);
        let requests = self.payments(&format!("load{}", self.loads.get()), 1);
        let mut load = HttpLoad::new(self.product.address, OPEN_CONNECTIONS, Arc::new(requests)).paced(per_second);
        load.start(0)?;
        thread::sleep(WARM_UP);
        let finished = load.finish(window)?;
        if let Some(error) = load.first_error() {
            say!("  this round is void: {error}");
        }
        self.paid += finished.units;
        Ok(finished)
    }

    /// Runs one side.
    pub fn part(&mut self, side: Side, seconds: u64) -> Result<Part> {
        self.loads.set(self.loads.get() + 1);
        let prefix = format!("load{}", self.loads.get());
        let address = self.product.address;
        let (connections, requests): (usize, Arc<dyn Requests>) = match side {
            Side::Pgbench { kind, clients } => {
                let baseline = self.baseline.as_ref().context("a baseline was prepared")?;
                return Part::run(&mut baseline.load(kind, clients), &Meter::new(self.cluster, None)?, seconds);
            }
            Side::Pay { connections, accounts } => (connections, Arc::new(self.payments(&prefix, accounts))),
            Side::Repeat => (CONNECTIONS, Arc::new(self.payments(KNOWN, 1).repeating(MANY))),
            Side::Notify => (CONNECTIONS, Arc::new(self.notifications(&prefix)?)),
            Side::Session { with_key } => {
                (CONNECTIONS, Arc::new(Sessions::new(address, self.payees[0].clone(), &prefix, with_key)))
            }
            Side::Hello { with_key } => {
                let keys = if with_key { self.keys.clone() } else { Vec::new() };
                (CONNECTIONS, Arc::new(Hello::new(address, keys)))
            }
        };
        let mut load = HttpLoad::new(address, connections, requests);
        let part = Part::run(&mut load, &Meter::new(self.cluster, Some(self.product.pid()))?, seconds)?;
        if let Some(error) = load.first_error() {
            say!("  this round is void: {error}");
        }
        if side == Side::Notify {
            self.notified += load.units()?;
        }
        if matches!(side, Side::Pay { .. } | Side::Notify) {
            if side != Side::Notify {
                self.paid += load.units()?;
            }
            let written = part.wal_bytes;
            ensure!(
                self.place.database().is_none() || written >= WAL_BYTES_LEAST,
                "{written} bytes of log for a unit: that cannot have been stored"
            );
        }
        Ok(part)
    }

    /// After the last round: what was acknowledged is stored, the books are right, and both survive SIGKILL.
    pub fn prove(mut self) -> Result<()> {
        let charges = acquirer::each_charge(&mut self.product.connect()?, |_| Ok(()))? - self.charges_before;
        ensure!(charges == self.paid, "{} payments were acknowledged, but {charges} are charged", self.paid);
        self.wait_until_worked_off()?;
        self.place.tool(&["verify", "--settled"])?;
        let requests: Arc<dyn Requests> =
            if self.known.is_empty() { Arc::new(self.payments(KILLED, 1)) } else { Arc::new(self.notifications(KILLED)?) };
        let (load, killed_at) = self.kill_under(requests)?;
        let recent: Vec<u64> = load
            .acknowledged()
            .iter()
            .filter(|answer| answer.at + LAST_SECOND >= killed_at)
            .map(|answer| answer.number)
            .collect();
        ensure!(!recent.is_empty(), "nothing was acknowledged in the second before the SIGKILL");
        if self.known.is_empty() {
            self.are_paid(&recent)?;
        } else {
            self.are_told(&recent)?;
        }
        let (paid, notified, found) = (self.paid, self.notified, recent.len());
        let told = if notified > 0 { format!(", {notified} notifications acknowledged = stored") } else { String::new() };
        say!("  proven: {paid} payments acknowledged = charged{told}, verify holds, {found} of the last second survived SIGKILL");
        Ok(())
    }

    /// The load that ran into a SIGKILL of everything, and when that was; product and database run again.
    fn kill_under(&mut self, requests: Arc<dyn Requests>) -> Result<(HttpLoad, Instant)> {
        let mut load = HttpLoad::new(self.product.address, CONNECTIONS, requests);
        load.start(0)?;
        thread::sleep(KILL_AFTER);
        let killed_at = Instant::now();
        self.product.kill()?;
        if self.place.database().is_some() {
            self.cluster.kill()?;
            self.cluster.restart()?;
        }
        load.stop();
        load.join()?;
        self.product = self.place.start()?;
        Ok((load, killed_at))
    }

    fn are_paid(&self, numbers: &[u64]) -> Result<()> {
        let mut line = self.product.connect()?;
        let headers = self.product.key_headers()?;
        for number in numbers {
            let order = Payments::order(KILLED, *number);
            let stored = line.get_json(&format!("/v1/payments?merchant_order_id={order}"), &headers)?;
            let paid = stored.as_array().is_some_and(|all| all.len() == 1 && all[0]["status"] == "SUCCEEDED");
            ensure!(paid, "{order} was acknowledged before the SIGKILL and is not there once after it: {stored}");
        }
        Ok(())
    }

    fn are_told(&self, numbers: &[u64]) -> Result<()> {
        let sql = format!(
            "SELECT substring(body FROM '\"mark\":\"({KILLED}-[0-9]+)\"') FROM notification WHERE body LIKE '%{KILLED}-%'"
        );
        let stored = self.place.database().context("a database that can be asked")?.psql(&sql)?;
        let stored: HashSet<&str> = stored.lines().collect();
        for number in numbers {
            let mark = Notifications::mark(KILLED, *number);
            ensure!(stored.contains(mark.as_str()), "{mark} was acknowledged before the SIGKILL and is not there after it");
        }
        Ok(())
    }

    /// Notifications are stored before they are answered and worked off afterwards.
    fn wait_until_worked_off(&self) -> Result<()> {
        let Some(database) = self.place.database().filter(|_| self.notified > 0) else { return Ok(()) };
        let stored: u64 = database.psql("SELECT count(*) FROM notification")?.parse().context("a number of notifications")?;
        ensure!(stored == self.notified, "{} notifications were acknowledged, but {stored} are stored", self.notified);
        let until = Instant::now() + WORKED_OFF_MAX;
        while database.psql("SELECT count(*) FROM notification WHERE due_at IS NOT NULL")? != "0" {
            ensure!(Instant::now() < until, "notifications were not worked off within {} s", WORKED_OFF_MAX.as_secs());
            thread::sleep(LAST_SECOND);
        }
        Ok(())
    }
}
