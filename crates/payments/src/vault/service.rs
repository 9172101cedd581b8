//! Sealing, opening, and changing the keys while the product runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use db::{Fault, Store};
use idempotency::{Reply, Scope};
use kernel::{AccountId, CardNumber, DataKey, KeyWrap, PlatformKey, SealError, Sealer, SecurityCode, Source};
use uuid::Uuid;

use super::commands::{AddKey, FinishRotation, Reseal, RetireKey, StartRotation};
use super::queries;
use crate::origin::JSON;

/// Opened keys that are remembered; more than this many are forgotten together.
const REMEMBERED_KEYS_MAX: usize = 4_096;
/// How many records one step of a rotation seals anew.
const RESEAL_RECORDS: u32 = 200;
/// The content type under which a sealed reply is recorded; nobody is ever answered with it.
pub(crate) const SEALED: &str = "application/vnd.guichet.sealed";
/// How many accounts are listed at once.
const ACCOUNTS_AT_ONCE: u32 = 200;

/// A value sealed for the vault, on its way to the decision that stores it.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// The record it is for.
    pub record: Uuid,
    /// The version it is sealed with.
    pub key_version: i64,
    /// What is stored.
    pub bytes: Arc<[u8]>,
}

/// What became of opening a record.
#[derive(Debug)]
pub enum Opened<T> {
    /// The value.
    Good(T),
    /// There is no such record any more.
    Gone,
    /// It was changed, moved, or its key is not here. Logged where it is found.
    Damaged,
}

/// How far a rotation got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotated {
    /// Accounts that seal with a new version.
    pub accounts: u64,
    /// Records sealed anew.
    pub records: u64,
    /// Records that do not open and stay as they are, with their key.
    pub damaged: u64,
    /// Old versions destroyed.
    pub retired: u64,
}

/// The vault. Cheap to clone.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    store: Arc<Store>,
    replies: Sealer,
    wrap: KeyWrap,
    source: Source,
    known: Mutex<HashMap<(AccountId, i64), DataKey>>,
}

impl Vault {
    /// The vault in `store`, its keys wrapped under a key derived from `platform`.
    pub fn new(store: Arc<Store>, platform: &PlatformKey, source: &Source) -> Vault {
        let replies = Sealer::new(platform, "guichet/vault/replies", source);
        Vault(Arc::new(Inner {
            store,
            replies,
            wrap: wrapping(platform, source),
            source: source.clone(),
            known: Mutex::default(),
        }))
    }

    /// A reply that carries a token, as it is recorded for repeats of the request in this scope.
    pub(crate) fn sealed_reply(&self, scope: &Scope, reply: &Reply) -> Reply {
        let body = self.0.replies.seal(&reply.body, &place_of_reply(scope));
        Reply { content_type: SEALED.into(), body: body.into(), ..reply.clone() }
    }

    /// A recorded reply as it was given the first time.
    ///
    /// # Errors
    /// [`SealError`] when a sealed one does not open.
    pub fn opened_reply(&self, scope: &Scope, recorded: Reply) -> Result<Reply, SealError> {
        if recorded.content_type != SEALED {
            return Ok(recorded);
        }
        let body = self.0.replies.open(&recorded.body, &place_of_reply(scope))?;
        Ok(Reply { content_type: JSON.into(), body: body.to_vec().into(), ..recorded })
    }

    /// Seals a card number for a record of its own.
    ///
    /// # Errors
    /// [`Fault`] of the store, or when the account's key does not open.
    pub async fn seal_number(&self, account: AccountId, number: &CardNumber) -> Result<Sealed, Fault> {
        self.seal(account, self.0.source.uuid(), number.expose().as_bytes()).await
    }

    /// Seals a security code for a record of its own.
    ///
    /// # Errors
    /// As [`Vault::seal_number`].
    pub async fn seal_code(&self, account: AccountId, code: &SecurityCode) -> Result<Sealed, Fault> {
        self.seal(account, self.0.source.uuid(), code.expose().as_bytes()).await
    }

    /// Opens a card number.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn open_number(&self, account: AccountId, record: Uuid) -> Result<Opened<CardNumber>, Fault> {
        self.open(account, record, |digits| CardNumber::parse(digits).ok()).await
    }

    /// Opens a security code.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn open_code(&self, account: AccountId, record: Uuid) -> Result<Opened<SecurityCode>, Fault> {
        self.open(account, record, |digits| SecurityCode::parse(digits).ok()).await
    }

    /// Gives every account a new data key, seals its records anew in small steps and destroys the old versions. `said` hears how far it
    /// got. Broken off, it goes on where it was when it is asked for again.
    ///
    /// # Errors
    /// [`Fault`] of the store; what was done before stays done.
    pub async fn rotate(&self, mut said: impl FnMut(Rotated)) -> Result<Rotated, Fault> {
        let store = &self.0.store;
        let Ok(started_at) = store.writer().run(StartRotation).await?;
        let mut done = Rotated::default();
        let mut after = None;
        loop {
            let accounts = queries::accounts(store.reader(), after, ACCOUNTS_AT_ONCE).await?;
            let Some(last) = accounts.last() else { break };
            after = Some(last.account_id);
            for account in accounts {
                let (account, mut version) = (account.account_id, account.current_version);
                let key = queries::key(store.reader(), account, version).await?;
                if key.is_none_or(|key| key.made_at < started_at) {
                    version = self.add_key(account, version).await?;
                    done.accounts += 1;
                }
                self.reseal_account(account, version, &mut done, &mut said).await?;
                said(done);
            }
        }
        let Ok(()) = store.writer().run(FinishRotation).await?;
        Ok(done)
    }

    async fn reseal_account(
        &self,
        account: AccountId,
        version: i64,
        done: &mut Rotated,
        said: &mut impl FnMut(Rotated),
    ) -> Result<(), Fault> {
        let store = &self.0.store;
        let mut after = Uuid::nil();
        loop {
            let found = queries::older(store.reader(), account, version, after, RESEAL_RECORDS).await?;
            let Some(last) = found.last() else { break };
            after = last.id;
            let mut records = Vec::with_capacity(found.len());
            for row in &found {
                let key = self.key(account, row.key_version).await?;
                if let Some(plain) = key.and_then(|key| key.open(row.id, &row.sealed).ok()) {
                    records.push((row.key_version, self.seal(account, row.id, &plain).await?));
                } else {
                    tracing::error!(%account, record = %row.id, "a sealed record does not open; it stays under its old key");
                    done.damaged += 1;
                }
            }
            let Ok(replaced) = store.writer().run(Reseal { account, records }).await?;
            done.records += u64::try_from(replaced).unwrap_or(0);
            said(*done);
        }
        for key in queries::keys(store.reader(), account).await?.into_iter().filter(|key| key.version < version) {
            if queries::count_under(store.reader(), account, key.version).await? == 0 {
                let Ok(retired) = store.writer().run(RetireKey { account, version: key.version }).await?;
                done.retired += u64::from(retired);
            }
        }
        Ok(())
    }

    async fn seal(&self, account: AccountId, record: Uuid, plain: &[u8]) -> Result<Sealed, Fault> {
        let version = self.current(account).await?;
        let key = self.key(account, version).await?;
        let key = key.ok_or_else(|| Fault::Failed("the account's data key is missing or does not open".into()))?;
        Ok(Sealed { record, key_version: version, bytes: key.seal(record, plain).into() })
    }

    async fn open<T>(&self, account: AccountId, record: Uuid, read: impl FnOnce(&str) -> Option<T>) -> Result<Opened<T>, Fault> {
        let Some(row) = queries::record(self.0.store.reader(), account, record).await? else { return Ok(Opened::Gone) };
        let key = self.key(account, row.key_version).await?;
        let plain = key.and_then(|key| key.open(record, &row.sealed).ok());
        let value = plain.as_ref().and_then(|plain| std::str::from_utf8(plain).ok()).and_then(read);
        Ok(value.map_or_else(
            || {
                tracing::error!(%account, %record, "a sealed record does not open");
                Opened::Damaged
            },
            Opened::Good,
        ))
    }

    /// The version that the account seals with; its first key is made here. Read each time, because another process may change it.
    async fn current(&self, account: AccountId) -> Result<i64, Fault> {
        match queries::current(self.0.store.reader(), account).await? {
            Some(version) => Ok(version),
            None => self.add_key(account, 0).await,
        }
    }

    async fn add_key(&self, account: AccountId, after: i64) -> Result<i64, Fault> {
        let wrapped = self.0.wrap.fresh(account, after + 1).into();
        let Ok(version) = self.0.store.writer().run(AddKey { account, after, wrapped }).await?;
        Ok(version)
    }

    /// A version of an account's key; `None` when it is not there or does not open.
    async fn key(&self, account: AccountId, version: i64) -> Result<Option<DataKey>, Fault> {
        let known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner).get(&(account, version)).cloned();
        if known.is_some() {
            return Ok(known);
        }
        let Some(row) = queries::key(self.0.store.reader(), account, version).await? else { return Ok(None) };
        let opened = self.0.wrap.open(&row.wrapped, account, version);
        let Ok(key) = opened.inspect_err(|why| tracing::error!(%account, version, %why, "a data key does not open")) else {
            return Ok(None);
        };
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED_KEYS_MAX {
            known.clear();
        }
        known.insert((account, version), key.clone());
        Ok(Some(key))
    }
}

fn place_of_reply(scope: &Scope) -> Vec<u8> {
    [scope.account_id.bytes().as_slice(), &scope.hash].concat()
}

/// How data keys of the vault are wrapped.
pub(super) fn wrapping(platform: &PlatformKey, source: &Source) -> KeyWrap {
    KeyWrap::new(platform, "guichet/vault/data keys", source)
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault(***)")
    }
}
