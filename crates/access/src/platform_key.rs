//! The platform key: opened by the master key when a process starts, and wrapped anew when the master key is changed.

use std::sync::Arc;

use db::{Fault, Reader, Snapshot, Writer};
use kernel::{MasterKey, PlatformKey, Source};

use crate::commands::{KeepOneMasterKey, KeepPlatformKey, WrapPlatformKey};
use crate::error::AccessError;
use crate::queries;
use crate::rows::{AccountRow, PlatformKeyRow};
use crate::secrets::AccessSecrets;

/// What a master key makes of the platform key in a database.
#[derive(Debug, Clone)]
pub enum Opening {
    /// It opens.
    Opened(PlatformKey),
    /// There is none yet: nothing was ever sealed.
    Absent,
    /// It is wrapped under another master key.
    OtherMasterKey,
    /// It is wrapped under this master key and was changed since: nothing that is sealed can be opened.
    Damaged,
}

/// Looks at the platform key of a database without changing anything.
///
/// # Errors
/// When the snapshot cannot be read.
pub async fn platform_key_in(snapshot: &Snapshot, master: &MasterKey, source: &Source) -> Result<Opening, Fault> {
    let rows = queries::platform_keys_in(snapshot).await?;
    if rows.is_empty() {
        return Ok(before_wrapping(queries::oldest_account_in(snapshot).await?, master, source));
    }
    Ok(open(&rows, master, source))
}

/// Opens and keeps the wrapped platform key. Cheap to clone.
#[derive(Clone)]
pub struct PlatformKeys {
    writer: Writer,
    reader: Reader,
    source: Source,
}

impl PlatformKeys {
    /// On this store.
    pub fn new(store: &db::Store, source: &Source) -> PlatformKeys {
        PlatformKeys { writer: store.writer().clone(), reader: store.reader().clone(), source: source.clone() }
    }

    /// The platform key; made when there is none. Of several processes that make one at once, one prevails.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn open_or_make(&self, master: &MasterKey) -> Result<Opening, AccessError> {
        let rows = queries::platform_keys(&self.reader).await?;
        if !rows.is_empty() {
            return Ok(open(&rows, master, &self.source));
        }
        let key = match before_wrapping(queries::oldest_account(&self.reader).await?, master, &self.source) {
            Opening::Absent => PlatformKey::generate(&self.source),
            Opening::Opened(key) => key,
            other => return Ok(other),
        };
        let keep = KeepPlatformKey { master_check: check(master), wrapped: master.wrap(&key, &self.source).into() };
        let rows = self.writer.run(keep).await??;
        Ok(open(&rows, master, &self.source))
    }

    /// Wraps the platform key under `next` as well; from now on both master keys open it. Can be repeated.
    ///
    /// # Errors
    /// When `present` does not open it, or the store fails.
    pub async fn wrap_for(&self, next: &MasterKey, present: &MasterKey, key: &PlatformKey) -> Result<(), AccessError> {
        let (present_check, next_check) = (check(present), check(next));
        let wrapped = next.wrap(key, &self.source).into();
        Ok(self.writer.run(WrapPlatformKey { present_check, next_check, wrapped }).await??)
    }

    /// Ends a change: only `master` opens the platform key from now on. Gives whether another one did before.
    ///
    /// # Errors
    /// When `master` does not open it, or the store fails.
    pub async fn keep_only(&self, master: &MasterKey) -> Result<bool, AccessError> {
        Ok(self.writer.run(KeepOneMasterKey { check: check(master) }).await??)
    }

    /// How far a change of the master key is, seen from `master`, which opens the platform key.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn change(&self, master: &MasterKey) -> Result<MasterKeyChange, AccessError> {
        let rows = queries::platform_keys(&self.reader).await?;
        let last = rows.last().is_some_and(|row| *row.master_check == master.check_value());
        Ok(match (rows.len(), last) {
            (0 | 1, _) => MasterKeyChange::None,
            (_, true) => MasterKeyChange::ToThis,
            (_, false) => MasterKeyChange::ToAnother,
        })
    }
}

/// How far a change of the master key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MasterKeyChange {
    /// None is under way.
    None,
    /// The platform key was wrapped under this master key, and an earlier one still opens it.
    ToThis,
    /// The platform key was wrapped under a later master key, and this one still opens it.
    ToAnother,
}

fn check(master: &MasterKey) -> Arc<[u8]> {
    master.check_value().as_slice().into()
}

fn open(rows: &[PlatformKeyRow], master: &MasterKey, source: &Source) -> Opening {
    let Some(row) = rows.iter().find(|row| *row.master_check == master.check_value()) else { return Opening::OtherMasterKey };
    master.unwrap(&row.wrapped, source).map_or(Opening::Damaged, Opening::Opened)
}

/// A database of a version that knew no platform key sealed under the master key itself, so that one becomes its platform
/// key; whether it is the right one is tried on the oldest account.
fn before_wrapping(oldest: Option<AccountRow>, master: &MasterKey, source: &Source) -> Opening {
    let Some(row) = oldest else { return Opening::Absent };
    let key = master.as_platform_key();
    let opens = AccessSecrets::new(&key, source).open_fingerprint_key(&row.sealed_fingerprint_key, row.id).is_ok();
    if opens { Opening::Opened(key) } else { Opening::OtherMasterKey }
}
