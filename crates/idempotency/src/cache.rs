//! Finished claims in memory, so that a repeat usually costs no query.

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use kernel::Timestamp;

use crate::types::{Recorded, Scope};

/// How much memory the finished claims may take, in bytes.
pub const REPLAY_CACHE_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// What an entry costs besides its bytes: the structs, and the cache's own nodes.
const ENTRY_OVERHEAD_BYTES: usize = 384;

/// The finished claims this process has seen lately. Only finished claims are held, because they never change; each knows when its time
/// is over by the platform clock.
#[derive(Clone, Debug)]
pub(crate) struct ReplayCache(Cache<Scope, Recorded>);

impl ReplayCache {
    pub(crate) fn new(bytes_max: u64) -> Self {
        let weigh = |_: &Scope, recorded: &Recorded| {
            let bytes = recorded.frame.len() + recorded.request_id.len() + ENTRY_OVERHEAD_BYTES;
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        // A repeat mostly comes soon after the first request: what was used last stays, however rarely it was used.
        Self(Cache::builder().weigher(weigh).max_capacity(bytes_max).eviction_policy(EvictionPolicy::lru()).build())
    }

    pub(crate) fn get(&self, scope: &Scope, now: Timestamp) -> Option<Recorded> {
        let recorded = self.0.get(scope)?;
        if now < recorded.expires_at {
            return Some(recorded);
        }
        self.0.invalidate(scope);
        None
    }

    pub(crate) fn put(&self, scope: Scope, recorded: Recorded) {
        self.0.insert(scope, recorded);
    }
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
    fn memory_is_bounded_by_weight() {
        let cache = ReplayCache::new(100_000);
        for number in 0..1_000 {
            cache.put(scope(number), recorded(10_000, Timestamp::MAX));
        }
        cache.0.run_pending_tasks();
        assert!(cache.0.weighted_size() <= 100_000, "{}", cache.0.weighted_size());
        assert!(cache.get(&scope(999), Timestamp::EPOCH).is_some(), "the newest stays");
    }
}
