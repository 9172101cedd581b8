//! Customers at work: each has a line of its own and its own deals, so what it knows of them is exact.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail, ensure};

use super::deal::Deal;
use super::line::{Line, Outcome, Shop};
use crate::random::Random;

/// A customer who is told "later" takes a breath.
const BREATH: Duration = Duration::from_millis(50);
/// A customer whose lines die so often gives up.
const DEATHS_MAX: usize = 5;
/// A customer with so many unanswered requests begins nothing new.
const OPEN_MAX: usize = 10;
/// Lines that ask again for what is unanswered.
const SETTLERS: usize = 8;

/// Customers at work until they are stopped.
#[derive(Debug)]
pub struct Crowd {
    over: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Result<Worked>>>,
}

/// What the customers leave behind.
#[derive(Debug, Default)]
pub struct Worked {
    /// All their deals.
    pub deals: Vec<Deal>,
    /// Why lines died.
    pub deaths: Vec<String>,
}

impl Crowd {
    /// Sets so many customers to work; order numbers begin with `prefix`. Stubborn ones go on however often a line dies, because
    /// another node is there.
    pub fn start(shop: &Shop, customers: u64, prefix: &str, stubborn: bool, random: &mut Random) -> Result<Crowd> {
        let over = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicU64::new(0));
        let mut threads = Vec::new();
        for number in 0..customers {
            let customer = Customer {
                shop: shop.clone(),
                prefix: format!("{prefix}-{number}"),
                deaths_max: if stubborn { usize::MAX } else { DEATHS_MAX },
                over: over.clone(),
                answered: answered.clone(),
                random: random.split(),
            };
            threads.push(thread::Builder::new().spawn(move || customer.work())?);
        }
        Ok(Crowd { over, answered, threads })
    }

    /// Requests that were answered with a success so far.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
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
            all.deaths.extend(one.deaths);
        }
        Ok(all)
    }
}

struct Customer {
    shop: Shop,
    prefix: String,
    deaths_max: usize,
    over: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    random: Random,
}

impl Customer {
    fn work(mut self) -> Result<Worked> {
        let mut worked = Worked::default();
        let mut line = Line::new(&self.shop);
        while !self.over.load(Ordering::Relaxed) {
            let current = self.next(&mut worked.deals);
            match line.send(&mut worked.deals[current], &mut self.random)? {
                Outcome::Answered => drop(self.answered.fetch_add(1, Ordering::Relaxed)),
                Outcome::Later => thread::sleep(BREATH),
                Outcome::Left => {}
                Outcome::Silence => {
                    worked.deaths.push(format!("{}: {:?}", worked.deals[current].order, line.death));
                    if worked.deaths.len() >= self.deaths_max {
                        break;
                    }
                    thread::sleep(BREATH);
                }
            }
        }
        Ok(worked)
    }

    /// What is done next: half of the time something old goes on, else a new deal begins.
    fn next(&mut self, deals: &mut Vec<Deal>) -> usize {
        let open: Vec<usize> = (0..deals.len()).filter(|number| deals[*number].waiting().is_some()).collect();
        if open.len() >= OPEN_MAX {
            return self.random.pick(&open);
        }
        let old = usize::try_from(self.random.any()).unwrap_or_default().checked_rem(deals.len());
        // What was not answered is asked again now and then, so that it is not left to the end.
        let goes_on = |deals: &mut Vec<Deal>, old: usize, random: &mut Random| {
            if deals[old].waiting().is_some() { random.percent(20) } else { deals[old].go_on(random) }
        };
        if let Some(old) = old
            && self.random.percent(60)
            && goes_on(deals, old, &mut self.random)
        {
            return old;
        }
        let order = format!("{}-{}", self.prefix, deals.len());
        deals.push(Deal::open(&self.shop.account, order, &mut self.random));
        deals.len() - 1
    }
}

/// Sends every unanswered key until it is answered, then what each deal still needs, and then every answered key once more.
///
/// # Errors
/// When a key is not answered within `patience`, or an answer breaks a promise.
pub fn settle(shop: &Shop, deals: &mut [Deal], patience: Duration, random: &mut Random) -> Result<()> {
    let share = deals.len().div_ceil(SETTLERS).max(1);
    let mut randoms: Vec<Random> = (0..SETTLERS).map(|_| random.split()).collect();
    thread::scope(|scope| {
        let shares = deals.chunks_mut(share).zip(&mut randoms);
        let threads: Vec<_> =
            shares.map(|(mine, random)| scope.spawn(move || Settler::new(shop, patience, random).settle(mine))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a settling thread panicked"))?)
    })
}

struct Settler<'a> {
    line: Line,
    deaths: usize,
    patience: Duration,
    random: &'a mut Random,
}

impl<'a> Settler<'a> {
    fn new(shop: &Shop, patience: Duration, random: &'a mut Random) -> Settler<'a> {
        Settler { line: Line::new(shop), deaths: 0, patience, random }
    }

    fn settle(mut self, mine: &mut [Deal]) -> Result<()> {
        loop {
            self.answer_all(mine)?;
            let more = mine.iter_mut().filter_map(|deal| deal.close().then_some(())).count();
            if more == 0 {
                break;
            }
        }
        mine.iter().try_for_each(|deal| self.repeat_all(deal))
    }

    /// All unanswered ones in turn: one that has to wait must not eat up the time of the others.
    fn answer_all(&mut self, mine: &mut [Deal]) -> Result<()> {
        let began = Instant::now();
        while mine.iter_mut().any(|deal| deal.waiting().is_some()) {
            for deal in mine.iter_mut() {
                if deal.waiting().is_some() && self.line.send(deal, self.random)? == Outcome::Silence {
                    self.died(&deal.order)?;
                }
            }
            let waiting = mine.iter_mut().find_map(Deal::waiting);
            if let Some(step) = waiting {
                if began.elapsed() > self.patience {
                    bail!("the key {} was not answered within {} s", step.key, self.patience.as_secs());
                }
                thread::sleep(BREATH);
            }
        }
        Ok(())
    }

    fn repeat_all(&mut self, deal: &Deal) -> Result<()> {
        for number in 0..deal.steps.len() {
            let mut outcome = self.line.repeat(deal, number, self.random)?;
            while outcome == Outcome::Silence {
                self.died(&deal.order)?;
                outcome = self.line.repeat(deal, number, self.random)?;
            }
            let replayed = matches!(outcome, Outcome::Answered | Outcome::Left);
            ensure!(replayed, "{}: an answered key was not replayed", deal.order);
        }
        Ok(())
    }

    fn died(&mut self, order: &str) -> Result<()> {
        self.deaths += 1;
        ensure!(self.deaths < DEATHS_MAX, "{order}: no answer from a product that runs: {:?}", self.line.death);
        Ok(())
    }
}
