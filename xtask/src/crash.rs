//! `cargo xtask crash`: the real binary under load, harmed at any moment, started again on the same data, and judged
//! (60 section 4): what was acknowledged is stored and charged, once; a repeated key gives the same bytes whether its
//! first answer was read or not; receivers were told what was committed; `guichet verify --settled` holds.

pub mod clock;
pub mod customers;
pub mod deal;
pub mod disk;
pub mod faults;
pub mod gossip;
pub mod harness;
pub mod hooks;
pub mod judge;
pub mod left;
pub mod line;
pub mod operation;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use testkit::postgres::{Cluster, Durability};

use self::disk::SmallDisk;
use self::faults::Fault;
use self::harness::{Ground, Harness};
use crate::product::{self, Engine};
use crate::random::Random;
use crate::say;

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
    /// Engines, one after the other [default: both; with several nodes PostgreSQL].
    #[arg(long, value_delimiter = ',', value_enum)]
    engine: Vec<Engine>,
    /// Faults, in turn.
    #[arg(long, value_delimiter = ',', value_enum, ignore_case = true, default_values = ["F1", "F7"])]
    faults: Vec<Fault>,
    /// Processes on one database; more than one only on PostgreSQL.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=4))]
    nodes: u64,
    /// Test a release build; without it the debug build that the tests use too.
    #[arg(long)]
    release: bool,
}

impl Options {
    /// The rounds of `cargo xtask ci`.
    pub fn short(seconds: u64) -> Options {
        let faults = vec![Fault::Kill, Fault::Acquirer];
        Options { seed: None, rounds: 20, seconds: Some(seconds), engine: vec![Engine::Sqlite], faults, nodes: 1, release: false }
    }

    fn engines(&self) -> Result<Vec<Engine>> {
        let engines = match (self.engine.is_empty(), self.nodes) {
            (false, _) => self.engine.clone(),
            (true, 1) => vec![Engine::Sqlite, Engine::Postgres],
            (true, _) => vec![Engine::Postgres],
        };
        ensure!(self.nodes == 1 || !engines.contains(&Engine::Sqlite), "SQLite has one serving process");
        Ok(engines)
    }
}

/// Runs the rounds; the first broken promise ends them.
pub fn run(options: &Options) -> Result<()> {
    let engines = options.engines()?;
    let binary = product::build(options.release)?;
    let seed = options.seed.unwrap_or_else(Random::any_seed);
    for engine in engines {
        let told = |error: anyhow::Error| error.context(format!("crash failed: seed={seed} engine={engine}"));
        on_engine(options, &binary, engine, seed).map_err(told)?;
    }
    Ok(())
}

/// What the chosen faults need beforehand.
fn ground(options: &Options, engine: Engine) -> Result<Ground> {
    let (release, clock) = (options.release, options.faults.contains(&Fault::Clock));
    if engine == Engine::Sqlite {
        return Ok(Ground { release, cluster: None, disk: None, clock });
    }
    if !options.faults.contains(&Fault::DiskFull) {
        return Ok(Ground { release, cluster: Some(Cluster::start(Durability::Full)?), disk: None, clock });
    }
    let disk = SmallDisk::mount()?;
    let cluster = Cluster::start_in(disk.path(), Durability::Full)?;
    SmallDisk::suit(&cluster)?;
    Ok(Ground { release, cluster: Some(cluster), disk: Some(disk), clock })
}

fn on_engine(options: &Options, binary: &Path, engine: Engine, seed: u64) -> Result<()> {
    let began = Instant::now();
    say!("crash: {engine}, {} nodes, seed {seed}", options.nodes);
    let mut harness = Harness::start(binary, ground(options, engine)?, options.nodes, seed)?;
    let mut rounds = 0;
    let possible = |fault: &&Fault| fault.strikes(engine);
    for fault in options.faults.iter().filter(possible).cycle().take(options.rounds) {
        if options.seconds.is_some_and(|seconds| began.elapsed() > Duration::from_secs(seconds)) {
            break;
        }
        rounds += 1;
        if let Err(error) = harness.round(rounds, *fault) {
            let kept = harness.keep();
            return Err(error.context(format!("round {rounds}, data and log kept in {}", kept.display())));
        }
    }
    ensure!(rounds > 0, "no round was run");
    say!("crash: {engine}, seed {seed}: {}, {rounds} rounds, 0 lost, 0 double", harness.summary());
    Ok(())
}
