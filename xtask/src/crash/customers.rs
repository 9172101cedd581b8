//! Customers at work: each has a line of its own and its own deals, so what it knows of them is exact.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};

use super::deal::Deal;
use super::line::{Line, Outcome};
use crate::random::Random;

/// A customer who is told "later" takes a breath.
const BREATH: Duration = Duration::from_millis(50);
/// A customer whose lines die so often gives up.
const DEATHS_MAX: usize = 5;
/// Lines that ask again for what is unanswered.
const SETTLERS: usize = 8;

/// How to reach the product, and as whom.
#[derive(Clone, Debug)]
pub struct Shop {
    /// Where it listens.
    pub address: SocketAddr,
    /// The header lines of the merchant's key.
    pub headers: String,
    /// The merchant's account.
    pub account: String,
}

/// Customers at work until they are stopped.
#[derive(Debug)]
pub struct Crowd {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<Worked>>>,
}

/// What the customers leave behind.
#[derive(Debug, Default)]
pub struct Worked {
    /// All their deals.
    pub deals: Vec<Deal>,
    /// Requests that were answered with a success.
    pub answered: u64,
    /// Why lines died.
    pub deaths: Vec<String>,
}

impl Crowd {
    /// Sets so many customers to work; order numbers begin with `prefix`.
    pub fn start(shop: &Shop, customers: u64, prefix: &str, random: &mut Random) -> Result<Crowd> {
        let over = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for number in 0..customers {
            let (shop, over, random, prefix) = (shop.clone(), over.clone(), random.split(), format!("{prefix}-{number}"));
            threads.push(thread::Builder::new().spawn(move || work(&shop, &prefix, random, &over))?);
        }
        Ok(Crowd { over, threads })
    }

    /// Stops them and gathers what they did.
    ///
    /// # Errors
    /// With the first broken promise that a customer met.
    pub fn stop(self) -> Result<Worked> {
        self.over.store(true, Ordering::Relaxed);
        let mut all = Worked::default();
        for thread in self.threads {
            let one = thread.join().map_err(|_| anyhow!("a customer's thread panicked"))??;
            all.deals.extend(one.deals);
            all.answered += one.answered;
            all.deaths.extend(one.deaths);
        }
        Ok(all)
    }
}

fn work(shop: &Shop, prefix: &str, mut random: Random, over: &AtomicBool) -> Result<Worked> {
    let mut worked = Worked::default();
    let mut line = match Line::open(shop.address, &shop.headers) {
        Ok(line) => line,
        Err(error) => {
            worked.deaths.push(format!("no connection: {error}"));
            return Ok(worked);
        }
    };
    while !over.load(Ordering::Relaxed) {
        let old = usize::try_from(random.any()).unwrap_or_default().checked_rem(worked.deals.len());
        let continued = old.filter(|&old| random.percent(50) && worked.deals[old].go_on(&mut random));
        let current = continued.unwrap_or_else(|| {
            let order = format!("{prefix}-{}", worked.deals.len());
            worked.deals.push(Deal::open(&shop.account, order, &mut random));
            worked.deals.len() - 1
        });
        match line.send(&mut worked.deals[current], &mut random)? {
            Outcome::Answered => worked.answered += 1,
            Outcome::Later => thread::sleep(BREATH),
            Outcome::Silence => {
                worked.deaths.push(format!("{}: {:?}", worked.deals[current].order, line.death));
                // A server may hang up on a line that rested too long, as a whole machine does when it is paused.
                match Line::open(shop.address, &shop.headers) {
                    Ok(fresh) if worked.deaths.len() < DEATHS_MAX => line = fresh,
                    _ => break,
                }
            }
        }
    }
    Ok(worked)
}

/// Sends every unanswered key until it is answered, and then every answered one once more.
///
/// # Errors
/// When a key is not answered within `patience`, or an answer breaks a promise.
pub fn settle(shop: &Shop, deals: &mut [Deal], patience: Duration, random: &mut Random) -> Result<()> {
    let began = Instant::now();
    let share = deals.len().div_ceil(SETTLERS).max(1);
    let mut randoms: Vec<Random> = (0..SETTLERS).map(|_| random.split()).collect();
    thread::scope(|scope| {
        let shares = deals.chunks_mut(share).zip(&mut randoms);
        let threads: Vec<_> = shares
            .map(|(mine, random)| {
                scope.spawn(move || {
                    let mut line = Line::open(shop.address, &shop.headers)?;
                    let mut deaths = 0;
                    // All unanswered ones in turn: one that has to wait must not eat up the time of the others.
                    while mine.iter_mut().any(|deal| deal.waiting().is_some()) {
                        for deal in mine.iter_mut().filter(|deal| deal.steps.last().is_some_and(|step| step.answer.is_none())) {
                            let outcome = line.send(deal, random)?;
                            if outcome == Outcome::Silence {
                                deaths += 1;
                                let why = || format!("{}: no answer from a product that runs: {:?}", deal.order, line.death);
                                ensure!(deaths < DEATHS_MAX, why());
                                line = Line::open(shop.address, &shop.headers).with_context(why)?;
                            }
                        }
                        let waiting = mine.iter_mut().find_map(|deal| deal.waiting());
                        if let Some(step) = waiting {
                            if began.elapsed() > patience {
                                bail!("the key {} was not answered within {} s", step.key, patience.as_secs());
                            }
                            thread::sleep(BREATH);
                        }
                    }
                    mine.iter().try_for_each(|deal| repeat_all(&mut line, deal))
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a settling thread panicked"))?)
    })
}

fn repeat_all(line: &mut Line, deal: &Deal) -> Result<()> {
    for number in 0..deal.steps.len() {
        let outcome = line.repeat(deal, number)?;
        ensure!(outcome == Outcome::Answered, "{}: an answered key was not replayed", deal.order);
    }
    Ok(())
}
