//! How long a claim counts.

use kernel::Timestamp;
use kernel::sabotage::{Defect, is_planted};

use crate::rows::{ClaimRow, ClaimStatus};
use crate::types::{InProcess, Known, Recorded};

/// How long a key counts from its first request, by the platform clock; replays do not prolong it. API rule: from 24 hours on, the same
/// key is a new request.
pub const RETENTION_SECONDS: i64 = 24 * 60 * 60;

/// A claim that finishes with less than this left of its retention is kept [`RETENTION_SECONDS`] from its finish instead, so that the
/// outcome of a long unknown can still be fetched. The API rule says "when its 24 hours are over, or nearly"; nearly is one hour here.
pub const LATE_FINISH_SECONDS: i64 = 60 * 60;

/// From when on a finished claim's key is free again.
pub const fn expires_at(first_seen_at: Timestamp, finished_at: Timestamp) -> Timestamp {
    let from_first = first_seen_at.plus_seconds(RETENTION_SECONDS);
    let late = from_first.plus_seconds(-LATE_FINISH_SECONDS);
    if finished_at.micros() < late.micros() { from_first } else { finished_at.plus_seconds(RETENTION_SECONDS) }
}

/// What a stored claim says at `now`. A claim in progress never expires by age; a finished one is logically gone at once when its
/// time is over, whether or not it has been swept yet.
pub(crate) fn known(row: &ClaimRow, now: Timestamp) -> Known {
    match (row.status, &row.reply, row.http_status, row.finished_at) {
        (ClaimStatus::Done, Some(frame), Some(status), Some(finished_at)) => {
            let expires_at = expires_at(row.first_seen_at, finished_at);
            if now >= expires_at {
                return Known::Nothing;
            }
            Known::Replay(Recorded {
                status,
                frame: frame.clone(),
                body_hash: row.body_hash,
                first_seen_at: row.first_seen_at,
                request_id: row.request_id.clone(),
                expires_at,
            })
        }
        (ClaimStatus::Unknown, ..) if is_planted(Defect::ClaimForgottenAfterTimeout) => Known::Nothing,
        // A finished claim without reply cannot be written by this program. Should one be found, its key must not execute again.
        (ClaimStatus::Done | ClaimStatus::Unknown, ..) => Known::InProcess(InProcess { unknown: true }),
        (ClaimStatus::InProgress, ..) => Known::InProcess(InProcess { unknown: false }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kernel::{AccountId, BootId};
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::types::BodyHash;

    const FIRST: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn row(status: ClaimStatus, finished_at: Option<Timestamp>) -> ClaimRow {
        ClaimRow {
            account_id: AccountId::from_bytes([1; 16]),
            scope: [2; 16],
            first_seen_at: FIRST,
            body_hash: BodyHash([3; 32]),
            subject: Uuid::nil(),
            request_id: Arc::from("r-1"),
            status,
            owner: BootId::from_bytes([4; 16]),
            http_status: finished_at.map(|_| 201),
            reply: finished_at.map(|_| Arc::from(&[0_u8][..])),
            finished_at,
        }
    }

    fn is_free(row: &ClaimRow, now: Timestamp) -> bool {
        matches!(known(row, now), Known::Nothing)
    }

    #[test]
    fn a_key_is_free_again_after_exactly_24_hours() {
        let claim = row(ClaimStatus::Done, Some(FIRST.plus_seconds(1)));
        let end = FIRST.plus_seconds(24 * 3_600);
        assert!(!is_free(&claim, end.plus_micros(-1)));
        assert!(is_free(&claim, end));
        assert!(is_free(&claim, end.plus_micros(1)));
    }

    #[test]
    fn a_late_finish_is_kept_24_hours_from_the_finish() {
        let late = FIRST.plus_seconds(23 * 3_600);
        assert_eq!(expires_at(FIRST, late.plus_micros(-1)), FIRST.plus_seconds(24 * 3_600));
        assert_eq!(expires_at(FIRST, late), late.plus_seconds(24 * 3_600));
        let much_later = FIRST.plus_days(3);
        let claim = row(ClaimStatus::Done, Some(much_later));
        assert!(!is_free(&claim, much_later.plus_seconds(24 * 3_600).plus_micros(-1)));
        assert!(is_free(&claim, much_later.plus_seconds(24 * 3_600)));
    }

    #[test]
    fn an_open_claim_never_expires() {
        for (status, unknown) in [(ClaimStatus::InProgress, false), (ClaimStatus::Unknown, true)] {
            let found = known(&row(status, None), FIRST.plus_days(400));
            assert!(matches!(found, Known::InProcess(in_process) if in_process.unknown == unknown), "{status:?}");
        }
        assert_eq!(InProcess { unknown: false }.retry_after_seconds(), 1);
        assert_eq!(InProcess { unknown: true }.retry_after_seconds(), 5);
    }

    #[test]
    fn a_damaged_claim_does_not_execute_again() {
        let damaged = ClaimRow { reply: None, ..row(ClaimStatus::Done, Some(FIRST)) };
        assert!(matches!(known(&damaged, FIRST), Known::InProcess(_)));
    }

    proptest! {
        #[test]
        fn an_outcome_can_be_fetched_for_at_least_an_hour_and_a_day_at_most_after_that(
            took in 0..100 * 86_400_i64,
        ) {
            let finished = FIRST.plus_seconds(took);
            let left = expires_at(FIRST, finished).seconds_since(finished);
            prop_assert!((LATE_FINISH_SECONDS..=RETENTION_SECONDS).contains(&left), "{}", left);
        }
    }
}
