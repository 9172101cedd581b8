//! Reads of customers that are not part of a decision.

use std::sync::Arc;

use db::{Fault, Reader, Sql, args, sql};
use kernel::{AccountId, CustomerId, CustomerSessionId};

use super::rows::{CustomerRow, CustomerSessionRow};

static CUSTOMER: Sql = sql!("SELECT {} FROM customer WHERE account_id = $1 AND id = $2 AND deleted_at IS NULL", CustomerRow);

static BY_REFERENCE: Sql = sql!(
    "SELECT {} FROM customer WHERE account_id = $1 AND deleted_at IS NULL AND id = (
        SELECT customer_id FROM customer_reference WHERE account_id = $1 AND merchant_customer_id = $2)",
    CustomerRow
);

static SESSION: Sql = sql!("SELECT {} FROM customer_session WHERE account_id = $1 AND id = $2", CustomerSessionRow);

/// One customer that was not deleted.
pub(super) async fn customer(reader: &Reader, account: AccountId, id: CustomerId) -> Result<Option<CustomerRow>, Fault> {
    reader.row(&CUSTOMER, args![account, id]).await
}

/// The customer of that name.
pub(super) async fn by_reference(reader: &Reader, account: AccountId, name: &str) -> Result<Option<CustomerRow>, Fault> {
    let name: Arc<str> = name.into();
    reader.row(&BY_REFERENCE, args![account, name]).await
}

/// One session, expired or not.
pub(crate) async fn session(
    reader: &Reader,
    account: AccountId,
    id: CustomerSessionId,
) -> Result<Option<CustomerSessionRow>, Fault> {
    reader.row(&SESSION, args![account, id]).await
}
