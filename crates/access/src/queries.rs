//! Reads of accounts and keys: the only SQL of this crate.

use std::collections::HashMap;
use std::sync::Arc;

use db::{Fault, Reader, Snapshot, Sql, Table, args, sql};
use kernel::{AccessKeyId, AccountId};

use crate::rows::{ACCESS_VERSION_ID, AccessKeyRow, AccessSecretRow, AccountRow, PlatformKeyRow};
use crate::token::Environment;

static ACCOUNT: Sql = sql!("SELECT {} FROM account WHERE id = $1", AccountRow);
static ACCOUNT_BY_NUMBER: Sql = sql!("SELECT {} FROM account WHERE number = $1", AccountRow);
static ACCOUNTS_BY_EMAIL: Sql = sql!("SELECT {} FROM account WHERE owner_email = $1 ORDER BY id", AccountRow);
static KEY: Sql = sql!("SELECT {} FROM access_key WHERE id = $1", AccessKeyRow);
static KEY_BY_TOKEN: Sql = sql!(
    "SELECT {}, {} FROM access_key JOIN access_secret ON key_id = id WHERE token = $1 ORDER BY secret_id DESC",
    AccessKeyRow,
    AccessSecretRow
);
static KEYS_OF_ACCOUNT: Sql = sql!(
    "SELECT {}, {} FROM access_key JOIN access_secret ON key_id = id
      WHERE account_id = $1 AND valid_until IS NULL ORDER BY id",
    AccessKeyRow,
    AccessSecretRow
);
static OLDEST_ACCOUNT: Sql = sql!("SELECT {} FROM account ORDER BY id LIMIT 1", AccountRow);
static PLATFORM_KEYS: Sql = sql!("SELECT {} FROM platform_key ORDER BY wrapped_at, slot", PlatformKeyRow);
static ENVIRONMENT_IN_USE: Sql = sql!("SELECT environment FROM access_key ORDER BY id LIMIT 1");
static VERSION: Sql = sql!("SELECT version FROM access_version WHERE id = $1");
static CHANGED_SINCE: Sql = sql!(
    "SELECT token FROM access_key WHERE changed_in > $1
      UNION
     SELECT token FROM account JOIN access_key ON account_id = account.id WHERE account.changed_in > $1"
);

/// What `verify` reads, each in the order of its key.
pub(crate) static EVERY_ACCOUNT: Sql = sql!("SELECT {} FROM account ORDER BY number, id", AccountRow);
/// Every key, whether its account exists, how many present secrets it has and how many in all.
pub(crate) static EVERY_KEY: Sql = sql!(
    "SELECT {},
            (SELECT count(*) FROM account WHERE account.id = access_key.account_id),
            (SELECT count(*) FROM access_secret WHERE key_id = access_key.id AND valid_until IS NULL),
            (SELECT count(*) FROM access_secret WHERE key_id = access_key.id)
       FROM access_key ORDER BY id",
    AccessKeyRow
);
/// Every secret, with the account of its key, or none when there is no such key.
pub(crate) static EVERY_SECRET: Sql = sql!(
    "SELECT {}, account_id FROM access_secret LEFT JOIN access_key ON id = key_id ORDER BY key_id, secret_id",
    AccessSecretRow
);

/// An account.
pub(crate) async fn account(reader: &Reader, id: AccountId) -> Result<Option<AccountRow>, Fault> {
    reader.row(&ACCOUNT, args![id]).await
}

/// The account with this number.
pub(crate) async fn account_by_number(reader: &Reader, number: i64) -> Result<Option<AccountRow>, Fault> {
    reader.row(&ACCOUNT_BY_NUMBER, args![number]).await
}

/// The accounts of an owner, oldest first.
pub(crate) async fn accounts_by_email(reader: &Reader, owner_email: &str) -> Result<Vec<AccountRow>, Fault> {
    reader.rows(&ACCOUNTS_BY_EMAIL, args![Arc::<str>::from(owner_email)]).await
}

/// A key.
pub(crate) async fn key(reader: &Reader, id: AccessKeyId) -> Result<Option<AccessKeyRow>, Fault> {
    reader.row(&KEY, args![id]).await
}

/// The key with this token and its secrets, the newest first.
pub(crate) async fn key_by_token(reader: &Reader, token: &str) -> Result<Option<(AccessKeyRow, Vec<AccessSecretRow>)>, Fault> {
    let records = reader.list(&KEY_BY_TOKEN, args![Arc::<str>::from(token)]).await?;
    let Some(first) = records.first() else { return Ok(None) };
    let secrets = records.iter().map(|record| record.row(AccessKeyRow::META.columns.len())).collect::<Result<_, _>>()?;
    Ok(Some((first.row(0)?, secrets)))
}

/// The keys of an account with their present secrets, oldest first.
pub(crate) async fn keys_of_account(reader: &Reader, id: AccountId) -> Result<Vec<(AccessKeyRow, AccessSecretRow)>, Fault> {
    let records = reader.list(&KEYS_OF_ACCOUNT, args![id]).await?;
    records.iter().map(|record| Ok((record.row(0)?, record.row(AccessKeyRow::META.columns.len())?))).collect()
}

/// The account that was made first.
pub(crate) async fn oldest_account(reader: &Reader) -> Result<Option<AccountRow>, Fault> {
    reader.row(&OLDEST_ACCOUNT, args![]).await
}

/// Where the key that was made first counts.
pub(crate) async fn environment_in_use(reader: &Reader) -> Result<Option<Environment>, Fault> {
    reader.one(&ENVIRONMENT_IN_USE, args![]).await?.map(|record| record.get(0)).transpose()
}

/// Where the keys of a database count, seen in a snapshot; `None` while it has none.
///
/// # Errors
/// When the snapshot cannot be read.
pub async fn environment(snapshot: &Snapshot) -> Result<Option<Environment>, Fault> {
    snapshot.one(&ENVIRONMENT_IN_USE, args![]).await?.map(|record| record.get(0)).transpose()
}

/// The account that was made first, seen in a snapshot.
pub(crate) async fn oldest_account_in(snapshot: &Snapshot) -> Result<Option<AccountRow>, Fault> {
    snapshot.one(&OLDEST_ACCOUNT, args![]).await?.map(|record| record.row(0)).transpose()
}

/// The wrapped platform key, the one wrapped last at the end.
pub(crate) async fn platform_keys(reader: &Reader) -> Result<Vec<PlatformKeyRow>, Fault> {
    reader.rows(&PLATFORM_KEYS, args![]).await
}

/// The wrapped platform key as a snapshot shows it, the one wrapped last at the end.
pub(crate) async fn platform_keys_in(snapshot: &Snapshot) -> Result<Vec<PlatformKeyRow>, Fault> {
    let mut rows = Vec::new();
    snapshot
        .each(&PLATFORM_KEYS, args![], |record| {
            rows.push(record.row(0)?);
            Ok(())
        })
        .await?;
    Ok(rows)
}

/// How far below zero refunds may take each account's money, in minor units: what `verify` of the ledger asks for.
///
/// # Errors
/// When the snapshot cannot be read.
pub async fn negative_limits(snapshot: &Snapshot) -> Result<HashMap<AccountId, i64>, Fault> {
    let mut limits = HashMap::new();
    snapshot
        .each(&EVERY_ACCOUNT, args![], |record| {
            let account: AccountRow = record.row(0)?;
            limits.insert(account.id, account.negative_limit_minor);
            Ok(())
        })
        .await?;
    Ok(limits)
}

/// How often keys and accounts have been changed.
pub(crate) async fn version(reader: &Reader) -> Result<i64, Fault> {
    reader.one(&VERSION, args![ACCESS_VERSION_ID]).await?.map_or(Ok(0), |record| record.get(0))
}

/// The tokens of the keys that were changed after that, themselves or their accounts.
pub(crate) async fn changed_since(reader: &Reader, version: i64) -> Result<Vec<Arc<str>>, Fault> {
    reader.list(&CHANGED_SINCE, args![version]).await?.iter().map(|record| record.get(0)).collect()
}
