//! Decisions about accounts and keys.

use std::sync::Arc;

use db::{Command, Keys, Rows, name_counter, take_number};
use kernel::{AccessKeyId, AccountId, Timestamp};

use crate::error::AccessRefusal;
use crate::rows::{
    ACCESS_VERSION_ID, AccessKeyRow, AccessSecretRow, AccessVersionRow, AccountRow, PLATFORM_KEY_SLOTS, PlatformKeyRow,
};
use crate::rules::account_number;

/// The counter that account numbers are made from.
const NUMBER_COUNTER: &str = "account";

/// Makes an account. Number and time of the row are filled in here.
pub(crate) struct CreateAccount {
    pub(crate) row: AccountRow,
}

impl Command for CreateAccount {
    type Reply = AccountRow;
    type Refusal = AccessRefusal;

    fn keys(&self, keys: &mut Keys<'_>) {
        name_counter(keys, NUMBER_COUNTER);
        keys.fresh::<AccountRow>((self.row.id,));
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<AccountRow, AccessRefusal> {
        let number = account_number(take_number(rows, NUMBER_COUNTER, 0));
        let row = AccountRow { number, created_at: now, ..self.row.clone() };
        rows.append(row.clone());
        Ok(row)
    }
}

/// Says whether an account refuses a repeat with another body. Gives whether that was otherwise before.
pub(crate) struct SetStrictness {
    pub(crate) id: AccountId,
    pub(crate) strict: bool,
}

impl Command for SetStrictness {
    type Reply = bool;
    type Refusal = AccessRefusal;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<AccountRow>((self.id,));
        keys.row::<AccessVersionRow>((ACCESS_VERSION_ID,));
    }

    fn decide(&self, rows: &mut Rows, _now: Timestamp) -> Result<bool, AccessRefusal> {
        let account = rows.get::<AccountRow>(&(self.id,)).ok_or(AccessRefusal::NoSuchAccount)?;
        if account.idempotency_strict == self.strict {
            return Ok(false);
        }
        let version = next_version(rows);
        let account = rows.must_mut::<AccountRow>(&(self.id,));
        account.idempotency_strict = self.strict;
        account.changed_in = version;
        Ok(true)
    }
}

/// Makes a key with its first secret. The times of both rows are filled in here.
pub(crate) struct CreateKey {
    pub(crate) key: AccessKeyRow,
    pub(crate) secret: AccessSecretRow,
}

impl Command for CreateKey {
    type Reply = ();
    type Refusal = AccessRefusal;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<AccountRow>((self.key.account_id,));
        keys.fresh::<AccessKeyRow>((self.key.id,));
        keys.fresh::<AccessSecretRow>((self.secret.key_id, self.secret.secret_id));
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<(), AccessRefusal> {
        rows.get::<AccountRow>(&(self.key.account_id,)).ok_or(AccessRefusal::NoSuchAccount)?;
        if self.key.expires_at.is_some_and(|end| end <= now) {
            return Err(AccessRefusal::ExpiryInThePast);
        }
        // Nobody remembers a key that did not exist, so the access version stays as it is.
        rows.append(AccessKeyRow { created_at: now, ..self.key.clone() });
        rows.append(AccessSecretRow { made_at: now, ..self.secret.clone() });
        Ok(())
    }
}

/// Switches a key on or off.
pub(crate) struct SwitchKey {
    pub(crate) id: AccessKeyId,
    pub(crate) disabled: bool,
}

/// What a change did to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Changed {
    /// The key's token, by which it is remembered.
    pub(crate) token: Arc<str>,
    /// Whether it was so already.
    pub(crate) already: bool,
}

impl Command for SwitchKey {
    type Reply = Changed;
    type Refusal = AccessRefusal;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<AccessKeyRow>((self.id,));
        keys.row::<AccessVersionRow>((ACCESS_VERSION_ID,));
    }

    fn decide(&self, rows: &mut Rows, _now: Timestamp) -> Result<Changed, AccessRefusal> {
        let key = rows.get::<AccessKeyRow>(&(self.id,)).ok_or(AccessRefusal::NoSuchKey)?;
        if key.disabled == self.disabled {
            return Ok(Changed { token: key.token.clone(), already: true });
        }
        let token = mark_changed(rows, self.id);
        rows.must_mut::<AccessKeyRow>(&(self.id,)).disabled = self.disabled;
        Ok(Changed { token, already: false })
    }
}

/// Gives a key a new secret; the present one stays valid for a while.
pub(crate) struct RotateKey {
    /// Whose key it must be, because the new secret was sealed for it.
    pub(crate) account_id: AccountId,
    /// The new secret; its time is filled in here.
    pub(crate) secret: AccessSecretRow,
    pub(crate) overlap_seconds: u32,
}

impl Command for RotateKey {
    type Reply = Changed;
    type Refusal = AccessRefusal;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<AccessKeyRow>((self.secret.key_id,));
        keys.row::<AccessVersionRow>((ACCESS_VERSION_ID,));
        keys.prefix::<AccessSecretRow>(&(self.secret.key_id,));
        keys.fresh::<AccessSecretRow>((self.secret.key_id, self.secret.secret_id));
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Changed, AccessRefusal> {
        let id = self.secret.key_id;
        let key = rows.get::<AccessKeyRow>(&(id,)).ok_or(AccessRefusal::NoSuchKey)?;
        if key.account_id != self.account_id {
            return Err(AccessRefusal::NoSuchKey);
        }
        // At most two secrets at a time: the present one becomes the predecessor, an older predecessor ends now.
        for earlier in rows.all::<AccessSecretRow>(&(id,)) {
            let secret = rows.must_mut::<AccessSecretRow>(&earlier);
            if secret.valid_until.is_some() || self.overlap_seconds == 0 {
                rows.delete::<AccessSecretRow>(&earlier);
            } else {
                secret.valid_until = Some(now.plus_seconds(self.overlap_seconds.into()));
            }
        }
        rows.append(AccessSecretRow { made_at: now, ..self.secret.clone() });
        Ok(Changed { token: mark_changed(rows, id), already: false })
    }
}

/// Notes in the key's row and in the access version that the key has changed; gives its token.
fn mark_changed(rows: &mut Rows, id: AccessKeyId) -> Arc<str> {
    let version = next_version(rows);
    let key = rows.must_mut::<AccessKeyRow>(&(id,));
    key.changed_in = version;
    key.token.clone()
}

/// Counts a change, and gives its number.
fn next_version(rows: &mut Rows) -> i64 {
    let version = rows.must_mut::<AccessVersionRow>(&(ACCESS_VERSION_ID,));
    version.version += 1;
    version.version
}

/// Keeps a platform key that was just made, unless there is one. Gives the one there is.
pub(crate) struct KeepPlatformKey {
    pub(crate) master_check: Arc<[u8]>,
    pub(crate) wrapped: Arc<[u8]>,
}

impl Command for KeepPlatformKey {
    type Reply = Vec<PlatformKeyRow>;
    type Refusal = AccessRefusal;

    fn keys(&self, keys: &mut Keys<'_>) {
        name_platform_keys(keys);
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Vec<PlatformKeyRow>, AccessRefusal> {
        let present = platform_keys(rows);
        if !present.is_empty() {
            return Ok(present);
        }
        let (master_check, wrapped) = (self.master_check.clone(), self.wrapped.clone());
        let row = PlatformKeyRow { slot: PLATFORM_KEY_SLOTS[0], master_check, wrapped, wrapped_at: now };
        rows.insert(row.clone());
        Ok(vec![row])
    }
}

/// Wraps the platform key under a further master key, beside the present one. A further one that was begun before and is
/// neither of the two is given up: whoever asks shows that the present one opens.
pub(crate) struct WrapPlatformKey {
    pub(crate) present_check: Arc<[u8]>,
    pub(crate) next_check: Arc<[u8]>,
    pub(crate) wrapped: Arc<[u8]>,
}

impl Command for WrapPlatformKey {
    type Reply = ();
    type Refusal = AccessRefusal;

    fn keys(&self, keys: &mut Keys<'_>) {
        name_platform_keys(keys);
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<(), AccessRefusal> {
        let keys = platform_keys(rows);
        if keys.iter().any(|key| key.master_check == self.next_check) {
            return Ok(());
        }
        let present = keys.iter().find(|key| key.master_check == self.present_check);
        let present = present.ok_or(AccessRefusal::OtherMasterKey)?.slot;
        let [one, two] = PLATFORM_KEY_SLOTS;
        let slot = if present == one { two } else { one };
        rows.delete::<PlatformKeyRow>(&(slot,));
        let (master_check, wrapped) = (self.next_check.clone(), self.wrapped.clone());
        rows.insert(PlatformKeyRow { slot, master_check, wrapped, wrapped_at: now });
        Ok(())
    }
}

/// Leaves the platform key wrapped under this master key alone. Gives whether it was wrapped under another one as well.
pub(crate) struct KeepOneMasterKey {
    pub(crate) check: Arc<[u8]>,
}

impl Command for KeepOneMasterKey {
    type Reply = bool;
    type Refusal = AccessRefusal;

    fn keys(&self, keys: &mut Keys<'_>) {
        name_platform_keys(keys);
    }

    fn decide(&self, rows: &mut Rows, _now: Timestamp) -> Result<bool, AccessRefusal> {
        let (kept, others): (Vec<_>, Vec<_>) = platform_keys(rows).into_iter().partition(|key| key.master_check == self.check);
        if kept.is_empty() {
            return Err(AccessRefusal::OtherMasterKey);
        }
        for other in &others {
            rows.delete::<PlatformKeyRow>(&(other.slot,));
        }
        Ok(!others.is_empty())
    }
}

fn name_platform_keys(keys: &mut Keys<'_>) {
    for slot in PLATFORM_KEY_SLOTS {
        keys.row::<PlatformKeyRow>((slot,));
    }
}

fn platform_keys(rows: &mut Rows) -> Vec<PlatformKeyRow> {
    PLATFORM_KEY_SLOTS.into_iter().filter_map(|slot| rows.get::<PlatformKeyRow>(&(slot,)).cloned()).collect()
}
