//! Reads of routing rules.

use db::{Fault, Reader, Sql, args, sql};
use kernel::AccountId;

use super::rows::RoutingRow;

static OF_ACCOUNT: Sql = sql!("SELECT {} FROM routing_rules WHERE account_id = $1", RoutingRow);

/// The rules of an account; `None` when it never wrote any.
pub(super) async fn of_account(reader: &Reader, account: AccountId) -> Result<Option<RoutingRow>, Fault> {
    reader.row(&OF_ACCOUNT, args![account]).await
}
