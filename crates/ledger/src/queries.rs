//! Reads of the ledger outside decisions.

use db::{Fault, Reader, Sql, args, sql};
use kernel::{AccountId, Currency, Money};
use uuid::Uuid;

use crate::rows::{LedgerAccountRow, TransferRow};
use crate::types::{AccountKind, Owner};

static BALANCES: Sql = sql!("SELECT {} FROM ledger_account WHERE owner_id = $1 ORDER BY currency, kind", LedgerAccountRow);

static TRANSFERS: Sql = sql!("SELECT {} FROM transfer WHERE account_id = $1 AND cause = $2 ORDER BY recipe, leg", TransferRow);

static FEES_CHARGED: Sql = sql!(
    "SELECT currency, CAST(SUM(amount) AS BIGINT) FROM transfer WHERE account_id = $1 AND credit_kind = $2
      GROUP BY currency ORDER BY currency"
);

// The whole store, for its check.
pub(crate) static ALL_TRANSFERS: Sql = sql!("SELECT {} FROM transfer ORDER BY account_id, cause, recipe, leg", TransferRow);

pub(crate) static ALL_ACCOUNTS: Sql = sql!("SELECT {} FROM ledger_account ORDER BY owner_id, kind, currency", LedgerAccountRow);

pub(crate) static OF_KINDS: Sql =
    sql!("SELECT {} FROM ledger_account WHERE kind IN ($1, $2, $3, $4) ORDER BY owner_id, kind, currency", LedgerAccountRow);

/// The running sums of everything `owner` has ever had, one line per currency and kind.
///
/// # Errors
/// [`Fault`] of the store.
pub async fn balances(reader: &Reader, owner: Owner) -> Result<Vec<LedgerAccountRow>, Fault> {
    reader.rows(&BALANCES, args![owner.uuid()]).await
}

/// What the platform has earned by an account so far, one sum per currency. Reads every transfer of the account.
///
/// # Errors
/// [`Fault`] of the store.
pub async fn fees_charged(reader: &Reader, account_id: AccountId) -> Result<Vec<Money>, Fault> {
    let sums = reader.list(&FEES_CHARGED, args![account_id, AccountKind::Fees]).await?;
    sums.iter().map(|sum| Ok(Money::new(sum.get(1)?, sum.get::<Currency>(0)?))).collect()
}

/// All transfers an attempt or payout caused, by recipe and leg.
///
/// # Errors
/// [`Fault`] of the store.
pub async fn transfers(reader: &Reader, account_id: AccountId, cause: Uuid) -> Result<Vec<TransferRow>, Fault> {
    reader.rows(&TRANSFERS, args![account_id, cause]).await
}
