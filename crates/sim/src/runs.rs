//! Whole runs: of one seed, of many, twice for the same trace, and smaller and smaller as long as the same rule breaks.

use std::collections::BTreeSet;

use kernel::Currency;

use crate::faults::Fault;
use crate::payments_profile::{self, Payments};
use crate::profile::Profile;
use crate::realm::Holds;
use crate::world::{Failed, Held, Options, World};

/// What a run comes to.
pub type Ran = Result<Held, Box<Failed>>;

/// A profile as the command line knows it.
#[derive(Clone, Copy)]
pub struct Known {
    /// Its name.
    pub name: &'static str,
    /// What many seeds together should reach.
    pub reach: &'static [&'static str],
    /// One run.
    pub run: fn(&Options) -> Ran,
}

/// The profiles there are. A family adds a line.
pub const PROFILES: [Known; 1] = [Known { name: Payments::NAME, reach: Payments::REACH, run: payments_profile::run }];

/// The profile of this name.
pub fn profile(name: &str) -> Option<Known> {
    PROFILES.into_iter().find(|known| known.name == name)
}

/// One run of a profile whose tenants have these home currencies.
///
/// # Errors
/// The rule that broke, and where.
pub fn run<P: Profile>(options: &Options, profile: P, currencies: &[Currency]) -> Ran {
    let failed = |step, commit, breach| Box::new(Failed { seed: options.seed, step, commit, breach });
    let mut world = World::new(options, profile, currencies).map_err(|breach| failed(0, 0, breach))?;
    match steps(options, &mut world) {
        Ok(()) => Ok(world.held()),
        Err(breach) => Err(failed(world.desk.realm.step(), world.desk.realm.commits(), breach)),
    }
}

fn steps<P: Profile>(options: &Options, world: &mut World<P>) -> Holds {
    for step in 1..=options.steps {
        if !options.skip.contains(&step) {
            world.step(options.seed, step)?;
        }
    }
    world.settle()
}

/// Leaves out faults and steps as long as the same rule breaks; what is left is the shortest story found.
pub fn minimized(run: fn(&Options) -> Ran, options: &Options, failed: &Failed) -> (Options, Box<Failed>) {
    let mut best = options.clone();
    let mut failure = Box::new(failed.clone());
    // What comes after the breach cannot matter, unless it broke at the end.
    if failed.step < best.steps {
        best.steps = failed.step;
    }
    let breaks = |options: &Options| run(options).err().filter(|found| found.breach.rule == failed.breach.rule);
    match breaks(&best) {
        Some(found) => failure = found,
        None => best.steps = options.steps,
    }
    for fault in Fault::ALL {
        let mut fewer = best.clone();
        fewer.without.insert(fault);
        if let Some(found) = breaks(&fewer) {
            (best, failure) = (fewer, found);
        }
    }
    let mut size = best.steps.div_ceil(2).max(1);
    loop {
        for first in (1..=best.steps).step_by(size) {
            let skip: BTreeSet<usize> = best.skip.iter().copied().chain(first..first + size).collect();
            if skip.len() == best.skip.len() {
                continue;
            }
            let fewer = Options { skip, ..best.clone() };
            if let Some(found) = breaks(&fewer) {
                (best, failure) = (fewer, found);
            }
        }
        if size == 1 {
            return (best, failure);
        }
        size = size.div_ceil(2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Faults;
    use crate::place::Engine;

    /// A wild seed: most faults, several deaths.
    const SEED: u64 = 3;

    #[test]
    fn a_seed_gives_the_same_trace_twice_and_another_a_different_one() {
        let trace = |seed| (PROFILES[0].run)(&Options::of(seed, 40)).expect("it holds").hash;
        assert_eq!(trace(SEED), trace(SEED));
        assert_ne!(trace(SEED), trace(SEED + 1));
    }

    #[test]
    fn a_seed_gives_the_same_trace_twice_on_postgresql_too() {
        // Nothing that an acquirer is asked about for long, or it would take minutes.
        let only = Faults::only(&[(Fault::DieAfterCommit, 200), (Fault::Conflict, 40), (Fault::Webhook, 100)]);
        for nodes in [1, 2] {
            let only = Some(only.clone());
            let options = Options { engine: Engine::Postgres, nodes: Some(nodes), only, ..Options::of(SEED, 10) };
            let held = || (PROFILES[0].run)(&options).expect("it holds");
            let (one, other) = (held(), held());
            assert_eq!((one.hash, one.lines), (other.hash, other.lines), "with {nodes}");
            assert!(one.deaths > 0, "with {nodes}");
        }
    }

    #[test]
    fn every_profile_is_found_by_its_name_and_says_what_it_should_reach() {
        for known in PROFILES {
            assert_eq!(profile(known.name).map(|found| found.name), Some(known.name));
            assert!(!known.reach.is_empty());
        }
        assert!(profile("nothing").is_none());
    }
}
