//! Decisions about sealed values and the keys they are sealed with.

use std::convert::Infallible;
use std::sync::Arc;

use db::{Command, Keys, Rows};
use kernel::{AccountId, Timestamp};
use uuid::Uuid;

use super::rows::{ROTATION_ID, VaultAccountRow, VaultKeyRow, VaultRecordRow, VaultRotationRow};
use super::service::Sealed;

/// A value was sealed with a version that is not the account's present one any more: it has to be sealed anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stale;

/// Names the rows that [`store`] touches.
pub(crate) fn store_keys(keys: &mut Keys<'_>, account: AccountId, sealed: &Sealed) {
    keys.row::<VaultAccountRow>((account,));
    keys.fresh::<VaultRecordRow>((account, sealed.record));
}

/// Puts a sealed value into the vault.
///
/// # Errors
/// [`Stale`] when keys were changed since it was sealed.
pub(crate) fn store(rows: &mut Rows, account: AccountId, sealed: &Sealed, now: Timestamp) -> Result<(), Stale> {
    let current = rows.get::<VaultAccountRow>(&(account,)).map(|row| row.current_version);
    if current != Some(sealed.key_version) {
        return Err(Stale);
    }
    rows.append(VaultRecordRow {
        account_id: account,
        id: sealed.record,
        made_at: now,
        key_version: sealed.key_version,
        sealed: sealed.bytes.clone(),
    });
    Ok(())
}

/// Names the row that [`destroy`] touches.
pub(crate) fn destroy_keys(keys: &mut Keys<'_>, account: AccountId, record: Uuid) {
    keys.row::<VaultRecordRow>((account, record));
}

/// Destroys a sealed value; one that is gone already is no mistake.
pub(crate) fn destroy(rows: &mut Rows, account: AccountId, record: Uuid) {
    let key = (account, record);
    if rows.get::<VaultRecordRow>(&key).is_some() {
        rows.delete::<VaultRecordRow>(&key);
    }
}

/// Gives an account a version of its data key, unless somebody was quicker: then theirs stands.
#[derive(Debug)]
pub(super) struct AddKey {
    pub(super) account: AccountId,
    /// The version this one follows; 0 for the first.
    pub(super) after: i64,
    /// The new key, wrapped for version `after + 1`.
    pub(super) wrapped: Arc<[u8]>,
}

impl Command for AddKey {
    /// The version that new records are sealed with from now on.
    type Reply = i64;
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<VaultAccountRow>((self.account,));
        keys.row::<VaultKeyRow>((self.account, self.after + 1));
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<i64, Infallible> {
        let current = rows.get::<VaultAccountRow>(&(self.account,)).map_or(0, |row| row.current_version);
        if current != self.after {
            return Ok(current);
        }
        let version = current + 1;
        match rows.get_mut::<VaultAccountRow>(&(self.account,)) {
            Some(row) => row.current_version = version,
            None => rows.insert(VaultAccountRow { account_id: self.account, current_version: version }),
        }
        rows.insert(VaultKeyRow { account_id: self.account, version, made_at: now, wrapped: self.wrapped.clone() });
        Ok(version)
    }
}

/// Replaces records by the same values under the present version. Records that were destroyed or resealed meanwhile are left alone.
#[derive(Debug)]
pub(super) struct Reseal {
    pub(super) account: AccountId,
    /// The version they were sealed with, and the new values.
    pub(super) records: Vec<(i64, Sealed)>,
}

impl Command for Reseal {
    /// How many were replaced.
    type Reply = usize;
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<VaultAccountRow>((self.account,));
        for (_, sealed) in &self.records {
            keys.row::<VaultRecordRow>((self.account, sealed.record));
        }
    }

    fn decide(&self, rows: &mut Rows, _now: Timestamp) -> Result<usize, Infallible> {
        let current = rows.get::<VaultAccountRow>(&(self.account,)).map(|row| row.current_version);
        let mut replaced = 0;
        for (was, sealed) in self.records.iter().filter(|(_, sealed)| current == Some(sealed.key_version)) {
            if let Some(row) =
                rows.get_mut::<VaultRecordRow>(&(self.account, sealed.record)).filter(|row| row.key_version == *was)
            {
                row.key_version = sealed.key_version;
                row.sealed = sealed.bytes.clone();
                replaced += 1;
            }
        }
        Ok(replaced)
    }
}

/// Destroys a version of a key that no record is sealed with any more. The caller has looked after the version was superseded, and no
/// record appears under a superseded one.
#[derive(Debug)]
pub(super) struct RetireKey {
    pub(super) account: AccountId,
    pub(super) version: i64,
}

impl Command for RetireKey {
    type Reply = bool;
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<VaultAccountRow>((self.account,));
        keys.row::<VaultKeyRow>((self.account, self.version));
    }

    fn decide(&self, rows: &mut Rows, _now: Timestamp) -> Result<bool, Infallible> {
        let superseded = rows.get::<VaultAccountRow>(&(self.account,)).is_some_and(|row| row.current_version > self.version);
        Ok(superseded && rows.delete::<VaultKeyRow>(&(self.account, self.version)).is_some())
    }
}

/// Begins a rotation, or goes on with the one that was broken off.
#[derive(Debug)]
pub(super) struct StartRotation;

impl Command for StartRotation {
    /// Keys made before this are to be replaced.
    type Reply = Timestamp;
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<VaultRotationRow>((ROTATION_ID,));
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Timestamp, Infallible> {
        let Some(row) = rows.get_mut::<VaultRotationRow>(&(ROTATION_ID,)) else {
            rows.insert(VaultRotationRow { id: ROTATION_ID, started_at: now, finished_at: None });
            return Ok(now);
        };
        if row.finished_at.is_some() {
            (row.started_at, row.finished_at) = (now, None);
        }
        Ok(row.started_at)
    }
}

/// Notes that a rotation went through.
#[derive(Debug)]
pub(super) struct FinishRotation;

impl Command for FinishRotation {
    type Reply = ();
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<VaultRotationRow>((ROTATION_ID,));
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<(), Infallible> {
        if let Some(row) = rows.get_mut::<VaultRotationRow>(&(ROTATION_ID,)) {
            row.finished_at = Some(now);
        }
        Ok(())
    }
}
