//! Rules at hand for every charge: read once in a while, known at once where they are changed.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use db::{Fault, Store};
use kernel::{AccountId, Outcome, Timestamp};
use tokio::time::Instant;

use super::breaker::Breaker;
use super::commands::ReplaceRules;
use super::queries;
use super::rules::{Facts, Route, RoutingRules, route};
use crate::acquirer::Acquirers;
use crate::service::Payments;
use crate::types::{AttemptKind, Connector};

/// How long another process may go on by rules that were replaced, in seconds (payments specification, section 3.8).
pub const STALE_SECONDS: u64 = 5;
/// Accounts whose rules are kept in memory at most; beyond, all are read again.
const ACCOUNTS_MAX: usize = 100_000;

/// An account's rules as this process knows them.
#[derive(Clone, Debug)]
struct Known {
    /// `None`: it never wrote any.
    rules: Option<RoutingRules>,
    /// Of the row; 0 for none.
    revision: i64,
    read_at: Instant,
}

/// Routing in this process.
#[derive(Debug, Default)]
pub(crate) struct Routing {
    known: RwLock<HashMap<AccountId, Known>>,
    breaker: Breaker,
}

impl Routing {
    /// Takes note of what an acquirer answered.
    pub(crate) fn note(&self, connector: Connector, outcome: &Outcome, now: Timestamp) {
        self.breaker.note(connector, outcome, now);
    }

    /// Where a charge goes. An acquirer that keeps failing is passed by if the route has another.
    pub(crate) async fn route(
        &self,
        store: &Store,
        acquirers: &Acquirers,
        account: AccountId,
        kind: AttemptKind,
        facts: &Facts,
    ) -> Result<Route, Fault> {
        let preferred = Route::only(acquirers.preferred().connector());
        if acquirers.are_one() {
            return Ok(preferred);
        }
        let usable = acquirers.supporting(kind);
        let rules = self.rules(store, account).await?.unwrap_or_default();
        let mut found = route(&rules, facts, &usable).unwrap_or(preferred);
        self.breaker.narrow(&mut found.connectors, store.clock().now());
        Ok(found)
    }

    /// An account's rules, at most [`STALE_SECONDS`] old; `None` when it never wrote any.
    async fn rules(&self, store: &Store, account: AccountId) -> Result<Option<RoutingRules>, Fault> {
        let read_at = Instant::now();
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&account).cloned();
        let fresh = |known: &Known| read_at.duration_since(known.read_at) < Duration::from_secs(STALE_SECONDS);
        if let Some(known) = known.filter(fresh) {
            return Ok(known.rules);
        }
        let row = queries::of_account(store.reader(), account).await?;
        let read = match row {
            Some(row) => Known { rules: Some(row.rules), revision: row.revision, read_at },
            None => Known { rules: None, revision: 0, read_at },
        };
        Ok(self.remember(account, read))
    }

    /// Keeps what was read or written, unless something newer is known: a read that was overtaken by a change is not believed.
    fn remember(&self, account: AccountId, read: Known) -> Option<RoutingRules> {
        let mut all = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= ACCOUNTS_MAX && !all.contains_key(&account) {
            all.clear();
        }
        let known = all.entry(account).or_insert_with(|| read.clone());
        if read.revision >= known.revision {
            *known = read;
        }
        known.rules.clone()
    }
}

impl Payments {
    /// The routing rules of an account, as they are stored.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn routing_rules(&self, account: AccountId) -> Result<RoutingRules, Fault> {
        let row = queries::of_account(self.0.store.reader(), account).await?;
        let initial = || RoutingRules::initial(self.0.acquirers.preferred().connector());
        Ok(row.map_or_else(initial, |row| row.rules))
    }

    /// Replaces the routing rules of an account as a whole. They have been judged: see [`Payments::connectors`] for who can be named.
    ///
    /// # Errors
    /// [`Fault`] of the store; the old rules stand then, or the new ones where the store could not say.
    pub async fn replace_routing_rules(&self, account: AccountId, rules: RoutingRules) -> Result<RoutingRules, Fault> {
        let Ok(revision) = self.0.store.writer().run(ReplaceRules { account_id: account, rules: rules.clone() }).await?;
        self.0.routing.remember(account, Known { rules: Some(rules.clone()), revision, read_at: Instant::now() });
        Ok(rules)
    }

    /// The acquirers that a route may name, the preferred one first.
    pub fn connectors(&self) -> Vec<Connector> {
        self.0.acquirers.all()
    }
}
