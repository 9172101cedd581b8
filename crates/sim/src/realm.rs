//! What outlives a crash of the platform: chance, clock, trace, faults, and whether the node is alive.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kernel::{Clock, Timestamp};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::chance::Chance;
use crate::faults::{Fault, Faults};

/// When every run begins: 22 November 2026.
pub const START: Timestamp = Timestamp::from_seconds(1_795_305_600);

/// Which rule a run broke, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The rule's short name.
    pub rule: String,
    /// What was found.
    pub found: String,
}

impl Breach {
    /// A breach of this rule.
    pub fn of(rule: impl Into<String>, found: impl Into<String>) -> Breach {
        Breach { rule: rule.into(), found: found.into() }
    }
}

/// What holds, or the rule that does not.
pub type Holds = Result<(), Breach>;

/// Shared by everybody in a run. Cheap to clone.
#[derive(Clone)]
pub struct Realm(Arc<Shared>);

struct Shared {
    inside: Mutex<Inside>,
    died: Notify,
}

struct Inside {
    faulty: Chance,
    turns: Chance,
    faults: Faults,
    clock: Running,
    /// Which node is at work, or was last.
    at_work: usize,
    /// Nodes that died and were not started anew.
    dead: BTreeSet<usize>,
    /// When each living node last found that it had been taken for dead.
    given_up: BTreeMap<usize, Timestamp>,
    /// Whether lines of the trace say which node it was.
    several: bool,
    trace: Trace,
    /// The first rule a part of the world outside found broken.
    breach: Option<Breach>,
    /// How often each transition, fault and event was reached.
    reached: BTreeMap<String, u64>,
    step: usize,
    commits: u64,
    #[cfg(feature = "sabotage")]
    planted: Option<crate::sabotage::Defect>,
    aim: Option<Aim>,
}

/// One fault at one certain point.
#[derive(Clone, Debug)]
pub struct Aim {
    fault: Fault,
    /// At which of the points where it can strike, from 1.
    at: u64,
    passed: u64,
}

impl Aim {
    /// This fault, at this point.
    pub const fn at(fault: Fault, at: u64) -> Aim {
        Aim { fault, at, passed: 0 }
    }

    fn hits(&mut self, fault: Fault) -> bool {
        self.passed += u64::from(fault == self.fault);
        fault == self.fault && self.passed == self.at
    }
}

/// A clock that goes on where it stopped when the node and its runtime died.
struct Running {
    stopped_at: Timestamp,
    since: Option<Instant>,
}

/// What happened, as a hash that grows, and as lines when somebody wants to read them.
struct Trace {
    hash: u64,
    lines: u64,
    print: Option<usize>,
}

impl Realm {
    /// A fresh world; with `print`, each line of the trace from that step on is printed.
    pub fn new(seed: u64, without: &BTreeSet<Fault>, print: Option<usize>) -> Realm {
        let inside = Inside {
            faulty: Chance::of(seed, 2),
            turns: Chance::of(seed, 3),
            faults: Faults::drawn(&mut Chance::of(seed, 4), without),
            clock: Running { stopped_at: START, since: None },
            at_work: 0,
            dead: BTreeSet::new(),
            given_up: BTreeMap::new(),
            several: false,
            trace: Trace { hash: 0xcbf2_9ce4_8422_2325, lines: 0, print },
            breach: None,
            reached: BTreeMap::new(),
            step: 0,
            commits: 0,
            #[cfg(feature = "sabotage")]
            planted: None,
            aim: None,
        };
        Realm(Arc::new(Shared { inside: Mutex::new(inside), died: Notify::new() }))
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a fault strikes at this point.
    pub fn strikes(&self, fault: Fault) -> bool {
        let mut inside = self.inside();
        if let Some(aim) = &mut inside.aim {
            let hit = aim.hits(fault);
            if hit {
                *inside.reached.entry(format!("fault {fault:?}")).or_default() += 1;
            }
            return hit;
        }
        let rate = inside.faults.rate(fault);
        if rate == 0 || !inside.faulty.hits(rate) {
            return false;
        }
        *inside.reached.entry(format!("fault {fault:?}")).or_default() += 1;
        true
    }

    /// From now on nothing goes wrong by chance, only what is aimed at.
    pub fn aim(&self, aim: Aim) {
        self.inside().aim = Some(aim);
    }

    /// How many points were passed at which the aim could have struck.
    pub fn points_passed(&self) -> u64 {
        self.inside().aim.as_ref().map_or(0, |aim| aim.passed)
    }

    /// A draw about faults.
    pub fn draw<T>(&self, draw: impl FnOnce(&mut Chance) -> T) -> T {
        draw(&mut self.inside().faulty)
    }

    /// How many turns somebody waits, so that others come first; fewer than `end`.
    pub fn turns(&self, end: u64) -> u32 {
        u32::try_from(self.inside().turns.below(end)).unwrap_or(0)
    }

    /// The faults of this run.
    pub fn faults(&self) -> Faults {
        self.inside().faults.clone()
    }

    /// No faults from now on.
    pub fn calm(&self) {
        let mut inside = self.inside();
        inside.faults.calm();
        inside.aim = None;
    }

    /// Sets the faults, for tests that want one certain fault.
    pub fn set_faults(&self, faults: Faults) {
        self.inside().faults = faults;
    }

    /// A node is at work from now on.
    pub fn enter(&self, node: usize) {
        self.inside().at_work = node;
    }

    /// There is more than one node.
    pub fn tell_nodes_apart(&self) {
        self.inside().several = true;
    }

    /// Whether the node at work is alive. What it does after its death reaches nobody.
    pub fn alive(&self) -> bool {
        let inside = self.inside();
        !inside.dead.contains(&inside.at_work)
    }

    /// The node at work dies here: whoever drives it drops all that it has in memory.
    pub fn die(&self, how: impl fmt::Display) {
        self.note(format_args!("dies: {how}"));
        self.reach("node dies");
        let mut inside = self.inside();
        let node = inside.at_work;
        inside.dead.insert(node);
        drop(inside);
        self.0.died.notify_one();
    }

    /// Waits for the death of the node at work.
    pub async fn death(&self) {
        loop {
            self.0.died.notified().await;
            // It may have been another one, of which nobody waited for it.
            if !self.alive() {
                return;
            }
        }
    }

    /// A new node is in the place of the one that was last at work.
    pub fn revive(&self) {
        let mut inside = self.inside();
        let node = inside.at_work;
        inside.dead.remove(&node);
        inside.given_up.remove(&node);
    }

    /// The node at work finds that another one has taken over from it, because it was silent for so long.
    pub fn is_given_up(&self) {
        self.note("was taken for dead");
        self.reach("a living node is taken for dead");
        let mut inside = self.inside();
        let (node, now) = (inside.at_work, inside.clock.now());
        inside.given_up.insert(node, now);
    }

    /// Whether a node was taken for dead and found so at or after this time.
    pub fn was_given_up(&self, node: usize, since: Timestamp) -> bool {
        self.inside().given_up.get(&node).is_some_and(|found| *found >= since)
    }

    /// Adds a line to the trace.
    pub fn note(&self, line: impl fmt::Display) {
        let mut inside = self.inside();
        let (step, now) = (inside.step, inside.clock.now());
        let line = if inside.several {
            format!("{step:>4} {now} {}: {line}", inside.at_work)
        } else {
            format!("{step:>4} {now} {line}")
        };
        inside.trace.add(&line);
        if inside.trace.print.is_some_and(|from| inside.step >= from) {
            println(&line);
        }
    }

    /// The trace as one number, and how many lines it has.
    pub fn trace(&self) -> (u64, u64) {
        let inside = self.inside();
        (inside.trace.hash, inside.trace.lines)
    }

    /// Somebody outside saw a rule broken; the first counts.
    pub fn broken(&self, breach: Breach) {
        self.note(format_args!("broken: {}: {}", breach.rule, breach.found));
        self.inside().breach.get_or_insert(breach);
    }

    /// What was seen broken so far.
    ///
    /// # Errors
    /// The first breach.
    pub fn holds(&self) -> Holds {
        self.inside().breach.clone().map_or(Ok(()), Err)
    }

    /// Counts that something was reached.
    pub fn reach(&self, what: impl Into<String>) {
        *self.inside().reached.entry(what.into()).or_default() += 1;
    }

    /// Everything that was reached, with how often.
    pub fn reached(&self) -> BTreeMap<String, u64> {
        self.inside().reached.clone()
    }

    /// Which step the run is in.
    pub fn step(&self) -> usize {
        self.inside().step
    }

    /// The next step begins.
    pub fn set_step(&self, step: usize) {
        self.inside().step = step;
    }

    /// A batch was committed; how many there were.
    pub fn committed(&self) -> u64 {
        let mut inside = self.inside();
        inside.commits += 1;
        inside.commits
    }

    /// How many batches were committed.
    pub fn commits(&self) -> u64 {
        self.inside().commits
    }

    /// The time outside.
    pub fn now(&self) -> Timestamp {
        self.inside().clock.now()
    }

    /// Moves the clock, forwards or back.
    pub fn jump_micros(&self, micros: i64) {
        let mut inside = self.inside();
        inside.clock.stopped_at = inside.clock.stopped_at.plus_micros(micros);
    }

    /// The clock goes with the runtime that is being entered.
    pub fn start_clock(&self) {
        self.inside().clock.since = Some(Instant::now());
    }

    /// The clock stands until the next runtime.
    pub fn stop_clock(&self) {
        let mut inside = self.inside();
        inside.clock.stopped_at = inside.clock.now();
        inside.clock.since = None;
    }

    /// The clock as the platform is given it.
    pub fn clock(&self) -> RealmClock {
        RealmClock(self.clone())
    }
}

#[cfg(feature = "sabotage")]
impl Realm {
    /// Plants a defect.
    pub fn plant(&self, defect: crate::sabotage::Defect) {
        self.inside().planted = Some(defect);
    }

    /// Whether this defect is planted.
    pub fn is_planted(&self, defect: crate::sabotage::Defect) -> bool {
        self.inside().planted == Some(defect)
    }
}

impl Running {
    fn now(&self) -> Timestamp {
        let passed = self.since.map_or(0, |since| i64::try_from(since.elapsed().as_micros()).unwrap_or(0));
        self.stopped_at.plus_micros(passed)
    }
}

impl Trace {
    /// FNV-1a: not for secrets, only for comparing.
    fn add(&mut self, line: &str) {
        for byte in line.bytes().chain([b'\n']) {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.lines += 1;
    }
}

/// A realm's time, as the platform asks for it.
pub struct RealmClock(Realm);

impl Clock for RealmClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

/// Prints one line for people. A closed pipe is nobody's fault and ends nothing.
pub fn println(line: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}
