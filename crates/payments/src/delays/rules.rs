//! When a delay is over, and what it does then: pure, total.

use kernel::Timestamp;

use super::types::{Delay, DelayedStep};
use crate::rules::{Operation, Standing};

/// Longest delay: as long as a hold (spec of the payments API: seven days).
pub const DELAY_SECONDS_MAX: i64 = 7 * 24 * 60 * 60;
/// A delay ends this long before its hold at the latest, so that there is something left to take.
pub const BEFORE_THE_HOLD_ENDS_SECONDS: i64 = 10 * 60;
/// How soon it is looked at again while something else is under way.
pub(super) const WAIT_SECONDS: i64 = 60;
/// Longest pause between tries at an acquirer that cannot be reached.
const PAUSE_SECONDS_MAX: i64 = 60 * 60;

/// What a delay that is over does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is carried out.
    Go,
    /// Something is under way, or disputed: how it ends decides.
    Wait,
    /// There is nothing left to do.
    Over,
}

/// When a delay is over whose authorisation was approved just now.
pub fn due_at(delay: Delay, hold_until: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let due = now.plus_seconds(delay.seconds());
    hold_until.map_or(due, |until| due.min(until.plus_seconds(-BEFORE_THE_HOLD_ENDS_SECONDS)))
}

/// When the next try is made after `tries` that never reached the acquirer.
pub fn again_at(tries: u32, now: Timestamp) -> Timestamp {
    now.plus_seconds((WAIT_SECONDS << tries.min(6)).min(PAUSE_SECONDS_MAX))
}

/// What a delay does with a payment that stands so.
pub fn next(step: DelayedStep, standing: &Standing, now: Timestamp) -> Next {
    let held = standing.hold_until.is_some_and(|until| now < until);
    match step {
        _ if !held => Next::Over,
        // What was captured stays captured; the rest of the hold ends by itself.
        DelayedStep::Cancel if standing.captured > 0 => Next::Over,
        DelayedStep::Cancel if standing.capturing > 0 || !standing.permits(Operation::Cancel) => Next::Wait,
        DelayedStep::Capture if standing.capturable() == 0 || !standing.permits(Operation::Capture) => Next::Wait,
        DelayedStep::Capture | DelayedStep::Cancel => Next::Go,
    }
}

#[cfg(test)]
mod tests {
    use kernel::{Currency, Money};

    use super::*;
    use crate::rules::Verdict;
    use crate::types::{Mode, PaymentState};

    const NOW: Timestamp = Timestamp::EPOCH;

    fn held() -> Standing {
        let mut standing = Standing::created(Mode::Authorise, Money::new(1_000, Currency::EUR));
        standing.judge(Verdict::Approved, NOW);
        standing
    }

    #[test]
    fn what_the_merchant_did_before_counts() {
        let both = |standing: &Standing| (next(DelayedStep::Capture, standing, NOW), next(DelayedStep::Cancel, standing, NOW));
        let mut standing = held();
        assert_eq!(both(&standing), (Next::Go, Next::Go));
        standing.reserve(Operation::Capture, 400);
        assert_eq!(both(&standing), (Next::Go, Next::Wait));
        standing.complete(Operation::Capture, 400);
        assert_eq!(both(&standing), (Next::Go, Next::Over));
        standing.reserve(Operation::Capture, 600);
        assert_eq!(both(&standing), (Next::Wait, Next::Over));
        standing.complete(Operation::Capture, 600);
        assert_eq!(both(&standing), (Next::Over, Next::Over));
        let mut cancelled = held();
        cancelled.reserve(Operation::Cancel, 1_000);
        assert_eq!(both(&cancelled), (Next::Wait, Next::Wait));
        cancelled.complete(Operation::Cancel, 1_000);
        assert_eq!(both(&cancelled), (Next::Over, Next::Over));
        let disputed = Standing { state: PaymentState::Disputed, captured: 400, ..held() };
        assert_eq!(both(&disputed), (Next::Wait, Next::Over));
    }

    #[test]
    fn a_delay_ends_before_its_hold() {
        let hold = held().hold_until;
        let due = |seconds| {
            let delay = Delay::new(DelayedStep::Capture, seconds).expect("within bounds");
            due_at(delay, hold, NOW).seconds_since(NOW)
        };
        assert_eq!((due(1), due(3_600)), (1, 3_600));
        assert_eq!(due(DELAY_SECONDS_MAX), DELAY_SECONDS_MAX - BEFORE_THE_HOLD_ENDS_SECONDS);
    }

    #[test]
    fn pauses_grow_to_an_hour() {
        let pauses: Vec<i64> = (0..8).chain([u32::MAX]).map(|tries| again_at(tries, NOW).seconds_since(NOW)).collect();
        assert_eq!(pauses, [60, 120, 240, 480, 960, 1_920, 3_600, 3_600, 3_600]);
    }
}
