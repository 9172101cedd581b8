//! Counters of what keys do. Counted where the outcome is certain, never inside a decision, which may run more than once.

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

const CLAIMS: &str = "guichet_idempotency_claims_total";
const REPLAYS: &str = "guichet_idempotency_replays_total";
const CONFLICTS: &str = "guichet_idempotency_conflicts_total";
const TAKE_OVERS: &str = "guichet_idempotency_take_overs_total";
const BODY_MISMATCHES: &str = "guichet_idempotency_body_mismatches_total";
const SWEPT: &str = "guichet_idempotency_swept_total";
const UNKNOWN: &str = "guichet_idempotency_unknown_claims";
const UNKNOWN_AGE: &str = "guichet_idempotency_oldest_unknown_seconds";

/// Tells the metrics recorder what the numbers mean, and shows those that are zero; once, at start-up.
pub fn describe() {
    describe_counter!(CLAIMS, Unit::Count, "Requests that claimed a new idempotency key");
    describe_counter!(REPLAYS, Unit::Count, "Requests answered with a recorded reply");
    describe_counter!(CONFLICTS, Unit::Count, "Requests refused because the first one with their key was under way");
    describe_counter!(TAKE_OVERS, Unit::Count, "Claims of dead processes taken over");
    describe_counter!(BODY_MISMATCHES, Unit::Count, "Repeats whose request body differed from the first one");
    describe_counter!(SWEPT, Unit::Count, "Claims deleted after their retention");
    describe_gauge!(UNKNOWN, Unit::Count, "Claims whose outcome is unknown and being asked for");
    describe_gauge!(UNKNOWN_AGE, Unit::Seconds, "Age of the oldest claim whose outcome is unknown");
    for name in [CLAIMS, REPLAYS, CONFLICTS, TAKE_OVERS, BODY_MISMATCHES, SWEPT] {
        counter!(name).increment(0);
    }
}

/// A new key was claimed, and that is committed.
pub fn claimed() {
    counter!(CLAIMS).increment(1);
}

/// A second request was refused.
pub fn conflict() {
    counter!(CONFLICTS).increment(1);
}

/// A dead process's claim was taken over.
pub fn taken_over() {
    counter!(TAKE_OVERS).increment(1);
}

/// How many outcomes are unknown at the moment, and the age of the oldest in seconds (0 when there is none).
pub fn unknown(count: u32, oldest_seconds: u32) {
    gauge!(UNKNOWN).set(count);
    gauge!(UNKNOWN_AGE).set(oldest_seconds);
}

pub(crate) fn replayed() {
    counter!(REPLAYS).increment(1);
}

pub(crate) fn body_mismatch() {
    counter!(BODY_MISMATCHES).increment(1);
}

pub(crate) fn swept(count: usize) {
    counter!(SWEPT).increment(u64::try_from(count).unwrap_or(u64::MAX));
}
