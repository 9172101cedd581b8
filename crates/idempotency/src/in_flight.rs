//! Which keys this process is working on right now.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::HashMap;
use kernel::Timestamp;

use crate::types::Scope;

/// The keys whose first request is being worked on by this process, with the time each was entered.
///
/// Two uses. A second request with such a key is refused at once, without asking the store. And the oldest time is what this process's
/// successor, should it die, must search claims from.
#[derive(Clone, Debug, Default)]
pub(crate) struct InFlight(Arc<Mutex<HashMap<Scope, Timestamp>>>);

/// A key that is being worked on; dropping it ends that. Belongs to the task that does the work, not to the connection.
#[derive(Debug)]
pub struct Working {
    scope: Scope,
    in_flight: InFlight,
}

impl InFlight {
    /// Notes the key, or says that it is worked on already.
    pub(crate) fn enter(&self, scope: Scope, now: Timestamp) -> Option<Working> {
        let mut keys = self.keys();
        if keys.contains_key(&scope) {
            return None;
        }
        keys.insert(scope, now);
        drop(keys);
        Some(Working { scope, in_flight: self.clone() })
    }

    pub(crate) fn contains(&self, scope: &Scope) -> bool {
        self.keys().contains_key(scope)
    }

    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        self.keys().values().min().copied()
    }

    /// A panic elsewhere cannot leave the map half changed: each change is one call.
    fn keys(&self) -> MutexGuard<'_, HashMap<Scope, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Working {
    /// The key being worked on.
    pub fn scope(&self) -> Scope {
        self.scope
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.in_flight.keys().remove(&self.scope);
    }
}

#[cfg(test)]
mod tests {
    use kernel::AccountId;

    use super::*;

    fn scope(number: u8) -> Scope {
        Scope { account_id: AccountId::from_bytes([1; 16]), hash: [number; 16] }
    }

    #[test]
    fn a_key_is_worked_on_once_at_a_time() {
        let in_flight = InFlight::default();
        let first = in_flight.enter(scope(1), Timestamp::from_seconds(5)).expect("nobody works on it");
        assert!(in_flight.enter(scope(1), Timestamp::from_seconds(6)).is_none());
        assert!(in_flight.contains(&scope(1)));
        drop(first);
        assert!(!in_flight.contains(&scope(1)));
        assert!(in_flight.enter(scope(1), Timestamp::from_seconds(7)).is_some());
    }

    #[test]
    fn the_oldest_is_what_a_successor_searches_from() {
        let in_flight = InFlight::default();
        assert_eq!(in_flight.oldest(), None);
        let older = in_flight.enter(scope(1), Timestamp::from_seconds(5)).expect("free");
        let newer = in_flight.enter(scope(2), Timestamp::from_seconds(9)).expect("free");
        assert_eq!(in_flight.oldest(), Some(Timestamp::from_seconds(5)));
        drop(older);
        assert_eq!(in_flight.oldest(), Some(Timestamp::from_seconds(9)));
        drop(newer);
        assert_eq!(in_flight.oldest(), None);
    }
}
