//! `cargo xtask bench`: how fast, compared with what, measured in the same minutes on the same disk (60 section 6).

pub mod baseline;
pub mod cases;
pub mod client;
pub mod machine;
pub mod part;
pub mod report;
pub mod requests;
pub mod single;
pub mod stage;
pub mod writeback;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;
use serde_json::json;
use testkit::postgres::{Cluster, Durability};

use self::cases::{CASES, Case, PAY_64, Ratio, Single};
use self::machine::{Machine, Weather};
use self::report::{OpenRound, Outcome, Round, Row, Run};
use self::stage::Stage;
use self::writeback::{Early, Writeback};
use crate::number::grouped;
use crate::product::{self, Engine};
use crate::{say, shell};

/// How long an open loop runs.
const OPEN_LOOP: Duration = Duration::from_secs(30);
/// Log files of 16 MiB that are there before the first round: more than any part writes.
const LOG_FILES: u32 = 200;

/// What to measure, and how long.
#[derive(Args, Debug)]
pub struct Options {
    /// Family to measure; `payments` is all there is.
    #[arg(value_parser = ["payments"])]
    family: Option<String>,
    /// Only these lines of the table, for example P1,P1s.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Rounds of each line [default: 5].
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds of each half of a round, after two seconds of warm-up [default: 5].
    #[arg(long)]
    seconds: Option<u64>,
    /// Three rounds of three seconds.
    #[arg(long)]
    quick: bool,
    /// Append the JSON lines to this file as well as to bench/results.jsonl.
    #[arg(long)]
    out: Option<PathBuf>,
    /// When the kernel carries written pages to the disk while we measure: early, as operators are told to have it, or as it is.
    #[arg(long, value_enum, default_value_t)]
    writeback: Writeback,
    /// Renew the table of docs/performance.md.
    #[arg(long)]
    publish: bool,
    /// Measure the binary of the last release build as it is.
    #[arg(long, hide = true)]
    built: bool,
}

/// Measures; the client must not be a debug build, so the first call builds both and hands over.
pub fn run(options: &Options) -> Result<()> {
    let chosen = choose(&options.only)?;
    if !options.built {
        return hand_over();
    }
    let target = std::env::current_exe()?;
    let binary = target.with_file_name("guichet");
    let rounds = options.rounds.unwrap_or(if options.quick { 3 } else { 5 });
    let seconds = options.seconds.unwrap_or(if options.quick { 3 } else { 5 });
    ensure!(rounds > 0 && seconds > 0, "at least one round of one second");
    let run = Run { commit: commit()?, at: shell::output("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"])?, machine: Machine::look()? };
    let Machine { cpu, cores, kernel, postgres, .. } = &run.machine;
    say!("{cores} cores ({cpu}), Linux {kernel}, {postgres}, commit {}", run.commit);
    let _early = if options.writeback == Writeback::Early { Early::begin()? } else { None };
    let cluster = Cluster::start(Durability::Full)?;
    work_in(&cluster)?;
    let bench = Bench { options, run, binary, cluster, rounds, seconds };
    let mut rows = Vec::new();
    for case in chosen {
        rows.push(bench.case(case)?);
    }
    if options.publish {
        report::publish(&shell::root().join("docs/performance.md"), &bench.run, &rows)?;
    }
    Ok(())
}

/// Makes the cluster's log files beforehand. A server that has been running writes its log into files it has already; a new one fills
/// each with zeros first, which a payment's 3 kB of log would pay for three times as often as the baseline's 1 kB.
fn work_in(cluster: &Cluster) -> Result<()> {
    cluster.psql("postgres", "ALTER SYSTEM SET min_wal_size = '4GB'")?;
    cluster.psql("postgres", "SELECT pg_reload_conf()")?;
    let fill =
        format!("SELECT pg_logical_emit_message(false, 'bench', ''), pg_switch_wal() FROM generate_series(1, {LOG_FILES})");
    cluster.psql("postgres", &fill)?;
    // From here on the checkpoint of each part gives the files back to be used again.
    cluster.psql("postgres", "CHECKPOINT")?;
    Ok(())
}

fn choose(only: &[String]) -> Result<Vec<&'static Case>> {
    let known = |name: &String| CASES.iter().any(|case| case.name().eq_ignore_ascii_case(name));
    let names: Vec<&str> = CASES.iter().map(Case::name).collect();
    if let Some(unknown) = only.iter().find(|name| !known(name)) {
        anyhow::bail!("there is no {unknown}; known are {}", names.join(", "));
    }
    let wanted = |case: &&Case| only.is_empty() || only.iter().any(|name| case.name().eq_ignore_ascii_case(name));
    Ok(CASES.iter().filter(wanted).collect())
}

fn hand_over() -> Result<()> {
    shell::run("cargo", &["build", "--release", "--locked", "--package", "xtask"])?;
    let guichet = product::build(true)?;
    let status = Command::new(guichet.with_file_name("xtask")).args(std::env::args_os().skip(1)).arg("--built").status()?;
    ensure!(status.success(), "the benchmark ended with {status}");
    Ok(())
}

fn commit() -> Result<String> {
    let changed = shell::output("git", &["status", "--porcelain"])?;
    let commit = shell::output("git", &["rev-parse", "--short", "HEAD"]).unwrap_or_else(|_| "none".into());
    Ok(if changed.is_empty() { commit } else { commit + "+" })
}

/// One run.
struct Bench<'a> {
    options: &'a Options,
    run: Run,
    binary: PathBuf,
    cluster: Cluster,
    rounds: usize,
    seconds: u64,
}

impl Bench<'_> {
    fn case(&self, case: &Case) -> Result<Row> {
        match case {
            Case::Ratio(ratio) => self.ratio(ratio),
            Case::Single(name, single, engine) => self.single(name, *single, *engine),
        }
    }

    /// Rounds A, B, A, B …, then the proof that what was acknowledged is true.
    fn ratio(&self, case: &Ratio) -> Result<Row> {
        say!("{}: {} on {}, divided by {}", case.name, case.workload, case.engine, case.divisor);
        let mut stage = Stage::set(&self.binary, &self.cluster, case.engine, [case.a, case.b])?;
        let mut rounds = Vec::new();
        for number in 1..=self.rounds {
            let weather = Weather::probe(self.cluster.directory())?;
            let (p50, p99, load) = (weather.fdatasync_p50_us, weather.fdatasync_p99_us, &weather.load);
            say!("  round {number}: fdatasync p50 {p50} us, p99 {p99} us, load {load}");
            let a = stage.part(case.a, self.seconds)?;
            say!("    A {}", a.line());
            let b = stage.part(case.b, self.seconds)?;
            say!("    B {}", b.line());
            rounds.push(Round { weather, a, b });
        }
        stage.prove()?;
        let outcome = Outcome::judge(&self.run, case, rounds)?;
        say!("{}", outcome.line());
        self.keep(&outcome)?;
        Ok(outcome.row())
    }

    fn single(&self, name: &'static str, single: Single, engine: Engine) -> Result<Row> {
        let weather = Weather::probe(self.cluster.directory())?;
        match single {
            Single::Growth => {
                let bytes = single::growth(&self.binary, &self.cluster, engine)?;
                let verdict = report::reached(bytes <= 2_000, bytes <= 800, bytes <= 450);
                say!("{name}: {engine} grows by {bytes} bytes for a payment: {verdict}");
                self.keep(
                    &json!({"p": name, "run": self.run, "weather": weather, "bytes_per_payment": bytes, "verdict": verdict}),
                )?;
                let workload = format!("growth of the database for a payment, {engine}");
                Ok(Row::single(name, &workload, &format!("{bytes} B"), "2 000 / 800 / 450 B", verdict, &weather))
            }
            Single::OpenLoop => self.open_loop(name, engine),
            Single::Memory => {
                let (idle, full) = single::memory(&self.binary, &self.cluster, engine)?;
                let within = |idle_mb: u64, full_mb: u64| idle <= idle_mb * 1_000 && full <= full_mb * 1_000;
                let verdict = report::reached(within(100, 400), within(30, 150), within(15, 80));
                say!(
                    "{name}: on {engine} {} KiB idle, {} KiB with 10,000 idle connections: {verdict}",
                    grouped(idle),
                    grouped(full)
                );
                self.keep(&json!({"p": name, "run": self.run, "weather": weather, "idle_kib": idle, "full_kib": full, "verdict": verdict}))?;
                let workload = format!("resident memory, idle / 10 000 idle connections, {engine}");
                let ours = format!("{} / {} MB", idle.div_ceil(1_000), full.div_ceil(1_000));
                Ok(Row::single(name, &workload, &ours, "100/400, 30/150, 15/80 MB", verdict, &weather))
            }
        }
    }

    /// Rounds of P1 and, at half its rate, of an open loop.
    fn open_loop(&self, name: &'static str, engine: Engine) -> Result<Row> {
        say!("{name}: an open loop at half of the rate of P1 on {engine}");
        let mut stage = Stage::set(&self.binary, &self.cluster, engine, [PAY_64, PAY_64])?;
        let mut rounds = Vec::new();
        for number in 1..=self.rounds {
            let weather = Weather::probe(self.cluster.directory())?;
            let closed = stage.part(PAY_64, self.seconds)?;
            let paced = stage.open_loop(closed.per_second / 2, OPEN_LOOP)?;
            let round = OpenRound { weather, per_second: closed.per_second / 2, p50_us: paced.p50_us, p99_us: paced.p99_us };
            say!("  round {number}: {}", round.line());
            if closed.errors + paced.errors == 0 {
                rounds.push(round);
            }
        }
        stage.prove()?;
        let (ratio, verdict) = report::open_loop(&rounds)?;
        say!("{name}: p99 / p50 {} ({} to {}): {verdict}", ratio.median, ratio.min, ratio.max);
        self.keep(&json!({"p": name, "run": self.run, "rounds": rounds, "ratio": ratio, "verdict": verdict}))?;
        Ok(OpenRound::row(name, engine, &rounds, ratio, verdict))
    }

    fn keep(&self, line: &impl serde::Serialize) -> Result<()> {
        let own = shell::root().join("bench/results.jsonl");
        let all = std::iter::once(own.as_path()).chain(self.options.out.as_deref().map(Path::new));
        all.into_iter().try_for_each(|path| report::append(path, line))
    }
}
