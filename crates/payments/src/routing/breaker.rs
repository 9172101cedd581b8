//! Remembers which acquirers have lately been out of reach, so that charges can pass them by.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kernel::{Outcome, Timestamp};

use crate::types::Connector;

/// So many failures …
const FAILURES: usize = 5;
/// … within so many seconds …
const WINDOW_SECONDS: i64 = 30;
/// … and an acquirer is passed by for so long (payments specification, section 3.8).
const PASSED_BY_SECONDS: i64 = 30;

/// What was seen of one acquirer.
#[derive(Debug, Default)]
struct Seen {
    /// When it failed lately, oldest first; fewer than [`FAILURES`].
    failures: VecDeque<Timestamp>,
    passed_by_until: Option<Timestamp>,
}

/// What this process has seen of each acquirer. Times are given by the caller.
#[derive(Debug, Default)]
pub(crate) struct Breaker(Mutex<[Seen; Connector::ALL.len()]>);

impl Breaker {
    fn all(&self) -> MutexGuard<'_, [Seen; Connector::ALL.len()]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of an answer, or of none.
    pub(crate) fn note(&self, connector: Connector, outcome: &Outcome, now: Timestamp) {
        match outcome {
            Outcome::NotSent { .. } | Outcome::Unknown { .. } => {}
            Outcome::Approved(_)
            | Outcome::Declined(_)
            | Outcome::Failed { .. }
            | Outcome::ActionRequired { .. }
            | Outcome::Pending => return,
        }
        let mut all = self.all();
        let Some(seen) = position(connector).and_then(|position| all.get_mut(position)) else { return };
        seen.failures.push_back(now);
        seen.failures.retain(|at| now.seconds_since(*at) < WINDOW_SECONDS);
        if seen.failures.len() >= FAILURES {
            seen.failures.clear();
            seen.passed_by_until = Some(now.plus_seconds(PASSED_BY_SECONDS));
            tracing::warn!(
                connector = connector.name(),
                seconds = PASSED_BY_SECONDS,
                "an acquirer keeps failing and is passed by"
            );
        }
    }

    /// Whether charges had better go elsewhere.
    pub(crate) fn passes_by(&self, connector: Connector, now: Timestamp) -> bool {
        let all = self.all();
        let seen = position(connector).and_then(|position| all.get(position));
        seen.and_then(|seen| seen.passed_by_until).is_some_and(|until| now < until)
    }

    /// The route without those that are passed by; as it is where nothing else is left.
    pub(crate) fn narrow(&self, connectors: &mut Vec<Connector>, now: Timestamp) {
        if connectors.len() > 1 && connectors.iter().any(|connector| !self.passes_by(*connector, now)) {
            connectors.retain(|connector| !self.passes_by(*connector, now));
        }
    }
}

fn position(connector: Connector) -> Option<usize> {
    Connector::ALL.iter().position(|one| *one == connector)
}
