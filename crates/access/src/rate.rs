//! Token buckets without a timer: the generic cell rate algorithm (ITU-T I.371), one integer per bucket.

use std::sync::atomic::{AtomicI64, Ordering};

use kernel::Timestamp;

/// The time in which a bucket fills up, in seconds: all rates are per minute.
pub const WINDOW_SECONDS: u32 = 60;
const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// How much a bucket holds and how fast it fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    per_minute: u32,
    /// Nanoseconds in which one place becomes free.
    interval: i64,
}

impl Quota {
    /// So many a minute, at least one, all of them at once if need be.
    pub(crate) fn per_minute(per_minute: u32) -> Quota {
        let per_minute = per_minute.max(1);
        Quota { per_minute, interval: i64::from(WINDOW_SECONDS) * NANOS_PER_SECOND / i64::from(per_minute) }
    }

    /// The time from empty to full, in nanoseconds.
    fn window(self) -> i64 {
        self.interval * i64::from(self.per_minute)
    }

    /// What there is to say about a bucket that will be full at `full_at`.
    fn state(self, full_at: i64, now: i64) -> Rate {
        let remaining = (now + self.window() - full_at) / self.interval;
        Rate {
            per_minute: self.per_minute,
            remaining: u32::try_from(remaining.max(0)).unwrap_or(u32::MAX).min(self.per_minute),
            full_in_seconds: seconds_rounded_up(full_at - now),
            retry_in_seconds: seconds_rounded_up(full_at + self.interval - now - self.window()),
        }
    }
}

fn seconds_rounded_up(nanos: i64) -> u32 {
    let nanos = nanos.max(0);
    u32::try_from(nanos / NANOS_PER_SECOND + i64::from(nanos % NANOS_PER_SECOND > 0)).unwrap_or(u32::MAX)
}

/// What a caller is told about its rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many requests a minute are allowed, and how many at once.
    pub per_minute: u32,
    /// How many could follow at once.
    pub remaining: u32,
    /// Seconds until all of them are available again, rounded up.
    pub full_in_seconds: u32,
    /// Seconds until the next request is allowed, rounded up; 0 while some remain.
    pub retry_in_seconds: u32,
}

/// One bucket: the time in nanoseconds since 1970 at which it will be full.
#[derive(Debug, Default)]
pub(crate) struct Bucket(AtomicI64);

/// Nanoseconds since 1970; beyond the year 2262 the last one that fits.
fn nanos(now: Timestamp) -> i64 {
    now.micros().saturating_mul(1_000)
}

impl Bucket {
    /// Takes one place. `Err` when none is free; nothing is taken then.
    pub(crate) fn take(&self, quota: Quota, now: Timestamp) -> Result<Rate, Rate> {
        let now = nanos(now);
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            let full_at = seen.clamp(now, now + quota.window());
            let taken = full_at + quota.interval;
            if taken > now + quota.window() {
                if seen > full_at {
                    // The clock was set back. A bucket is never emptier than empty, or nobody would pass for as long.
                    self.0.fetch_min(full_at, Ordering::Relaxed);
                }
                return Err(quota.state(full_at, now));
            }
            match self.0.compare_exchange_weak(seen, taken, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(quota.state(taken, now)),
                Err(newer) => seen = newer,
            }
        }
    }

    /// How it stands, without taking anything: `Err` when no place is free.
    pub(crate) fn look(&self, quota: Quota, now: Timestamp) -> Result<Rate, Rate> {
        let now = nanos(now);
        let full_at = self.0.load(Ordering::Relaxed).clamp(now, now + quota.window());
        let rate = quota.state(full_at, now);
        if rate.remaining == 0 { Err(rate) } else { Ok(rate) }
    }

    /// Whether it is full, so that it can be forgotten: a new one would behave the same.
    pub(crate) fn is_full(&self, now: Timestamp) -> bool {
        self.0.load(Ordering::Relaxed) <= nanos(now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_790_000_000);

    proptest! {
        #[test]
        fn at_most_the_rate_passes_in_any_time_and_all_of_it_at_once(
            per_minute in 1_u32..=500, pauses in proptest::collection::vec(0_i64..3_000_000, 1..400),
        ) {
            let (quota, bucket) = (Quota::per_minute(per_minute), Bucket::default());
            let (mut now, mut passed) = (START, 0_i64);
            for pause in pauses {
                now = now.plus_micros(pause);
                passed += i64::from(bucket.take(quota, now).is_ok());
                // One minute's allowance at the start, and what flowed in since. Rounding may add one.
                let elapsed = i128::from(now.micros_since(START));
                let most = i128::from(per_minute) + elapsed * i128::from(per_minute) / 60_000_000 + 1;
                prop_assert!(i128::from(passed) <= most, "{} > {}", passed, most);
            }
        }

        #[test]
        fn the_whole_allowance_is_there_at_once(per_minute in 1_u32..=5_000) {
            let (quota, bucket) = (Quota::per_minute(per_minute), Bucket::default());
            for left in (0..per_minute).rev() {
                let rate = bucket.take(quota, START).expect("still some left");
                prop_assert_eq!((rate.remaining, rate.per_minute), (left, per_minute));
            }
            let refused = bucket.take(quota, START).expect_err("none left");
            prop_assert_eq!(refused.remaining, 0);
            prop_assert!(refused.retry_in_seconds >= 1);
            let later = START.plus_seconds(refused.retry_in_seconds.into());
            prop_assert!(bucket.take(quota, later).is_ok());
        }

        #[test]
        fn numbers_told_are_sane(per_minute in 1_u32..=10_000_000, takes in 1_u32..50, step in 0_i64..2_000_000) {
            let (quota, bucket) = (Quota::per_minute(per_minute), Bucket::default());
            for take in 0..takes {
                let now = START.plus_micros(i64::from(take) * step);
                let (Ok(rate) | Err(rate)) = bucket.take(quota, now);
                prop_assert!(rate.remaining <= per_minute && rate.full_in_seconds <= WINDOW_SECONDS && rate.retry_in_seconds <= WINDOW_SECONDS);
            }
        }
    }

    #[test]
    fn a_clock_set_back_empties_a_bucket_at_most() {
        let (quota, bucket) = (Quota::per_minute(60), Bucket::default());
        bucket.take(quota, START).expect("the first");
        let before = START.plus_seconds(-3_600);
        let refused = bucket.take(quota, before).expect_err("taken for empty");
        assert_eq!(refused.retry_in_seconds, 1);
        assert!(bucket.take(quota, before.plus_seconds(1)).is_ok());
        assert_eq!(bucket.take(quota, before.plus_seconds(60)).map(|rate| rate.remaining), Ok(58));
    }

    #[test]
    fn looking_takes_nothing() {
        let (quota, bucket) = (Quota::per_minute(1), Bucket::default());
        assert!(bucket.look(quota, START).is_ok() && bucket.look(quota, START).is_ok() && bucket.is_full(START));
        bucket.take(quota, START).expect("the only one");
        assert!(bucket.look(quota, START).is_err() && !bucket.is_full(START));
        assert!(bucket.is_full(START.plus_seconds(60)));
    }
}
