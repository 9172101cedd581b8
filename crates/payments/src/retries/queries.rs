//! Reads of operations that are tried again, outside decisions.

use db::{Fault, Reader, Sql, args, sql};
use kernel::{AccountId, AttemptId, PaymentId, Timestamp};

use super::rows::RetriedRow;
use crate::rows::PaymentRow;

static DUE: Sql = sql!("SELECT {} FROM retried_operation WHERE due_at <= $1 ORDER BY due_at LIMIT $2", RetriedRow);

static WAITING: Sql = sql!(
    "SELECT {} FROM retried_operation
      WHERE account_id = $1 AND due_at IS NOT NULL AND attempt_id IN (SELECT id FROM attempt WHERE payment_id = $2)",
    RetriedRow
);

pub(crate) static RETRIED: Sql = sql!("SELECT {} FROM retried_operation WHERE account_id = $1 AND attempt_id = $2", RetriedRow);

static BY_TRY: Sql = sql!("SELECT {} FROM retried_operation WHERE try_id = $1", RetriedRow);

// $1 capture, $2 refund, $3 waiting, $4 unknown, $5 … $7 the states that speak of tries: payments of which something is, or is said to be,
// tried again, with what is, and how many captures failed at every try.
pub(super) static PAYMENTS_TRIED_AGAIN: Sql = sql!(
    "SELECT {}, n_payment, n_captures, n_refunds, n_failed, COALESCE(o_captures, 0), COALESCE(o_refunds, 0), COALESCE(o_failed, 0)
       FROM payment
       LEFT JOIN (SELECT account_id AS n_account, payment_id AS n_payment, captures AS n_captures, refunds AS n_refunds,
                         capture_failed AS n_failed FROM retried_payment) AS n
         ON n_account = account_id AND n_payment = id
       LEFT JOIN (
            SELECT r.account_id AS o_account, r.payment_id AS o_payment,
                   CAST(SUM(CASE WHEN a.kind = $1 AND a.state IN ($3, $4) THEN 1 ELSE 0 END) AS BIGINT) AS o_captures,
                   CAST(SUM(CASE WHEN a.kind = $2 AND a.state IN ($3, $4) THEN 1 ELSE 0 END) AS BIGINT) AS o_refunds,
                   CAST(SUM(CASE WHEN a.kind = $1 AND a.state NOT IN ($3, $4, $8) THEN 1 ELSE 0 END) AS BIGINT) AS o_failed
              FROM retried_operation AS r
              JOIN attempt AS a ON a.account_id = r.account_id AND a.id = r.attempt_id
             WHERE r.earlier IS NOT NULL
             GROUP BY r.account_id, r.payment_id) AS o
         ON o_account = account_id AND o_payment = id
      WHERE n_payment IS NOT NULL OR o_payment IS NOT NULL OR state IN ($5, $6, $7)
      ORDER BY account_id, id",
    PaymentRow
);

// Every operation that is to be tried again, with itself.
pub(super) static OPERATIONS_TRIED_AGAIN: Sql = sql!(
    "SELECT {}, a_state
       FROM retried_operation
       LEFT JOIN (SELECT account_id AS a_account, id AS a_id, state AS a_state, payment_id AS a_payment FROM attempt) AS a
         ON a_account = account_id AND a_id = attempt_id AND a_payment = payment_id
      ORDER BY account_id, attempt_id",
    RetriedRow
);

// $1 waiting.
pub(super) static WAITING_FOR_NOTHING: Sql = sql!(
    "SELECT id FROM attempt AS a
      WHERE state = $1
        AND NOT EXISTS (SELECT 1 FROM retried_operation AS r WHERE r.account_id = a.account_id AND r.attempt_id = a.id)
      ORDER BY id"
);

/// Operations whose time has come at `now`, the longest due first.
pub(super) async fn due(reader: &Reader, now: Timestamp, limit: u32) -> Result<Vec<RetriedRow>, Fault> {
    reader.rows(&DUE, args![now, limit]).await
}

/// What waits for its next try of one payment.
pub(crate) async fn waiting(reader: &Reader, account: AccountId, payment: PaymentId) -> Result<Vec<RetriedRow>, Fault> {
    reader.rows(&WAITING, args![account, payment]).await
}

/// What the acquirer was told an operation is at its last try; `None` for one that is not tried again.
pub(crate) async fn try_of(reader: &Reader, account: AccountId, operation: AttemptId) -> Result<Option<AttemptId>, Fault> {
    let row = reader.row::<RetriedRow>(&RETRIED, args![account, operation]).await?;
    Ok(row.map(|row| row.try_id))
}

/// The operation that an acquirer knows under this name.
pub(crate) async fn of_try(reader: &Reader, try_id: AttemptId) -> Result<Option<RetriedRow>, Fault> {
    reader.row(&BY_TRY, args![try_id]).await
}
