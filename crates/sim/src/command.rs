//! The command line: which seeds, how long, and what is printed.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;

use crate::payments_profile::flows::Flow;
use crate::place::Engine;
use crate::realm::println;
use crate::runs::{self, Known, Ran};
use crate::world::{Failed, Held, Options};

/// Seeds of a run that names none.
const SEEDS: u64 = 200;
/// Steps of a run that names none: with them, two hundred seeds take about a minute on two quiet processors without optimisation.
const STEPS: usize = 100;
/// Of so many of them the trace is made twice and compared.
const TWICE: usize = 10;
/// A run takes about a second; one that takes so long waits for something that never comes.
const RUN_SECONDS_MAX: u64 = 180;

/// What `cargo xtask sim` takes.
#[derive(Parser, Debug)]
#[command(name = "cargo xtask sim", about = "Runs the real services against scripted peers, driven by seeds")]
#[expect(clippy::struct_excessive_bools, reason = "they are the switches of a command line")]
pub struct Arguments {
    /// Runs this seed alone
    #[arg(long)]
    seed: Option<u64>,
    /// Runs so many fresh seeds, or those of a range `A..B`
    #[arg(long, default_value_t = SEEDS.to_string())]
    seeds: String,
    /// Steps of each run
    #[arg(long, default_value_t = STEPS)]
    steps: usize,
    /// Whose clients
    #[arg(long, default_value = "payments")]
    profile: String,
    /// On which database: a file, or a private PostgreSQL
    #[arg(long, value_enum, default_value_t)]
    engine: Engine,
    /// So many nodes on one database, on PostgreSQL; drawn from the seed when nothing is said
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=3))]
    nodes: Option<u8>,
    /// Prints each line of the trace; with `--seed`
    #[arg(long)]
    trace: bool,
    /// Ends after this step
    #[arg(long)]
    until: Option<usize>,
    /// Leaves out steps and faults as long as the same rule breaks
    #[arg(long)]
    minimize: bool,
    /// Runs the seed twice and compares the traces; with `--seed`
    #[arg(long)]
    replay: bool,
    /// Runs the seeds of sim/seeds.txt too
    #[arg(long)]
    list: bool,
    /// Prints what was reached and how often
    #[arg(long)]
    reach: bool,
    /// Plants one defect after the other and sees whether each is found
    #[arg(long)]
    sabotage: bool,
    /// Runs each flow with every step repeated, with an error at every point, and with a death at every point
    #[arg(long)]
    flows: bool,
}

/// Runs what is asked for; whether everything held.
///
/// # Errors
/// An argument that makes no sense.
pub fn run(arguments: &Arguments) -> Result<bool> {
    let names = runs::PROFILES.map(|known| known.name).join(", ");
    let Some(profile) = runs::profile(&arguments.profile) else {
        bail!("there is no profile `{}`; there are: {names}", arguments.profile);
    };
    if arguments.engine == Engine::Sqlite && arguments.nodes.is_some_and(|nodes| nodes > 1) {
        bail!("one node at a time serves on a SQLite file; several need `--engine postgres`");
    }
    arguments.engine.prepare()?;
    if arguments.sabotage {
        return sabotaged(arguments, profile);
    }
    if arguments.flows {
        return Ok(flows(arguments.engine));
    }
    if let Some(seed) = arguments.seed {
        return Ok(one(arguments, profile, seed));
    }
    let fresh = range(&arguments.seeds)?;
    println(&format!(
        "sim: seeds {}..{}, {} steps each, on {}",
        fresh.start,
        fresh.end,
        arguments.steps,
        arguments.engine.name()
    ));
    let mut seeds: Vec<Options> = fresh.map(|seed| options(arguments, seed)).collect();
    if arguments.list {
        let listed: Vec<Options> = listed()?.into_iter().map(|seed| Options { engine: arguments.engine, ..seed }).collect();
        println(&format!("sim: and {} seeds of the list", listed.len()));
        seeds.splice(0..0, listed);
    }
    Ok(many(arguments, profile, &seeds))
}

fn options(arguments: &Arguments, seed: u64) -> Options {
    let steps = arguments.until.unwrap_or(arguments.steps);
    let print = (arguments.trace && arguments.seed.is_some()).then_some(0);
    Options { print, engine: arguments.engine, nodes: arguments.nodes.map(usize::from), ..Options::of(seed, steps) }
}

fn one(arguments: &Arguments, profile: Known, seed: u64) -> bool {
    let options = options(arguments, seed);
    match (profile.run)(&options) {
        Ok(held) => {
            println(&format!("sim held: seed={seed} trace={:016x} lines={} deaths={}", held.hash, held.lines, held.deaths));
            if arguments.reach {
                print_reached(&held.reached);
            }
            !arguments.replay || same(profile, &options, &held)
        }
        Err(failed) => {
            report(arguments, &options, &failed);
            if arguments.minimize {
                let (fewer, failed) = runs::minimized(profile.run, &options, &failed);
                println(&format!(
                    "sim: the shortest story found: {} of {} steps, without {:?}",
                    fewer.steps - fewer.skip.len(),
                    options.steps,
                    fewer.without
                ));
                let _shown = (profile.run)(&Options { print: Some(0), ..fewer });
                report(arguments, &options, &failed);
            }
            false
        }
    }
}

/// Whether the same seed gives the same trace.
fn same(profile: Known, options: &Options, first: &Held) -> bool {
    let again = (profile.run)(&Options { print: None, ..options.clone() });
    let equal = again.as_ref().is_ok_and(|again| (again.hash, again.lines) == (first.hash, first.lines));
    if !equal {
        println(&format!("sim failed: seed={} rule=determinism: two runs of one seed left two traces", options.seed));
    }
    equal
}

/// Runs them on all processors; the results in the order of the seeds, and whether each ran the same way a second time.
fn all(profile: Known, seeds: &[Options]) -> Vec<(Ran, bool)> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..processors.min(seeds.len()) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(options) = seeds.get(number) else { return };
                    let _watched = watch(options.seed);
                    let ran = (profile.run)(options);
                    let again = number >= TWICE || ran.as_ref().map_or(true, |held| same(profile, options, held));
                    done.lock().unwrap_or_else(PoisonError::into_inner).insert(number, (ran, again));
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

/// Ends everything, naming the seed, when what is returned is still there after [`RUN_SECONDS_MAX`].
fn watch(seed: u64) -> Sender<()> {
    let (over, is_over) = mpsc::channel();
    std::thread::spawn(move || {
        if is_over.recv_timeout(Duration::from_secs(RUN_SECONDS_MAX)) == Err(RecvTimeoutError::Timeout) {
            println(&format!("sim failed: seed={seed} rule=liveness: the run is not over after {RUN_SECONDS_MAX} s"));
            std::process::exit(1);
        }
    });
    over
}

fn many(arguments: &Arguments, profile: Known, seeds: &[Options]) -> bool {
    let (mut reached, mut lines, mut deaths, mut failures) = (BTreeMap::new(), 0, 0, 0_usize);
    for ((ran, again), options) in all(profile, seeds).into_iter().zip(seeds) {
        failures += usize::from(!again);
        match ran {
            Ok(held) => {
                lines += held.lines;
                deaths += held.deaths;
                for (what, often) in held.reached {
                    *reached.entry(what).or_default() += often;
                }
            }
            Err(failed) => {
                failures += 1;
                report(arguments, options, &failed);
            }
        }
    }
    if arguments.reach {
        print_reached(&reached);
    }
    let never: Vec<&str> = profile.reach.iter().copied().filter(|what| !reached.contains_key(*what)).collect();
    if !never.is_empty() {
        println(&format!("sim: never reached: {}", never.join(", ")));
    }
    println(&format!("sim: {} seeds, {failures} failed, {lines} events, {deaths} deaths", seeds.len()));
    failures == 0
}

/// Plants one defect after the other and looks how many seeds it takes to find each; whether all were found.
#[cfg(feature = "sabotage")]
fn sabotaged(arguments: &Arguments, profile: Known) -> Result<bool> {
    use crate::sabotage::Defect;

    let seeds: Vec<u64> =
        if arguments.seeds == SEEDS.to_string() { (0..SEEDS).collect() } else { range(&arguments.seeds)?.collect() };
    let mut missed = 0;
    for defect in Defect::ALL {
        kernel::sabotage::plant(defect.inside());
        let planted = |seed: &u64| Options { planted: Some(defect), ..options(arguments, *seed) };
        let found = seeds.iter().enumerate().find_map(|(tried, seed)| Some((tried, (profile.run)(&planted(seed)).err()?)));
        if let Some((tried, failed)) = found {
            let found: String = failed.breach.found.chars().take(120).collect();
            let (tried, of, rule) = (tried + 1, seeds.len(), failed.breach.rule);
            println(&format!("sabotage: {defect:?}: found by seed {tried} of {of}: {rule}: {found}"));
        } else {
            missed += 1;
            println(&format!("sabotage: {defect:?}: not found by {} seeds", seeds.len()));
        }
    }
    kernel::sabotage::plant(None);
    println(&format!("sabotage: {} defects, {missed} not found", Defect::ALL.len()));
    Ok(missed == 0)
}

#[cfg(not(feature = "sabotage"))]
fn sabotaged(_arguments: &Arguments, _profile: Known) -> Result<bool> {
    bail!("defects can be planted only in a build with `--features sabotage`")
}

/// Each flow, disturbed in every way at every point.
fn flows(engine: Engine) -> bool {
    let mut failures = 0;
    for flow in Flow::ALL {
        match flow.everywhere(engine) {
            Ok(points) => println(&format!("flow {flow:?}: holds, with {points} disturbances one at a time")),
            Err((what, failed)) => {
                failures += 1;
                println(&format!("flow failed: {flow:?}, {what}: rule={}: {}", failed.breach.rule, failed.breach.found));
            }
        }
    }
    failures == 0
}

fn print_reached(reached: &BTreeMap<String, u64>) {
    for (what, often) in reached {
        println(&format!("{often:>8}  {what}"));
    }
}

fn report(arguments: &Arguments, options: &Options, failed: &Failed) {
    let Failed { seed, step, commit, breach } = failed;
    let (profile, engine) = (&arguments.profile, options.engine.name());
    println(&format!(
        "sim failed: seed={seed} profile={profile} engine={engine} step={step} commit={commit} rule={}: {}",
        breach.rule, breach.found
    ));
    let nodes = options.nodes.map_or_else(String::new, |nodes| format!(" --nodes {nodes}"));
    let steps = options.steps;
    println(&format!("    cargo xtask sim --profile {profile} --engine {engine}{nodes} --seed {seed} --steps {steps} --trace"));
}

/// `N` fresh seeds, or those from `A` to before `B`.
fn range(text: &str) -> Result<Range<u64>> {
    let number = |text: &str| text.parse::<u64>().with_context(|| format!("`{text}` is no number of seeds"));
    if let Some((first, end)) = text.split_once("..") {
        return Ok(number(first)?..number(end)?);
    }
    let first = fresh();
    Ok(first..first + number(text)?)
}

/// A seed nobody chose.
fn fresh() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish() >> 32
}

/// The seeds that once found something, with as many steps as it took: `seed steps why`.
fn listed() -> Result<Vec<Options>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds.txt");
    let text = std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| listed_seed(line).with_context(|| format!("`{line}` is not `seed steps why`"))).collect()
}

fn listed_seed(line: &str) -> Option<Options> {
    let mut words = line.split_whitespace();
    let (seed, steps) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    words.next().map(|_why| Options::of(seed, steps))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_seeds_can_be_read_and_each_says_why() {
        assert!(!listed().expect("a list").is_empty());
        assert!(listed_seed("3 120").is_none());
        let one = listed_seed("3 120 a reason").expect("a seed");
        assert_eq!((one.seed, one.steps), (3, 120));
    }

    #[test]
    fn seeds_are_a_number_or_a_range() {
        assert_eq!(range("4..9").expect("a range"), 4..9);
        let fresh = range("5").expect("a number");
        assert_eq!(fresh.end - fresh.start, 5);
        assert!(range("five").is_err());
    }
}
