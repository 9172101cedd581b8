//! Finished claims in memory, so that a repeat usually costs no query.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::{HashMap, HashMapExt};
use kernel::Timestamp;

use crate::types::{Recorded, Scope};

/// How much memory the finished claims may take, in bytes.
pub const REPLAY_CACHE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// What an entry costs besides its bytes: the structs, and their places in map and queue.
const ENTRY_OVERHEAD_BYTES: usize = 384;

/// The finished claims this process has seen lately. Only finished claims are held, because they never change; each knows when its time
/// is over by the platform clock. A repeat mostly comes soon after the first request, so what came first goes first. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct ReplayCache(Arc<Mutex<Held>>);

#[derive(Debug)]
struct Held {
    claims: HashMap<Scope, Recorded>,
    /// In the order in which they came; each scope of `claims` once.
    order: VecDeque<Scope>,
    bytes: usize,
    bytes_max: usize,
}

impl ReplayCache {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self(Arc::new(Mutex::new(Held { claims: HashMap::new(), order: VecDeque::new(), bytes: 0, bytes_max })))
    }

    pub(crate) fn get(&self, scope: &Scope, now: Timestamp) -> Option<Recorded> {
        self.held().claims.get(scope).filter(|recorded| now < recorded.expires_at).cloned()
    }

    pub(crate) fn put(&self, scope: Scope, recorded: Recorded) {
        self.held().put(scope, recorded);
    }

    /// A panic elsewhere cannot leave it half changed: nothing between two changes of it can panic.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn put(&mut self, scope: Scope, recorded: Recorded) {
        self.bytes += weight(&recorded);
        match self.claims.insert(scope, recorded) {
            Some(before) => self.bytes -= weight(&before),
            None => self.order.push_back(scope),
        }
        while self.bytes > self.bytes_max
            && let Some(oldest) = self.order.pop_front()
        {
            self.bytes -= self.claims.remove(&oldest).as_ref().map_or(0, weight);
        }
    }
}

fn weight(recorded: &Recorded) -> usize {
    recorded.frame.len() + recorded.request_id.len() + ENTRY_OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kernel::AccountId;

    use super::*;
    use crate::types::BodyHash;

    fn scope(number: u32) -> Scope {
        let mut hash = [0; 16];
        hash[..4].copy_from_slice(&number.to_be_bytes());
        Scope { account_id: AccountId::from_bytes([1; 16]), hash }
    }

    fn recorded(bytes: usize, expires_at: Timestamp) -> Recorded {
        Recorded {
            status: 201,
            frame: vec![0; bytes].into(),
            body_hash: BodyHash([0; 32]),
            first_seen_at: Timestamp::EPOCH,
            request_id: Arc::from("r"),
            expires_at,
        }
    }

    #[test]
    fn an_entry_is_gone_at_its_last_moment_exactly() {
        let cache = ReplayCache::new(REPLAY_CACHE_BYTES_MAX);
        let end = Timestamp::from_seconds(1_000);
        cache.put(scope(1), recorded(10, end));
        assert!(cache.get(&scope(1), end.plus_micros(-1)).is_some());
        assert!(cache.get(&scope(1), end).is_none());
        assert!(cache.get(&scope(2), Timestamp::EPOCH).is_none());
    }

    #[test]
    fn what_comes_again_replaces_what_was_there() {
        let cache = ReplayCache::new(REPLAY_CACHE_BYTES_MAX);
        cache.put(scope(1), recorded(10_000, Timestamp::from_seconds(1)));
        cache.put(scope(1), recorded(10, Timestamp::from_seconds(2)));
        let found = cache.get(&scope(1), Timestamp::from_seconds(1)).expect("the later one counts");
        let held = cache.held();
        assert_eq!((held.bytes, held.order.len()), (weight(&found), 1));
    }

    #[test]
    fn memory_is_bounded_by_weight() {
        let cache = ReplayCache::new(100_000);
        for number in 0..1_000 {
            cache.put(scope(number), recorded(10_000, Timestamp::MAX));
        }
        let held = cache.held();
        assert!(held.bytes <= 100_000, "{}", held.bytes);
        assert_eq!((held.claims.len(), held.order.len()), (9, 9));
        drop(held);
        assert!(cache.get(&scope(999), Timestamp::EPOCH).is_some(), "the newest stays");
        assert!(cache.get(&scope(990), Timestamp::EPOCH).is_none(), "what came first goes first");
    }
}
