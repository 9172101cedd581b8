//! Reads of what is to be forgotten.

use db::{Fault, Reader, Sql, args, sql};
use idempotency::{RETENTION_SECONDS, Scope};
use kernel::{AccountId, AttemptId, CustomerId, PaymentId, Timestamp};
use uuid::Uuid;

use crate::customers::rows::{CustomerReplyRow, CustomerRow};
use crate::rows::PaymentRow;
use crate::types::ReplyForm;

/// Payments, or replies, that one command forgets at most. Small enough that the payments sharing its commit do not feel it.
pub(super) const PAGE: u32 = 200;
/// For how much longer than its reply can be repeated a note is kept, in seconds.
const GRACE_SECONDS: i64 = 3_600;

static UNFINISHED: Sql = sql!("SELECT {} FROM customer WHERE forget_after IS NOT NULL ORDER BY deleted_at LIMIT $1", CustomerRow);

// The whole store, for its check.
pub(super) static PAYMENTS_OF_DELETED: Sql = sql!(
    "SELECT p.id, p.details FROM customer AS c JOIN payment AS p ON p.customer_id = c.id AND p.account_id = c.account_id
      WHERE c.deleted_at IS NOT NULL AND c.forget_after IS NULL AND p.details IS NOT NULL"
);

pub(super) static TO_FORGET: Sql = sql!("SELECT id FROM customer WHERE forget_after IS NOT NULL ORDER BY id");

static CUSTOMER: Sql = sql!("SELECT {} FROM customer WHERE account_id = $1 AND id = $2", CustomerRow);

static REPLIES: Sql = sql!("SELECT scope FROM customer_reply WHERE account_id = $1 AND customer_id = $2 ORDER BY scope LIMIT $3");

static REPLIES_OVER: Sql =
    sql!("SELECT {} FROM customer_reply WHERE recorded_at <= $1 ORDER BY recorded_at LIMIT $2", CustomerReplyRow);

static PAYMENTS: Sql =
    sql!("SELECT {} FROM payment WHERE customer_id = $1 AND id > $2 AND account_id = $3 ORDER BY id LIMIT $4", PaymentRow);

// $5 those that are answered with their payment.
static CLAIMS_OF_OPERATIONS: Sql = sql!(
    "SELECT a.claim, a.id FROM payment AS p JOIN attempt AS a ON a.payment_id = p.id AND a.account_id = p.account_id
      WHERE p.customer_id = $1 AND p.id > $2 AND p.id <= $3 AND p.account_id = $4 AND a.form = $5 AND a.claim IS NOT NULL"
);

/// Notes of replies that were recorded at this time or before are of no use any more.
pub(super) fn over_since(now: Timestamp) -> Timestamp {
    now.plus_seconds(-RETENTION_SECONDS - GRACE_SECONDS)
}

/// Deleted customers whose payments are not all forgotten.
pub(super) async fn unfinished(reader: &Reader) -> Result<Vec<CustomerRow>, Fault> {
    reader.rows(&UNFINISHED, args![PAGE]).await
}

/// One customer, deleted or not.
pub(super) async fn customer(reader: &Reader, account: AccountId, id: CustomerId) -> Result<Option<CustomerRow>, Fault> {
    reader.row(&CUSTOMER, args![account, id]).await
}

/// Some of the recorded replies that show a customer himself.
pub(crate) async fn replies(reader: &Reader, account: AccountId, id: CustomerId) -> Result<Vec<Scope>, Fault> {
    let records = reader.list(&REPLIES, args![account, id, PAGE]).await?;
    records.iter().map(|record| Ok(Scope { account_id: account, hash: record.get(0)? })).collect()
}

/// Some of the notes whose replies cannot be repeated any more at `now`.
pub(super) async fn replies_over(reader: &Reader, now: Timestamp) -> Result<Vec<CustomerReplyRow>, Fault> {
    reader.rows(&REPLIES_OVER, args![over_since(now), PAGE]).await
}

/// The next payments of a customer.
pub(super) async fn payments(reader: &Reader, customer: &CustomerRow, after: PaymentId) -> Result<Vec<PaymentRow>, Fault> {
    reader.rows(&PAYMENTS, args![customer.id, after, customer.account_id, PAGE]).await
}

/// The claims of operations that were answered with one of these payments.
pub(super) async fn claims_of_operations(
    reader: &Reader,
    customer: &CustomerRow,
    after: PaymentId,
    last: PaymentId,
) -> Result<Vec<(Scope, Uuid)>, Fault> {
    let account_id = customer.account_id;
    let records = reader.list(&CLAIMS_OF_OPERATIONS, args![customer.id, after, last, account_id, ReplyForm::Refund]).await?;
    records.iter().map(|record| Ok((Scope { account_id, hash: record.get(0)? }, record.get::<AttemptId>(1)?.uuid()))).collect()
}
