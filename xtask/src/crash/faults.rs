//! What happens to the product while customers work.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use super::customers::Crowd;
use super::harness::Harness;
use crate::acquirer;
use crate::http::Ask;
use crate::product::Engine;

/// How long a killed database stays away; the last one is longer than a writer waits to learn what became of its commit.
const OUTAGES_MS: [u64; 4] = [0, 500, 3_000, 35_000];
/// From SIGTERM to the end of the process.
const DRAIN_MAX: Duration = Duration::from_secs(10);
/// The lease of a process that stands still has run out after this.
const PAUSE_SECONDS: [u64; 2] = [95, 110];
/// A process without another one beside it stands still for less: nobody takes over.
const SHORT_PAUSE_SECONDS: [u64; 2] = [5, 30];
/// After a fault the others go on alone for so long.
const ALONE_MS: [u64; 2] = [2_000, 6_000];

/// What happens to the product.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Fault {
    /// SIGKILL of the service with payments in flight.
    #[value(name = "F1")]
    Kill,
    /// SIGKILL of all PostgreSQL processes, started again after a while; on SQLite skipped.
    #[value(name = "F2")]
    KillDatabase,
    /// SIGSTOP of the service, of several nodes past its lease, then CONT.
    #[value(name = "F3")]
    Pause,
    /// The disk is full for a while: the product's, or the database server's.
    #[value(name = "F4")]
    DiskFull,
    /// Writes or syncs of the disk fail for a while; likewise.
    #[value(name = "F5")]
    DiskErrors,
    /// The acquirer falls silent before or after acting, is slow or down; half of the times with a SIGKILL on top.
    #[value(name = "F7")]
    Acquirer,
    /// Connections of the database are cut again and again; on SQLite skipped.
    #[value(name = "F9")]
    CutConnections,
    /// The clock of the product's machine is set a day ahead and an hour back, or goes through days that are special; half of the times
    /// with a SIGKILL on top.
    #[value(name = "F10")]
    Clock,
    /// SIGTERM with requests in flight; with several nodes one after the other is started anew.
    #[value(name = "F29")]
    Stop,
}

impl Fault {
    /// Whether it can happen on this engine.
    pub fn strikes(self, engine: Engine) -> bool {
        match self {
            Fault::KillDatabase | Fault::CutConnections => engine == Engine::Postgres,
            Fault::Kill | Fault::Pause | Fault::DiskFull | Fault::DiskErrors | Fault::Acquirer | Fault::Clock | Fault::Stop => {
                true
            }
        }
    }

    /// Whether lines may die: the product ends, stands still, or is started anew.
    pub fn cuts_lines(self) -> bool {
        matches!(self, Fault::Kill | Fault::Pause | Fault::Stop)
    }
}

impl Harness {
    /// Does the harm; the nodes that do not run any more. With several nodes those that are left are seen to go on.
    pub fn inflict(&mut self, fault: Fault, crowd: &Crowd) -> Result<Vec<usize>> {
        let one = self.any_node();
        let before = crowd.answered();
        let down = match fault {
            Fault::Kill => {
                self.nodes[one].kill()?;
                self.kills += 1;
                vec![one]
            }
            Fault::KillDatabase => {
                self.kill_database()?;
                Vec::new()
            }
            Fault::Pause => {
                self.pause(one)?;
                Vec::new()
            }
            Fault::DiskFull | Fault::DiskErrors => {
                self.upset_disk(one, fault)?;
                Vec::new()
            }
            Fault::Clock => self.move_clock(0, crowd)?,
            Fault::Acquirer => self.upset_acquirer(one)?,
            Fault::CutConnections => {
                self.cut_connections()?;
                Vec::new()
            }
            Fault::Stop => self.stop_in_turn()?,
        };
        if self.nodes.len() > 1 {
            thread::sleep(Duration::from_millis(self.random.between(ALONE_MS[0], ALONE_MS[1])));
            let went_on = crowd.answered() > before;
            ensure!(went_on || fault == Fault::Acquirer, "after {fault:?} the other nodes answered nothing");
        }
        Ok(down)
    }

    fn kill_database(&mut self) -> Result<()> {
        let outage = Duration::from_millis(self.random.pick(&OUTAGES_MS));
        let cluster = self.cluster.as_ref().context("a database that can be killed")?;
        cluster.kill()?;
        self.kills += 1;
        thread::sleep(outage);
        cluster.restart()?;
        thread::sleep(Duration::from_secs(1));
        Ok(())
    }

    fn pause(&mut self, one: usize) -> Result<()> {
        let [least, most] = if self.nodes.len() > 1 { PAUSE_SECONDS } else { SHORT_PAUSE_SECONDS };
        let seconds = self.random.between(least, most);
        self.nodes[one].signal("STOP")?;
        thread::sleep(Duration::from_secs(seconds));
        self.nodes[one].signal("CONT")?;
        thread::sleep(Duration::from_secs(2));
        Ok(())
    }

    fn upset_acquirer(&mut self, one: usize) -> Result<Vec<usize>> {
        let mode = self.random.pick(&["timeout_after_charge", "timeout_before_charge", "error_after_charge", "down", "slow_ms"]);
        let of = self.random.pick(&[None, Some("sandbox"), Some("sandbox_b")]);
        for node in &self.nodes {
            acquirer::behave_as(&mut node.connect()?, mode, of)?;
        }
        thread::sleep(Duration::from_millis(self.random.between(200, 3_000)));
        if !self.random.percent(50) {
            return Ok(Vec::new());
        }
        self.nodes[one].kill()?;
        self.kills += 1;
        Ok(vec![one])
    }

    /// Some connection of the product or of its acquirer is ended, again and again.
    fn cut_connections(&mut self) -> Result<()> {
        let until = Instant::now() + Duration::from_millis(self.random.between(1_000, 5_000));
        while Instant::now() < until {
            let database = self.place.database().context("a database whose connections can be cut")?;
            database.psql(
                "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1) AS one",
            )?;
            thread::sleep(Duration::from_millis(self.random.between(20, 300)));
        }
        Ok(())
    }

    /// SIGTERM: what is under way is finished, no more is begun. With several nodes each is stopped and started again in turn.
    fn stop_in_turn(&mut self) -> Result<Vec<usize>> {
        if self.nodes.len() == 1 {
            self.drain(0)?;
            return Ok(vec![0]);
        }
        for one in 0..self.nodes.len() {
            self.drain(one)?;
            self.start_node(one)?;
            self.publish(&[]);
            thread::sleep(Duration::from_millis(self.random.between(200, 1_000)));
        }
        Ok(Vec::new())
    }

    fn drain(&mut self, one: usize) -> Result<()> {
        let node = &mut self.nodes[one];
        let mut line = node.connect()?;
        let began = Instant::now();
        node.signal("TERM")?;
        // A readiness probe must send nobody here any more; the signal may take a moment to arrive.
        thread::sleep(Duration::from_millis(100));
        let probed = line.ask(&Ask { method: "GET", path: "/readyz", headers: "", body: "" });
        ensure!(probed.as_ref().map_or(true, |answer| answer.status == 503), "/readyz after SIGTERM: {probed:?}");
        node.ended_well(DRAIN_MAX.saturating_sub(began.elapsed()))
    }
}
