//! Where time and randomness come from. Both are handed in, so that a test or a simulation decides them.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, UNIX_EPOCH};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use uuid::Uuid;

use crate::time::Timestamp;

/// Tells the time of day.
pub trait Clock: Send + Sync {
    /// Now, in UTC; may step back when the machine's clock is set.
    fn now(&self) -> Timestamp;

    /// Goes on from `now`, which somebody knows better than the machine; false when it goes its own way all the same.
    fn set_right(&self, _now: Timestamp) -> bool {
        false
    }
}

/// Gives random bytes.
pub trait Random: Send + Sync {
    /// Overwrites all of `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// Time, randomness and fresh ids, passed to whoever needs them. Clones share one stream.
#[derive(Clone)]
pub struct Source(Arc<Parts>);

struct Parts {
    clock: Box<dyn Clock>,
    random: Box<dyn Random>,
    uuids: Mutex<Uuids>,
    /// Whether the clock was set right.
    right: AtomicBool,
}

/// Random bytes that one UUID takes.
const UUID_RANDOM_BYTES: usize = 10;
/// For how many UUIDs randomness is fetched at once: asking the generator costs more than the rest of a UUID.
const UUIDS_AT_ONCE: usize = 64;

/// How far UUIDs may run ahead of a clock that was set back, in milliseconds. Beyond that it was wrong before, and they begin anew: lists by
/// time go by what a UUID says ([`crate::Id::made_at`]).
const AHEAD_MILLIS_MAX: u64 = 15 * 60 * 1_000;

/// What is needed to make UUIDs in order and cheaply.
struct Uuids {
    /// Milliseconds since 1970 times 2^12, plus a counter: what the last UUID began with.
    last: u64,
    random: [u8; UUID_RANDOM_BYTES * UUIDS_AT_ONCE],
    /// How many bytes at the end of `random` are unused.
    left: usize,
}

impl Source {
    /// A source of the given parts.
    pub fn new(clock: impl Clock + 'static, random: impl Random + 'static) -> Source {
        let uuids = Uuids { last: 0, random: [0; UUID_RANDOM_BYTES * UUIDS_AT_ONCE], left: 0 };
        let (clock, random) = (Box::new(clock), Box::new(random));
        Source(Arc::new(Parts { clock, random, uuids: Mutex::new(uuids), right: AtomicBool::new(false) }))
    }

    /// The machine's clock and its cryptographic generator.
    pub fn system() -> Source {
        let clock = SystemClock { began: Instant::now(), ahead: AtomicI64::new(NOT_SET) };
        Source::new(clock, SystemRandom::new())
    }

    /// The same time and the same bytes for the same seed, on every machine and in every version; for tests and
    /// simulations, never for secrets that protect anything.
    pub fn seeded(seed: u64, start: Timestamp) -> (Source, ManualClock) {
        let clock = ManualClock::new(start);
        (Source::new(clock.clone(), SeededRandom(AtomicU64::new(seed))), clock)
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Says what time it is to somebody who only has the machine's clock: the time of a database that several machines share. From then
    /// on the machine's clock may be set as it likes; time and ids go on from what was said last. False when the time of this source is
    /// not the machine's, and stays what it is.
    pub fn set_right(&self, now: Timestamp) -> bool {
        let done = self.0.clock.set_right(now);
        if done && !self.0.right.swap(true, Ordering::Relaxed) {
            // The first ids, made a moment ago on the machine's clock, do not bind the others to it.
            self.0.uuids.lock().unwrap_or_else(PoisonError::into_inner).last = 0;
        }
        done
    }

    /// Fills `bytes` with randomness.
    pub fn fill(&self, bytes: &mut [u8]) {
        self.0.random.fill(bytes);
    }

    /// `N` random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A UUID version 7 (RFC 9562 section 5.7), greater than every earlier one of this source, unless it was set right for the first time
    /// in between or its clock went back by more than a quarter of an hour.
    ///
    /// The 12 bits after the milliseconds are a counter that starts anywhere in the lower half in each millisecond
    /// and carries into the milliseconds when it is used up, as section 6.2 allows; 62 bits are random.
    pub fn uuid(&self) -> Uuid {
        let millis = u64::try_from(self.now().micros() / 1_000).unwrap_or(0);
        // A panic while the lock is held leaves nothing half done that could matter to a fresh id.
        let mut uuids = self.0.uuids.lock().unwrap_or_else(PoisonError::into_inner);
        if uuids.left == 0 {
            self.fill(&mut uuids.random);
            uuids.left = uuids.random.len();
        }
        let at = uuids.random.len() - uuids.left;
        let mut random = [0; UUID_RANDOM_BYTES];
        random.copy_from_slice(&uuids.random[at..at + UUID_RANDOM_BYTES]);
        uuids.left -= UUID_RANDOM_BYTES;
        let start = u64::from(u16::from_be_bytes([random[0], random[1]]) & 0x07ff);
        let next = (millis << 12) | start;
        let is_ahead = uuids.last >> 12 > millis + AHEAD_MILLIS_MAX;
        uuids.last = if is_ahead { next } else { next.max(uuids.last + 1) };
        let counter = u16::try_from(uuids.last & 0x0fff).expect("12 bits");
        random[..2].copy_from_slice(&counter.to_be_bytes());
        uuid::Builder::from_unix_timestamp_millis(uuids.last >> 12, &random).into_uuid()
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source")
    }
}

/// What is said may be late by so much and yet be no other time than the one that is known.
const LATE_MICROS_MAX: i64 = 1_000_000;
/// Nobody said what time it is.
const NOT_SET: i64 = i64::MIN;

/// The machine's real-time clock, or the time that was said last and what has gone by since on the clock that nobody sets.
struct SystemClock {
    began: Instant,
    /// The time that it was at `began`, microseconds, by what was said last.
    ahead: AtomicI64,
}

impl SystemClock {
    fn gone_by(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_micros()).unwrap_or(i64::MAX)
    }
}

impl Clock for SystemClock {
    fn set_right(&self, now: Timestamp) -> bool {
        let told = now.micros().saturating_sub(self.gone_by());
        let known = self.ahead.load(Ordering::Relaxed);
        // Whoever says the time says it a moment late, each time another one.
        if known == NOT_SET || !(told..=told.saturating_add(LATE_MICROS_MAX)).contains(&known) {
            self.ahead.store(told, Ordering::Relaxed);
        }
        true
    }

    fn now(&self) -> Timestamp {
        let ahead = self.ahead.load(Ordering::Relaxed);
        if ahead != NOT_SET {
            return Timestamp::from_micros(ahead.saturating_add(self.gone_by()));
        }
        #[expect(clippy::disallowed_methods, reason = "the one place where the machine's time enters")]
        let now = std::time::SystemTime::now();
        match now.duration_since(UNIX_EPOCH) {
            Ok(since) => Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX)),
            Err(before) => {
                Timestamp::from_micros(i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros))
            }
        }
    }
}

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        SecureRandom::fill(self, bytes).expect("the operating system gives randomness; without it nothing may go on");
    }
}

/// A clock that stands still until it is moved. Clones are the same clock.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock standing at `start`.
    pub fn new(start: Timestamp) -> ManualClock {
        ManualClock(Arc::new(AtomicI64::new(start.micros())))
    }

    /// Moves the clock to `now`, forwards or back.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.micros(), Ordering::SeqCst);
    }

    /// Moves the clock forward.
    pub fn advance_seconds(&self, seconds: i64) {
        self.advance_micros(seconds.saturating_mul(1_000_000));
    }

    /// Moves the clock forward by microseconds.
    pub fn advance_micros(&self, micros: i64) {
        self.0.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// `SplitMix64` (Steele, Lea and Flood 2014): tiny, and the same for ever, which a library's default generator is not.
struct SeededRandom(AtomicU64);

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        for chunk in bytes.chunks_mut(8) {
            let mut word = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(word ^ (word >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_version_7_and_grow_even_when_the_clock_stands_or_steps_back() {
        let start = Timestamp::from_seconds(1_790_000_000);
        let (source, clock) = Source::seeded(7, start);
        let mut last = Uuid::nil();
        for step in 0..20_000 {
            if step == 10_000 {
                clock.advance_seconds(-60);
            }
            let fresh = source.uuid();
            assert!(fresh > last, "{fresh} after {last}");
            assert_eq!(fresh.get_version_num(), 7);
            assert_eq!(fresh.get_variant(), uuid::Variant::RFC4122);
            last = fresh;
        }
    }

    #[test]
    fn uuids_tell_the_right_time_again_after_a_clock_that_was_far_ahead() {
        let start = Timestamp::from_seconds(1_790_000_000);
        let (source, clock) = Source::seeded(7, start);
        let (before, day) = (source.uuid(), 86_400);
        clock.advance_seconds(day);
        assert!(source.uuid() > before);
        clock.advance_seconds(-day);
        let seconds = |uuid: Uuid| uuid.get_timestamp().expect("version 7 has a time").to_unix().0;
        assert_eq!(seconds(source.uuid()), seconds(before));
    }

    #[test]
    fn a_uuid_begins_with_the_milliseconds() {
        let (source, _) = Source::seeded(7, Timestamp::from_micros(1_790_000_000_123_456));
        let (seconds, nanos) = source.uuid().get_timestamp().expect("version 7 has a time").to_unix();
        assert_eq!((seconds, nanos), (1_790_000_000, 123_000_000));
    }

    #[test]
    fn a_seed_gives_the_same_bytes_for_ever() {
        let (source, _) = Source::seeded(42, Timestamp::EPOCH);
        // The first outputs of SplitMix64 for seed 42, from its published reference code.
        assert_eq!(source.bytes::<8>(), 0xbdd7_3226_2feb_6e95_u64.to_le_bytes());
        assert_eq!(source.bytes::<8>(), 0x28ef_e333_b266_f103_u64.to_le_bytes());
        let (other, _) = Source::seeded(43, Timestamp::EPOCH);
        assert_ne!(other.bytes::<8>(), 0xbdd7_3226_2feb_6e95_u64.to_le_bytes());
    }

    #[test]
    fn the_system_source_moves_and_differs() {
        let source = Source::system();
        assert!(source.now() > Timestamp::from_date(2025, 1, 1).expect("a date"));
        assert_ne!(source.bytes::<16>(), source.bytes::<16>());
    }

    #[test]
    fn who_is_told_the_time_goes_on_from_it_and_so_do_its_ids() {
        let source = Source::system();
        let (machine, early) = (source.now(), source.uuid());
        let told = machine.plus_days(-1);
        assert!(source.set_right(told));
        let later = source.now();
        assert!(later >= told && later < told.plus_seconds(60), "{later} after {told}");
        let made_at = |id: Uuid| i64::try_from(id.as_u128() >> 80).expect("48 bits") * 1_000;
        let first = source.uuid();
        assert!(first < early && made_at(first) >= told.micros() - 1_000 && made_at(first) < told.plus_seconds(60).micros());
        // Later words come late by a little, which says nothing, or by much: then that is the time. Ids grow all the same.
        source.set_right(told.plus_micros(-200_000));
        assert!(source.now() >= later && source.uuid() > first);
        source.set_right(told.plus_seconds(-10));
        assert!(source.now() < later && source.uuid() > first);
    }

    #[test]
    fn a_clock_that_is_moved_by_hand_is_not_set_by_anybody_else() {
        let start = Timestamp::from_seconds(1_790_000_000);
        let (source, _) = Source::seeded(7, start);
        assert!(!source.set_right(start.plus_days(1)));
        assert_eq!(source.now(), start);
    }

    #[test]
    fn threads_never_get_the_same_uuid() {
        let source = Source::system();
        let mut all: Vec<Uuid> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| (0..2_000).map(|_| source.uuid()).collect::<Vec<_>>())).collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
        });
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 8_000);
    }
}
