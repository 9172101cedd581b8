//! Whole runs: of one seed, of many, twice for the same trace, and smaller and smaller as long as the same rule breaks.

use std::collections::BTreeSet;

use kernel::Currency;

use crate::chance::Chance;
use crate::faults::Fault;
use crate::payments_profile::Payments;
use crate::profile::Profile;
use crate::realm::Holds;
use crate::world::{Failed, Held, Options, World};

/// The profiles there are.
pub const PROFILES: [&str; 1] = [Payments::NAME];

/// What the seeds of one change should reach; what they did not is printed.
pub const REACH: [&str; 12] = [
    "node dies",
    "clock jumps",
    "Purchase Done",
    "Authorise Done",
    "Capture Done",
    "Cancel Done",
    "Refund Done",
    "CancelOrRefund Done",
    "inquiry not found",
    "inquiry found",
    "bank raises a chargeback",
    "waiting Purchase ends Done",
];

/// One run of the `payments` profile.
///
/// # Errors
/// The rule that broke, and where.
pub fn payments(options: &Options) -> Result<Held, Box<Failed>> {
    let mut chance = Chance::of(options.seed, 1);
    let tenants = chance.between(2, 8);
    let homes = [Currency::EUR, Currency::JPY, Currency::KWD, Currency::NOK];
    let currencies: Vec<Currency> = (0..tenants).map(|_| *chance.pick(&homes).unwrap_or(&Currency::EUR)).collect();
    let kinds = usize::try_from(chance.between(2, 4)).unwrap_or(2);
    run(options, Payments::new(homes[..kinds].to_vec(), chance), &currencies)
}

fn run<P: Profile>(options: &Options, profile: P, currencies: &[Currency]) -> Result<Held, Box<Failed>> {
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
pub fn minimized(options: &Options, failed: &Failed) -> (Options, Box<Failed>) {
    let mut best = options.clone();
    let mut failure = Box::new(failed.clone());
    // What comes after the breach cannot matter, unless it broke at the end.
    if failed.step < best.steps {
        best.steps = failed.step;
    }
    let breaks = |options: &Options| payments(options).err().filter(|found| found.breach.rule == failed.breach.rule);
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
