//! One part of a round: a load that runs for some seconds, and what it cost.

use std::thread;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::machine::Meter;
use crate::number::grouped;

/// Not counted: caches fill, plans are made, connections open.
pub const WARM_UP: Duration = Duration::from_secs(2);

/// Something that makes servers work, as fast as they answer.
pub trait Load {
    /// Begins; it must be able to go on for `seconds`.
    fn start(&mut self, seconds: u64) -> Result<()>;
    /// How many units were acknowledged so far.
    fn units(&self) -> Result<u64>;
    /// CPU time its own client has used so far, in nanoseconds.
    fn client_cpu_ns(&self) -> u64;
    /// Lets `window` pass from now on, stops, and waits for the last answers.
    fn finish(&mut self, window: Duration) -> Result<Finished>;
}

/// What a load says of itself at its end.
#[derive(Clone, Copy, Debug)]
pub struct Finished {
    /// Units acknowledged from the beginning to the end of the window.
    pub units_in_time: u64,
    /// The same with the answers that came after it.
    pub units: u64,
    /// How long the window was in truth.
    pub length_ns: u64,
    /// Half of the answers in the window took at most this long.
    pub p50_us: u64,
    /// Ninety-nine of a hundred did.
    pub p99_us: u64,
    /// CPU time of the client since the beginning.
    pub client_cpu_ns: u64,
    /// Answers that were not what they should have been; one voids the round.
    pub errors: u64,
}

/// The figures of one part.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Part {
    /// Units acknowledged in the window.
    pub units: u64,
    /// The same per second.
    pub per_second: u64,
    /// Half of the answers took at most this many microseconds.
    pub p50_us: u64,
    /// Ninety-nine of a hundred did.
    pub p99_us: u64,
    /// CPU time of product and database for one unit, in nanoseconds.
    pub server_cpu_ns: u64,
    /// Of these, in the product's process.
    pub product_cpu_ns: u64,
    /// CPU time of the client for one unit, in nanoseconds.
    pub client_cpu_ns: u64,
    /// Bytes of write-ahead log (PostgreSQL) for one unit.
    pub wal_bytes: u64,
    /// Unexpected answers.
    pub errors: u64,
}

impl Part {
    /// Runs a load: a checkpoint, the warm-up, the window, and waiting until all is quiet, which is charged to it.
    pub fn run(load: &mut dyn Load, meter: &Meter<'_>, seconds: u64) -> Result<Part> {
        let window = Duration::from_secs(seconds);
        meter.checkpoint()?;
        load.start(seconds + WARM_UP.as_secs())?;
        thread::sleep(WARM_UP);
        let before = meter.read()?;
        let client_before = load.client_cpu_ns();
        let units_before = load.units()?;
        let finished = load.finish(window)?;
        meter.wait_until_idle()?;
        let after = meter.read()?;
        let units = finished.units - units_before;
        let per_unit = |total: u64| total.checked_div(units).unwrap_or_default();
        let in_time = finished.units_in_time - units_before;
        let per_second = u128::from(in_time) * 1_000_000_000 / u128::from(finished.length_ns.max(1));
        Ok(Part {
            units: in_time,
            per_second: u64::try_from(per_second).unwrap_or(u64::MAX),
            p50_us: finished.p50_us,
            p99_us: finished.p99_us,
            server_cpu_ns: per_unit(after.cpu_ns - before.cpu_ns),
            product_cpu_ns: per_unit(after.product_cpu_ns - before.product_cpu_ns),
            client_cpu_ns: per_unit(finished.client_cpu_ns.saturating_sub(client_before)),
            wal_bytes: per_unit(after.wal_bytes - before.wal_bytes),
            errors: finished.errors,
        })
    }

    /// One line for people.
    pub fn line(&self) -> String {
        format!(
            "{:>8}/s  p50 {:>6} us  p99 {:>7} us  server {:>4} us CPU (product {:>3})  client {:>3} us  WAL {:>5} B  errors {}",
            grouped(self.per_second),
            self.p50_us,
            self.p99_us,
            self.server_cpu_ns / 1_000,
            self.product_cpu_ns / 1_000,
            self.client_cpu_ns / 1_000,
            self.wal_bytes,
            self.errors
        )
    }
}
