//! The proof of a key by its token and secret, mostly from memory.
//!
//! What is remembered may be used for [`STALE_AFTER_MICROS`] after the last look at the access version, which is one
//! read for all keys of the process, made while requests come, half a period early and in the background. A key that
//! turns out to have changed is read again when it is next used.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use db::{Fault, PlatformClock, Reader};
use foldhash::HashMap;
use kernel::{AccountId, Timestamp};
use tokio::sync::Mutex;

use crate::address::AllowList;
use crate::error::Refused;
use crate::failures::Failures;
use crate::known::{Caller, Known, LiveSecret, LiveSecrets, Times};
use crate::queries;
use crate::rate::{Bucket, Quota};
use crate::rows::{AccessKeyRow, AccessSecretRow};
use crate::secrets::AccessSecrets;
use crate::service::{as_fault, opened};
use crate::token::{Environment, Shown, TokenBody, checksum_is_right, token_body};
use crate::types::Account;

/// How long remembered keys count after the last look at the access version, in microseconds. Below the second within
/// which a change must count in every process.
pub const STALE_AFTER_MICROS: i64 = 800_000;
/// Age at which a request starts the next look in the background, in microseconds.
const LOOK_AFTER_MICROS: i64 = STALE_AFTER_MICROS / 2;
/// Parts of the memory with a lock each, so that threads seldom meet.
const SHARDS: usize = 16;
/// How many keys one part remembers.
const KEYS_PER_SHARD_MAX: usize = 8_192;

/// How a keyring judges.
#[derive(Debug, Clone, Copy)]
pub struct KeyringOptions {
    /// Which keys count here.
    pub environment: Environment,
    /// The rate of keys without one of their own.
    pub requests_per_minute: u32,
    /// Failed proofs a minute per client address; none for no limit, as in the demo. Loopback has none anyway.
    pub failed_proofs_per_minute: Option<u32>,
}

/// Proves keys. Cheap to clone.
#[derive(Clone)]
pub struct Keyring(Arc<Ring>);

struct Ring {
    reader: Reader,
    clock: PlatformClock,
    secrets: AccessSecrets,
    environment: Environment,
    quota: Quota,
    failures: Failures,
    shards: [RwLock<HashMap<TokenBody, Arc<Known>>>; SHARDS],
    /// Grows whenever something is forgotten: what was read before must not be remembered after.
    forgotten: AtomicU64,
    /// When the access version was last looked at, microseconds since 1970 in real time.
    looked_at: AtomicI64,
    /// A look is under way in the background.
    looking: AtomicBool,
    /// How many looks there were, successful or not.
    looks: AtomicU64,
    /// The last of them; held during the next.
    last_look: Mutex<LastLook>,
}

/// What the last look at the access version found.
#[derive(Default)]
struct LastLook {
    /// The version that everything remembered is at least as new as.
    version: Option<i64>,
    /// Why it failed, if it did.
    fault: Option<Fault>,
}

impl Keyring {
    /// An empty keyring over the keys in the store.
    pub(crate) fn new(reader: Reader, clock: PlatformClock, secrets: AccessSecrets, options: KeyringOptions) -> Keyring {
        Keyring(Arc::new(Ring {
            reader,
            clock,
            secrets,
            environment: options.environment,
            quota: Quota::per_minute(options.requests_per_minute),
            failures: Failures::new(options.failed_proofs_per_minute),
            shards: Default::default(),
            forgotten: AtomicU64::new(0),
            looked_at: AtomicI64::new(i64::MIN),
            looking: AtomicBool::new(false),
            looks: AtomicU64::new(0),
            last_look: Mutex::default(),
        }))
    }

    /// Proves a key by the values of the two headers, and takes one request from its rate.
    ///
    /// A remembered key costs one keyed hash and no allocation. The answer for an unknown token and for a wrong secret
    /// is the same and takes the same work: one keyed hash, one read.
    ///
    /// # Errors
    /// [`Refused`]: credentials, then address, then rate, in this order.
    pub async fn prove(&self, token: &[u8], secret: &[u8], address: IpAddr) -> Result<Caller, Refused> {
        let ring = &self.0;
        let now = ring.secrets.source().now();
        let presented = ring.secrets.hash(secret);
        let Some(body) = token_body(token, ring.environment) else { return Err(ring.fail(address, now)) };
        if ring.is_fresh(now) {
            if ring.age(now) >= LOOK_AFTER_MICROS {
                self.look_in_background();
            }
            if let Some(proof) = ring.prove_from_memory(body, &presented, address, now) {
                return proof;
            }
        }
        // Boxed, so that the usual case does not carry the unusual one's state around.
        Box::pin(ring.prove_from_store(token, body, &presented, address)).await
    }

    /// The account, for what is asked without a key; `None` when there is none of that id.
    ///
    /// # Errors
    /// [`Fault`] of the store, or of an account that cannot be opened.
    pub async fn account(&self, id: AccountId) -> Result<Option<Account>, Fault> {
        let row = queries::account(&self.0.reader, id).await?;
        row.map(|row| opened(&self.0.secrets, row).map_err(as_fault)).transpose()
    }

    /// Reads a key again when it is next used, because it has changed.
    pub(crate) fn forget(&self, token: &str) {
        self.0.forget([token]);
    }

    /// Reads the keys of an account again when they are next used, because it has changed.
    pub(crate) fn forget_account(&self, id: AccountId) {
        self.0.forget_account(id);
    }

    /// One look for everybody, while remembered keys still count, so that nobody waits for it.
    fn look_in_background(&self) {
        if !self.0.looking.swap(true, Ordering::AcqRel) {
            let keyring = self.clone();
            tokio::spawn(async move {
                if let Err(fault) = keyring.0.look(LOOK_AFTER_MICROS).await {
                    tracing::warn!(%fault, "the access version could not be read");
                }
                keyring.0.looking.store(false, Ordering::Release);
            });
        }
    }
}

impl Ring {
    fn age(&self, now: Timestamp) -> i64 {
        now.micros().saturating_sub(self.looked_at.load(Ordering::Acquire))
    }

    /// Whether what is remembered may be used. A clock that was set back makes it stale.
    fn is_fresh(&self, now: Timestamp) -> bool {
        (0..STALE_AFTER_MICROS).contains(&self.age(now))
    }

    fn shard(&self, body: &TokenBody) -> &RwLock<HashMap<TokenBody, Arc<Known>>> {
        // The characters are random, and their low bits differ well enough.
        &self.shards[usize::from(body[0] ^ body[1]) % SHARDS]
    }

    fn remembered(&self, body: &TokenBody) -> Option<Arc<Known>> {
        self.shard(body).read().unwrap_or_else(PoisonError::into_inner).get(body).cloned()
    }

    /// The answer, if the key is remembered and the secret is right.
    fn prove_from_memory(
        &self,
        body: &TokenBody,
        presented: &[u8; 32],
        address: IpAddr,
        now: Timestamp,
    ) -> Option<Result<Caller, Refused>> {
        let known = self.remembered(body).filter(|known| !known.is_outdated())?;
        let secret = known.secrets.find(presented)?;
        Some(self.admit(known, &secret, address, now))
    }

    fn admit(&self, known: Arc<Known>, secret: &LiveSecret, address: IpAddr, now: Timestamp) -> Result<Caller, Refused> {
        let times = Times { real: now, platform: &|| self.clock.now() };
        match known.admit(secret, address, times) {
            Ok(rate) => Ok(Caller::new(known, rate)),
            Err(refused) => {
                count(&refused);
                Err(refused)
            }
        }
    }

    /// A failed proof: counted, and answered according to how many there were.
    fn fail(&self, address: IpAddr, now: Timestamp) -> Refused {
        let refused = match self.failures.count(address, now) {
            Ok(()) => Refused::InvalidCredentials,
            Err(rate) => Refused::TooManyFailures { retry_in_seconds: rate.retry_in_seconds },
        };
        count(&refused);
        refused
    }

    async fn prove_from_store(
        &self,
        token: &[u8],
        body: &TokenBody,
        presented: &[u8; 32],
        address: IpAddr,
    ) -> Result<Caller, Refused> {
        let now = self.secrets.source().now();
        let text = std::str::from_utf8(token).ok().filter(|_| checksum_is_right(token));
        let Some(text) = text else { return Err(self.fail(address, now)) };
        if !self.is_fresh(now) {
            self.look(STALE_AFTER_MICROS).await?;
            if let Some(proof) = self.prove_from_memory(body, presented, address, now) {
                return proof;
            }
        }
        // Whoever failed too often costs us no more reads; a key that is remembered never gets here.
        self.failures
            .may_try(address, now)
            .map_err(|rate| Refused::TooManyFailures { retry_in_seconds: rate.retry_in_seconds })?;
        match self.read(text, body, presented).await? {
            Some(known) => {
                let secret = known.secrets.find(presented).expect("a key is read for a secret it has");
                self.admit(known, &secret, address, self.secrets.source().now())
            }
            None => Err(self.fail(address, now)),
        }
    }

    /// Reads the key with this token and remembers it, if it has this secret.
    async fn read(&self, token: &str, body: &TokenBody, presented: &[u8; 32]) -> Result<Option<Arc<Known>>, Fault> {
        let before = self.forgotten.load(Ordering::Acquire);
        let Some((key, secrets)) = queries::key_by_token(&self.reader, token).await? else { return Ok(None) };
        let secrets = LiveSecrets::new(secrets.iter().filter_map(live));
        if secrets.find(presented).is_none() {
            return Ok(None);
        }
        let account = queries::account(&self.reader, key.account_id).await?;
        let account = account.ok_or_else(|| Fault::Failed("an access key names an account that does not exist".into()))?;
        let account = opened(&self.secrets, account).map_err(as_fault)?;
        let bucket = self.remembered(body).map_or_else(Arc::<Bucket>::default, |known| known.bucket.clone());
        let known = Arc::new(Known {
            id: key.id,
            account: Arc::new(account),
            permission: key.permission,
            secrets,
            disabled: key.disabled,
            expires_at: key.expires_at,
            allowed: allowed(&key)?,
            quota: key.requests_per_minute.map_or(self.quota, Quota::per_minute),
            bucket,
            outdated: AtomicBool::new(false),
        });
        tracing::debug!(token = %Shown(token), account = %known.account.id, "access key read");
        self.remember(*body, known.clone(), before);
        Ok(Some(known))
    }

    /// Remembers a key that was read when `before` things had been forgotten. If something was forgotten since, it may
    /// have been this key's earlier state, so this one is used once and not kept.
    fn remember(&self, body: TokenBody, known: Arc<Known>, before: u64) {
        let mut shard = self.shard(&body).write().unwrap_or_else(PoisonError::into_inner);
        // INVARIANT: `forget` counts before it takes this lock, so either we see its count or it sees our key; guarded
        // by `keyring::tests::a_key_changed_while_it_is_read_is_not_remembered`.
        if self.forgotten.load(Ordering::Acquire) != before {
            return;
        }
        if shard.len() >= KEYS_PER_SHARD_MAX && !shard.contains_key(&body) {
            let now = self.secrets.source().now();
            shard.retain(|_, known| !known.bucket.is_full(now));
            if shard.len() >= KEYS_PER_SHARD_MAX {
                shard.clear();
            }
        }
        shard.insert(body, known);
    }

    fn forget<'a>(&self, tokens: impl IntoIterator<Item = &'a str>) {
        self.forgotten.fetch_add(1, Ordering::AcqRel);
        for token in tokens {
            let known = token_body(token.as_bytes(), self.environment).and_then(|body| self.remembered(body));
            if let Some(known) = known {
                known.outdated.store(true, Ordering::Release);
            }
        }
    }

    fn forget_account(&self, id: AccountId) {
        self.forgotten.fetch_add(1, Ordering::AcqRel);
        for shard in &self.shards {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            for known in shard.values().filter(|known| known.account.id == id) {
                known.outdated.store(true, Ordering::Release);
            }
        }
    }

    fn forget_all(&self) {
        self.forgotten.fetch_add(1, Ordering::AcqRel);
        for shard in &self.shards {
            shard.write().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    /// Looks which keys have changed, unless somebody did so less than `period` microseconds ago. Whoever waited for
    /// somebody else's look that failed fails with it: when the store hangs, requests must not hang one after the other.
    async fn look(&self, period: i64) -> Result<(), Fault> {
        let before = self.looks.load(Ordering::Acquire);
        let mut last = self.last_look.lock().await;
        let now = self.secrets.source().now();
        if (0..period).contains(&self.age(now)) {
            return Ok(());
        }
        if self.looks.load(Ordering::Acquire) != before
            && let Some(fault) = &last.fault
        {
            return Err(fault.clone());
        }
        let outcome = self.forget_what_changed_since(last.version).await;
        self.looks.fetch_add(1, Ordering::AcqRel);
        last.fault = outcome.as_ref().err().cloned();
        last.version = Some(outcome?);
        // The time before the read: a change that was made later is not known yet.
        self.looked_at.store(now.micros(), Ordering::Release);
        Ok(())
    }

    /// Forgets the keys that have changed since that version, and gives the present one.
    async fn forget_what_changed_since(&self, version: Option<i64>) -> Result<i64, Fault> {
        let current = queries::version(&self.reader).await?;
        match version {
            Some(before) if before < current => {
                let changed = queries::changed_since(&self.reader, before).await?;
                self.forget(changed.iter().map(AsRef::as_ref));
            }
            Some(before) if before == current => {}
            // The first look, or an older copy of the database was put back.
            _ => self.forget_all(),
        }
        Ok(current)
    }
}

/// A stored secret as it is compared; a damaged one proves nothing.
fn live(row: &AccessSecretRow) -> Option<LiveSecret> {
    Some(LiveSecret { hash: row.secret_hash.as_ref().try_into().ok()?, valid_until: row.valid_until })
}

/// From where a key may be used; a list that cannot be read lets nobody in.
fn allowed(key: &AccessKeyRow) -> Result<AllowList, Fault> {
    AllowList::from_stored(&key.allowed_ips).map_err(|_| Fault::Failed("the address list of an access key cannot be read".into()))
}

fn count(refused: &Refused) {
    let reason = match refused {
        Refused::InvalidCredentials => "invalid",
        Refused::ExpiredCredentials => "expired",
        Refused::UnknownIpAddress => "address",
        Refused::TooManyRequests(_) => "rate",
        Refused::TooManyFailures { .. } => "failures",
        Refused::Fault(_) => "fault",
    };
    metrics::counter!("guichet_access_refused_total", "reason" => reason).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::known;
    use crate::tests::House;
    use crate::token::new_token;

    #[tokio::test]
    async fn a_key_changed_while_it_is_read_is_not_remembered() {
        let folder = tempfile::tempdir().expect("a folder");
        let house = House::open(db::DatabaseUrl::sqlite(folder.path().join("test.db"))).await;
        let ring = &house.service.keyring().0;
        let token = new_token(Environment::Sandbox, ring.secrets.source());
        let body = *token_body(token.as_bytes(), Environment::Sandbox).expect("a token");
        let read = || Arc::new(known::tests::known([1; 32], 60));

        let before = ring.forgotten.load(Ordering::Acquire);
        ring.forget([token.as_str()]);
        ring.remember(body, read(), before);
        assert!(ring.remembered(&body).is_none(), "it may be the state before the change");

        let before = ring.forgotten.load(Ordering::Acquire);
        ring.remember(body, read(), before);
        assert!(ring.remembered(&body).is_some_and(|known| !known.is_outdated()));
        ring.forget([token.as_str()]);
        assert!(ring.remembered(&body).is_some_and(|known| known.is_outdated()));
    }

    #[tokio::test]
    async fn memory_is_bounded_and_forgets_idle_keys_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let house = House::open(db::DatabaseUrl::sqlite(folder.path().join("test.db"))).await;
        let ring = &house.service.keyring().0;
        let now = ring.secrets.source().now();
        let busy = Arc::new(known::tests::known([1; 32], 60));
        busy.bucket.take(busy.quota, now).expect("the first request");
        let body = |number: usize| {
            let mut body: TokenBody = [b'0'; _];
            body[2..10].copy_from_slice(format!("{number:08}").as_bytes()); // all in one part of the memory
            body
        };
        ring.remember(body(0), busy, 0);
        for number in 1..=KEYS_PER_SHARD_MAX {
            ring.remember(body(number), Arc::new(known::tests::known([1; 32], 60)), 0);
        }
        let shard = ring.shard(&body(0)).read().expect("no panic");
        assert!(
            shard.len() <= KEYS_PER_SHARD_MAX && shard.contains_key(&body(0)) && shard.contains_key(&body(KEYS_PER_SHARD_MAX))
        );
    }
}
