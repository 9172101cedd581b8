//! The platform clock: the database's time plus the sandbox offset, so that all processes on one database agree.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use kernel::{Source, Timestamp};

use crate::command::Command;
use crate::fault::Fault;
use crate::rows::{Keys, Rows};
use crate::writer::Writer;

/// How long the database time and the sandbox offset learned from one answer are believed.
const BELIEVED: Duration = Duration::from_secs(1);

crate::row! {
    /// How far the sandbox clock is ahead; the only row has id 1.
    pub(crate) struct PlatformClockRow: "platform_clock" {
        key {
            /// Always 1.
            id: i64
        }
        once {}
        state {
            /// Microseconds, never negative, never less than before.
            offset_micros: i64
        }
    }
}

/// What this process knows of the platform's time. Cheap to copy and to ask.
#[derive(Clone)]
pub struct PlatformClock(Arc<Known>);

struct Known {
    source: Source,
    /// Database time minus the time of the source, microseconds: nothing where the source could be set right. None in a simulation, where
    /// the source says what time it is at the database too.
    skew: Option<AtomicI64>,
    /// Sandbox offset, microseconds; only grows.
    offset: AtomicI64,
}

impl PlatformClock {
    pub(crate) fn new(source: Source) -> Self {
        Self(Arc::new(Known { source, skew: Some(AtomicI64::new(0)), offset: AtomicI64::new(0) }))
    }

    /// A clock that takes the source's time for the database's, whatever the database says: for simulations.
    pub(crate) fn simulated(source: Source) -> Self {
        Self(Arc::new(Known { source, skew: None, offset: AtomicI64::new(0) }))
    }

    /// Platform time: business time, on which holds, lifetimes, retention and schedules run.
    pub fn now(&self) -> Timestamp {
        self.database_time().plus_micros(self.0.offset.load(Ordering::Relaxed))
    }

    /// The database's time without the sandbox offset: what leases run on.
    pub fn database_time(&self) -> Timestamp {
        let skew = self.0.skew.as_ref().map_or(0, |skew| skew.load(Ordering::Relaxed));
        self.0.source.now().plus_micros(skew)
    }

    pub(crate) fn set_database_time(&self, database: Timestamp) {
        let Some(skew) = &self.0.skew else { return };
        // A machine's clock may be set between two answers of the database. What the process does in between must not follow it: leases
        // of others would look as if they had run out, and what is kept for a day as if that were over.
        let set = self.0.source.set_right(database);
        skew.store(if set { 0 } else { database.micros() - self.0.source.now().micros() }, Ordering::Relaxed);
    }

    /// How long the database's last answer is believed. In a simulation not at all: real time must not decide whether it is asked again.
    pub(crate) fn believed(&self) -> Duration {
        if self.0.skew.is_some() { BELIEVED } else { Duration::ZERO }
    }

    /// An older answer that arrives late does not turn the clock back.
    pub(crate) fn set_offset(&self, micros: i64) {
        self.0.offset.fetch_max(micros, Ordering::Relaxed);
    }

    /// Moves the sandbox clock of all processes forward and returns the new platform time; the others notice within a second.
    ///
    /// # Errors
    /// Those of [`Writer::run`].
    pub async fn advance(&self, writer: &Writer, seconds: u32) -> Result<Timestamp, Fault> {
        let Ok(offset) = writer.run(AdvanceClock { micros: i64::from(seconds) * 1_000_000 }).await?;
        self.set_offset(offset);
        Ok(self.now())
    }
}

struct AdvanceClock {
    micros: i64,
}

impl Command for AdvanceClock {
    type Reply = i64;
    type Refusal = std::convert::Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<PlatformClockRow>((1,));
    }

    fn decide(&self, rows: &mut Rows, _now: Timestamp) -> Result<i64, Self::Refusal> {
        let clock = rows.must_mut::<PlatformClockRow>(&(1,));
        clock.offset_micros += self.micros;
        Ok(clock.offset_micros)
    }
}
