//! What is read of the vault outside of decisions.

use db::{Fault, Reader, Snapshot, Sql, args, sql};
use kernel::AccountId;
use uuid::Uuid;

use super::rows::{VaultAccountRow, VaultKeyRow, VaultRecordRow};

static KEY: Sql = sql!("SELECT {} FROM vault_key WHERE account_id = $1 AND version = $2", VaultKeyRow);

static CURRENT: Sql = sql!("SELECT {} FROM vault_account WHERE account_id = $1", VaultAccountRow);

static RECORD: Sql = sql!("SELECT {} FROM vault_record WHERE account_id = $1 AND id = $2", VaultRecordRow);

// The vault's accounts in the order of their ids, so that a rotation that was broken off goes on where it likes.
static ACCOUNTS: Sql = sql!("SELECT {} FROM vault_account WHERE account_id > $1 ORDER BY account_id LIMIT $2", VaultAccountRow);

static FIRST_ACCOUNTS: Sql = sql!("SELECT {} FROM vault_account ORDER BY account_id LIMIT $1", VaultAccountRow);

static KEYS: Sql = sql!("SELECT {} FROM vault_key WHERE account_id = $1 ORDER BY version", VaultKeyRow);

static OLDER: Sql = sql!(
    "SELECT {} FROM vault_record WHERE account_id = $1 AND key_version < $2 AND id > $3 ORDER BY id LIMIT $4",
    VaultRecordRow
);

static COUNT_UNDER: Sql = sql!("SELECT COUNT(*) FROM vault_record WHERE account_id = $1 AND key_version = $2");

static VERSIONS: Sql =
    sql!("SELECT key_version, COUNT(*), COUNT(DISTINCT account_id) FROM vault_record GROUP BY key_version ORDER BY key_version");

pub(super) static EVERY_KEY: Sql = sql!(
    "SELECT {}, (SELECT current_version FROM vault_account AS a WHERE a.account_id = vault_key.account_id)
       FROM vault_key ORDER BY account_id, version",
    VaultKeyRow
);

pub(super) static EVERY_RECORD: Sql = sql!(
    "SELECT {}, (SELECT COUNT(*) FROM token WHERE token.account_id = vault_record.account_id AND number_record = vault_record.id)
              + (SELECT COUNT(*) FROM token WHERE token.account_id = vault_record.account_id AND code_record = vault_record.id)
              + (SELECT COUNT(*) FROM payment_method AS m WHERE m.account_id = vault_record.account_id
                    AND m.number_record = vault_record.id),
            (SELECT wrapped FROM vault_key AS k WHERE k.account_id = vault_record.account_id AND k.version = key_version)
       FROM vault_record ORDER BY account_id, id",
    VaultRecordRow
);

pub(super) static EVERY_ACCOUNT: Sql = sql!(
    "SELECT {}, (SELECT COUNT(*) FROM vault_key AS k WHERE k.account_id = vault_account.account_id AND k.version = current_version)
       FROM vault_account ORDER BY account_id",
    VaultAccountRow
);

/// One version of an account's key.
pub(super) async fn key(reader: &Reader, account: AccountId, version: i64) -> Result<Option<VaultKeyRow>, Fault> {
    reader.row(&KEY, args![account, version]).await
}

/// What an account seals with; `None` before its first record.
pub(super) async fn current(reader: &Reader, account: AccountId) -> Result<Option<i64>, Fault> {
    Ok(reader.row::<VaultAccountRow>(&CURRENT, args![account]).await?.map(|row| row.current_version))
}

/// One record.
pub(super) async fn record(reader: &Reader, account: AccountId, id: Uuid) -> Result<Option<VaultRecordRow>, Fault> {
    reader.row(&RECORD, args![account, id]).await
}

/// Some accounts with sealed records, those after `after`.
pub(super) async fn accounts(reader: &Reader, after: Option<AccountId>, limit: u32) -> Result<Vec<VaultAccountRow>, Fault> {
    match after {
        Some(after) => reader.rows(&ACCOUNTS, args![after, limit]).await,
        None => reader.rows(&FIRST_ACCOUNTS, args![limit]).await,
    }
}

/// All versions of an account's key, oldest first.
pub(super) async fn keys(reader: &Reader, account: AccountId) -> Result<Vec<VaultKeyRow>, Fault> {
    reader.rows(&KEYS, args![account]).await
}

/// Records of an account under a version older than `version`, those after `after`.
pub(super) async fn older(
    reader: &Reader,
    account: AccountId,
    version: i64,
    after: Uuid,
    limit: u32,
) -> Result<Vec<VaultRecordRow>, Fault> {
    reader.rows(&OLDER, args![account, version, after, limit]).await
}

/// How many records of an account are sealed with a version.
pub(super) async fn count_under(reader: &Reader, account: AccountId, version: i64) -> Result<i64, Fault> {
    reader.one(&COUNT_UNDER, args![account, version]).await?.map_or(Ok(0), |record| record.get(0))
}

/// The versions of data keys in use: (version, records, accounts).
///
/// # Errors
/// [`Fault`] when the snapshot cannot be read.
pub async fn versions(snapshot: &Snapshot) -> Result<Vec<(i64, i64, i64)>, Fault> {
    let mut found = Vec::new();
    snapshot
        .each(&VERSIONS, args![], |record| {
            found.push((record.get(0)?, record.get(1)?, record.get(2)?));
            Ok(())
        })
        .await?;
    Ok(found)
}
