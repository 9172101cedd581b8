//! When an operation that failed is tried again: pure, total.

use kernel::Timestamp;

use crate::commands::Ending;
use crate::rules::{Operation, Standing};

/// When tries are made after the first one, in seconds from it (spec of the payments API: 5 min, 50 min, 6 h, 24 h, 48 h, 96 h).
pub const TRIES_AFTER_SECONDS: [i64; 6] = [5 * 60, 50 * 60, 6 * 3_600, 24 * 3_600, 48 * 3_600, 96 * 3_600];

/// When an operation that was first tried at `first_try_at` is over at the latest, but for an outcome that is unknown then.
pub(super) const fn over_by(first_try_at: Timestamp) -> Timestamp {
    first_try_at.plus_seconds(TRIES_AFTER_SECONDS[TRIES_AFTER_SECONDS.len() - 1])
}

/// Whether an ending leaves room for another try: nothing happened, and the refusal is not a final one.
pub(super) fn is_for_now(ending: &Ending) -> bool {
    match ending {
        Ending::NeverSent | Ending::Fenced => true,
        Ending::Declined(response) => response.parts().is_some_and(|said| !said.hard),
        Ending::Approved(_) | Ending::Errored(_) | Ending::AwaitingPayer(_) | Ending::Expired(_) => false,
    }
}

/// When the next try is made of an operation that has just failed; `None` when that was the last. A time that has passed, because the
/// outcome was unknown for long, the payment was disputed, or nobody was there, is passed over.
pub fn next_try_at(operation: Operation, standing: &Standing, first_try_at: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let times = TRIES_AFTER_SECONDS.iter().map(|seconds| first_try_at.plus_seconds(*seconds));
    times.into_iter().find(|at| now < *at).filter(|at| standing.may_try_again(operation, *at))
}

#[cfg(test)]
mod tests {
    use kernel::{Currency, Money};

    use super::*;
    use crate::rules::{HOLD_SECONDS, Verdict};
    use crate::types::{Mode, PaymentState, Response};

    const START: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const HOUR: i64 = 3_600;

    fn approved(mode: Mode) -> Standing {
        let mut standing = Standing::created(mode, Money::new(1_000, Currency::EUR));
        standing.judge(Verdict::Approved, START);
        standing
    }

    fn next(operation: Operation, standing: &Standing, first: i64, now: i64) -> Option<i64> {
        let at = next_try_at(operation, standing, START.plus_seconds(first), START.plus_seconds(now));
        at.map(|at| at.seconds_since(START))
    }

    #[test]
    fn tries_follow_the_published_times() {
        let paid = approved(Mode::Purchase);
        let times = [0, 300, 3_000, 6 * HOUR, 24 * HOUR, 48 * HOUR, 96 * HOUR];
        for pair in times.windows(2) {
            assert_eq!(next(Operation::Refund, &paid, 0, pair[0]), Some(pair[1]));
        }
        assert_eq!(next(Operation::Refund, &paid, 0, 96 * HOUR), None, "that was the last");
        assert_eq!(next(Operation::Refund, &paid, 7, 0), Some(307), "counted from the first try");
        assert_eq!(next(Operation::Refund, &paid, 0, 7 * HOUR), Some(24 * HOUR), "what has passed is passed over");
    }

    #[test]
    fn a_capture_is_tried_while_its_hold_stands() {
        let held = approved(Mode::Authorise);
        assert_eq!(next(Operation::Capture, &held, 0, 48 * HOUR), Some(96 * HOUR));
        let late = HOLD_SECONDS - 3_000;
        assert_eq!(next(Operation::Capture, &held, late, late), Some(late + 300));
        assert_eq!(next(Operation::Capture, &held, late, late + 300), None, "the hold ends at that very moment");
        assert_eq!(next(Operation::Capture, &held, late + 1, late + 301), None);
    }

    #[test]
    fn what_waits_outlives_a_dispute_unless_it_is_lost() {
        for (state, waits) in [(PaymentState::Disputed, Some(300)), (PaymentState::ChargedBack, None)] {
            let taken = Standing { state, ..approved(Mode::Purchase) };
            assert_eq!(next(Operation::Refund, &taken, 0, 0), waits);
            let held = Standing { state, ..approved(Mode::Authorise) };
            assert_eq!(next(Operation::Capture, &held, 0, 0), waits);
            assert_eq!(taken.is_disputed(), waits.is_some());
        }
    }

    #[test]
    fn only_what_certainly_did_nothing_and_may_change_is_tried_again() {
        let (soft, hard) = (Response::notified("DO_NOT_HONOR", None), Response::own("REPORTED_STOLEN"));
        for ending in [Ending::NeverSent, Ending::Fenced, Ending::Declined(soft.clone())] {
            assert!(is_for_now(&ending), "{ending:?}");
        }
        for ending in [Ending::Declined(hard), Ending::Approved(soft.clone()), Ending::Errored(soft)] {
            assert!(!is_for_now(&ending), "{ending:?}");
        }
    }
}
