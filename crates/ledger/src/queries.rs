//! Reads of the ledger outside decisions.

use db::{Fault, Reader, Sql, args, sql};
use kernel::AccountId;
use uuid::Uuid;

use crate::rows::{LedgerAccountRow, TransferRow};
use crate::types::Owner;

static BALANCES: Sql = sql!("SELECT {} FROM ledger_account WHERE owner_id = $1 ORDER BY currency, kind", LedgerAccountRow);

static TRANSFERS: Sql = sql!("SELECT {} FROM transfer WHERE account_id = $1 AND cause = $2 ORDER BY recipe, leg", TransferRow);

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

/// All transfers an attempt or payout caused, by recipe and leg.
///
/// # Errors
/// [`Fault`] of the store.
pub async fn transfers(reader: &Reader, account_id: AccountId, cause: Uuid) -> Result<Vec<TransferRow>, Fault> {
    reader.rows(&TRANSFERS, args![account_id, cause]).await
}
