//! The product on its data, all that was ever asked of it, and the course of one round.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testkit::postgres::Cluster;

use super::clock::Moves;
use super::customers::{Crowd, Worked, settle};
use super::deal::Deal;
use super::disk::SmallDisk;
use super::faults::Fault;
use super::gossip::Gossip;
use super::hooks::Hooks;
use super::line::Shop;
use crate::http::{Ask, Connection};
use crate::product::{Place, Product};
use crate::random::Random;
use crate::{acquirer, say};

/// From the start of the process to an answer of `/readyz`, with a database that is up.
const READY_MAX: Duration = Duration::from_secs(2);
/// The same of a debug build, which is several times as slow and usually tested beside a compiler.
const READY_DEBUG_MAX: Duration = Duration::from_secs(10);
/// From the start of the process to the first acknowledged payment.
const FIRST_PAYMENT_SECONDS_MAX: u64 = 10;
/// How long an unanswered key may stay so on SQLite, where a new process takes over at once.
const PATIENCE_SQLITE: Duration = Duration::from_secs(12);
/// The same on PostgreSQL, where the 90 s lease of the dead process must run out first.
const PATIENCE_POSTGRES: Duration = Duration::from_secs(100);
/// Begins our order numbers; the demo's data has others.
pub const ORDERS: &str = "crash";
/// The platform's clock is moved by so much after outages of the acquirer or its disk, so that what is to be asked again is due.
const ASKING_SECONDS: u64 = 60;
/// And then so that challenges end, webhooks that failed are tried again, and the second cycle of each subscription is due.
const LATER_SECONDS: [u64; 3] = [1_000, 4_000, 86_400];

/// What the product is started on.
pub struct Ground {
    /// Whether it is a release build.
    pub release: bool,
    /// The database, on PostgreSQL.
    pub cluster: Option<Cluster>,
    /// What the database lies on, where it is to be filled.
    pub disk: Option<SmallDisk>,
    /// Whether its machine's clock is to be moved.
    pub clock: bool,
}

/// The product on its data, and all that was ever asked of it.
pub struct Harness {
    /// Before their place: they must have ended when its data goes.
    pub nodes: Vec<Product>,
    /// Where the data lies.
    pub place: Place,
    /// The database, on PostgreSQL.
    pub cluster: Option<Cluster>,
    /// What the database lies on, where it is to be filled.
    pub disk: Option<SmallDisk>,
    /// How far the clock is off.
    pub moves: Moves,
    /// Where all choices come from.
    pub random: Random,
    /// Everything that was asked in all rounds.
    pub deals: Vec<Deal>,
    /// The merchant's receiver of webhooks.
    pub hooks: Hooks,
    /// SIGKILLs so far, of the product and of the database.
    pub kills: u64,
    /// How often the database was started again because it had given up for good.
    pub restarts: u64,
    /// Answers to reads while the database's disk was full.
    pub read_while_full: u64,
    notified: u64,
    ready_max: Duration,
    shop: Shop,
}

impl Harness {
    /// Starts the product with a merchant who routes along two acquirers and is told everything.
    pub fn start(binary: &Path, ground: Ground, nodes: u64, seed: u64) -> Result<Harness> {
        let Ground { release, cluster, disk, clock } = ground;
        let ready_max = if release { READY_MAX } else { READY_DEBUG_MAX };
        let place = Place::fresh(binary, cluster.as_ref())?.with_clock(clock);
        let nodes: Vec<Product> = (0..nodes).map(|number| place.start_node(number)).collect::<Result<_>>()?;
        let first = nodes.first().context("a node")?;
        let shop = Shop::of(&nodes)?;
        let mut line = first.connect()?;
        let hooks = Hooks::set_up(&mut line, &shop.headers, &shop.account)?;
        let rule = json!({"name": "both", "route": ["sandbox", "sandbox_b"], "retry_on": ["UNAVAILABLE", "SOFT_DECLINE"]});
        let rules = json!({ "rules": [rule] }).to_string();
        let put = line.ask(&Ask { method: "PUT", path: "/v1/routing-rules", headers: &shop.headers, body: &rules })?;
        ensure!(put.status == 200, "PUT /v1/routing-rules answered {}", put.short());
        Ok(Harness {
            nodes,
            place,
            cluster,
            disk,
            moves: Moves::default(),
            random: Random::of(seed),
            deals: Vec::new(),
            hooks,
            kills: 0,
            restarts: 0,
            read_while_full: 0,
            notified: 0,
            ready_max,
            shop,
        })
    }

    /// Leaves the data where it is, for somebody to look at.
    pub fn keep(self) -> PathBuf {
        drop(self.nodes);
        self.place.keep()
    }

    /// What was done, in words.
    pub fn summary(&self) -> String {
        let charged = self.deals.iter().filter(|deal| deal.is_charged()).count();
        let left = self.deals.iter().filter(|deal| deal.is_left()).count();
        let mut sometimes = String::new();
        for (times, what) in [
            (left as u64, "left at a jump of the clock"),
            (self.restarts, "restarts of the database"),
            (self.read_while_full, "lists read while its disk was full"),
        ] {
            if times > 0 {
                // Writing to memory cannot fail.
                let _ = write!(sometimes, ", {times} {what}");
            }
        }
        let (deals, refused) = (self.deals.len(), &self.shop.refused);
        format!(
            "{deals} deals, {charged} payments, {} notifications, {} kills{sometimes}; refused for a while: {refused}",
            self.notified, self.kills
        )
    }

    /// One round: load, fault, the fault undone, every key answered, judgement.
    pub fn round(&mut self, number: usize, fault: Fault) -> Result<()> {
        self.ready_clock(fault)?;
        let customers = self.random.between(8, 64);
        let prefix = format!("{ORDERS}-{number}");
        let crowd = Crowd::start(&self.shop, customers, &prefix, self.nodes.len() > 1, &mut self.random)?;
        let gossip = Gossip::start(&self.shop, &mut self.random)?;
        self.hooks.misbehave(&mut self.random);
        let after = Duration::from_millis(self.random.between(100, 2_000));
        thread::sleep(after);
        let down = self.inflict(fault, &crowd)?;
        let answered = crowd.answered();
        let Worked { mut deals, deaths } = crowd.stop()?;
        self.notified += gossip.stop()?;
        let cut = if down.is_empty() && !fault.cuts_lines() { deaths.len() as u64 } else { 0 };
        ensure!(cut <= customers, "{cut} lines to a product that ran were cut, the first: {}", deaths[0]);
        let open = deals.iter_mut().filter_map(Deal::waiting).count();
        let settled_ms = self.undo(fault, &down, &mut deals)?;
        let earlier = self.deals.len();
        self.deals.extend(deals);
        self.right_clock(fault)?;
        self.let_time_pass()?;
        self.find_out(earlier)?;
        self.judge(earlier)?;
        let (after, harmed) = (after.as_millis(), if down.is_empty() { String::new() } else { format!(", {} down", down.len()) });
        say!(
            "  round {number}: {fault:?} after {after} ms, {customers} customers: {answered} answered, {open} open{harmed}, \
             settled in {settled_ms} ms; {} deals hold",
            self.deals.len()
        );
        Ok(())
    }

    /// The fault is over; every key gets its answer. Of several nodes, half of the times those left do it alone.
    fn undo(&mut self, fault: Fault, down: &[usize], deals: &mut [Deal]) -> Result<u128> {
        let alone = self.nodes.len() > 1 && self.random.percent(50);
        self.publish(if alone { down } else { &[] });
        if !alone {
            self.restart(down)?;
        }
        match fault {
            Fault::Acquirer => self.calm_acquirer(if alone { down } else { &[] })?,
            // The acquirer's books lie on the same disk: what it could not write down is to be asked again.
            Fault::DiskFull | Fault::DiskErrors => self.advance(ASKING_SECONDS)?,
            Fault::Kill | Fault::KillDatabase | Fault::Pause | Fault::CutConnections | Fault::Clock | Fault::Stop => {}
        }
        let began = Instant::now();
        let patience = if self.cluster.is_some() { PATIENCE_POSTGRES } else { PATIENCE_SQLITE };
        settle(&self.shop, deals, patience, &mut self.random)?;
        let settled_ms = began.elapsed().as_millis();
        if alone {
            self.restart(down)?;
        }
        Ok(settled_ms)
    }

    /// Starts nodes again on the same data and measures until the first payment.
    fn restart(&mut self, down: &[usize]) -> Result<()> {
        for &number in down {
            let began = Instant::now();
            self.start_node(number)?;
            let ready = self.nodes[number].ready_after;
            ensure!(ready <= self.ready_max, "ready only {} ms after the start", ready.as_millis());
            let order = format!("{ORDERS}-first-{}", self.deals.len());
            let mut first = vec![Deal::purchase(&self.shop.account, order, &mut self.random)];
            let own = Shop { nodes: Arc::new(RwLock::new(vec![self.nodes[number].address])), ..self.shop.clone() };
            settle(&own, &mut first, Duration::from_secs(FIRST_PAYMENT_SECONDS_MAX), &mut self.random)?;
            let paid = began.elapsed();
            ensure!(
                paid <= Duration::from_secs(FIRST_PAYMENT_SECONDS_MAX),
                "first payment only {} ms after the start",
                paid.as_millis()
            );
            say!("    ready in {} ms, first payment in {} ms", ready.as_millis(), paid.as_millis());
            self.deals.extend(first);
        }
        self.publish(&[]);
        Ok(())
    }

    /// Starts a node anew.
    pub fn start_node(&mut self, number: usize) -> Result<()> {
        self.nodes[number] = self.place.start_node(number as u64)?;
        Ok(())
    }

    /// Tells customers where the nodes are, but for these.
    pub fn publish(&self, without: &[usize]) {
        let alive = self.nodes.iter().enumerate().filter(|(number, _)| !without.contains(number));
        *self.shop.nodes.write().unwrap_or_else(PoisonError::into_inner) = alive.map(|(_, node)| node.address).collect();
    }

    /// Any of the nodes.
    pub fn any_node(&mut self) -> usize {
        usize::try_from(self.random.between(0, self.nodes.len() as u64 - 1)).unwrap_or_default()
    }

    /// A connection to some node that runs.
    pub fn line(&self) -> Result<Connection> {
        let address = self.shop.nodes.read().unwrap_or_else(PoisonError::into_inner).first().copied();
        Ok(Connection::open(address.context("a node that runs")?)?)
    }

    /// How to reach the product.
    pub fn shop(&self) -> &Shop {
        &self.shop
    }

    /// The header lines of the merchant's key.
    pub fn headers(&self) -> &str {
        &self.shop.headers
    }

    /// The acquirer answers again, and what is to be asked again is due at once.
    fn calm_acquirer(&self, down: &[usize]) -> Result<()> {
        for (_, node) in self.nodes.iter().enumerate().filter(|(number, _)| !down.contains(number)) {
            acquirer::behave(&mut node.connect()?, "normal")?;
        }
        self.advance(ASKING_SECONDS)
    }

    /// Moves the platform's clock, which is the sandbox's.
    pub fn advance(&self, seconds: u64) -> Result<()> {
        let body = format!(r#"{{"advance_seconds":{seconds}}}"#);
        let answer = self.line()?.ask(&Ask { method: "POST", path: "/dev/clock", headers: "", body: &body })?;
        ensure!(answer.status < 300, "POST /dev/clock answered {}", answer.short());
        Ok(())
    }

    /// What waits for time gets it.
    fn let_time_pass(&self) -> Result<()> {
        for seconds in LATER_SECONDS {
            self.advance(seconds)?;
            // Schedulers look once a second.
            thread::sleep(Duration::from_millis(1_100));
        }
        Ok(())
    }
}
