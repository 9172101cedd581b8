//! Reads of fulfilments outside decisions.

use db::{Fault, Reader, Sql, args, sql};
use kernel::{AccountId, PaymentId};

use super::rows::{FulfilmentRow, FulfilmentTotalRow};
use super::rules::COUNT_MAX;
use crate::types::AttemptState;

static SHOWN: Sql = sql!("SELECT id FROM payment WHERE account_id = $1 AND id = $2 AND attempt <> $3");

static OF_PAYMENT: Sql =
    sql!("SELECT {} FROM fulfilment WHERE account_id = $1 AND payment_id = $2 ORDER BY number LIMIT $3", FulfilmentRow);

pub(super) static TOTALS: Sql = sql!(
    "SELECT {}, COALESCE(f_last, 0), COALESCE(f_requests, 0), COALESCE(f_count, 0), COALESCE(f_bytes, 0), p_id
       FROM fulfilment_total
       LEFT JOIN (
            SELECT account_id AS f_account, payment_id AS f_payment, MAX(number) AS f_last,
                   CAST(COUNT(*) AS BIGINT) AS f_requests, CAST(SUM(count) AS BIGINT) AS f_count,
                   CAST(SUM(length(items)) AS BIGINT) AS f_bytes
              FROM fulfilment GROUP BY account_id, payment_id) AS f
         ON f_account = account_id AND f_payment = payment_id
       LEFT JOIN (SELECT account_id AS p_account, id AS p_id FROM payment) AS p
         ON p_account = account_id AND p_id = payment_id
      ORDER BY account_id, payment_id",
    FulfilmentTotalRow
);

pub(super) static UNCOUNTED: Sql = sql!(
    "SELECT f.id FROM fulfilment AS f
      WHERE NOT EXISTS (SELECT 1 FROM fulfilment_total AS t WHERE t.account_id = f.account_id AND t.payment_id = f.payment_id)
      ORDER BY f.id"
);

/// What was told of a payment's fulfilment, oldest first; `None` when the account has no such payment.
pub(crate) async fn of_payment(reader: &Reader, account: AccountId, id: PaymentId) -> Result<Option<Vec<FulfilmentRow>>, Fault> {
    if reader.one(&SHOWN, args![account, id, AttemptState::NotSent]).await?.is_none() {
        return Ok(None);
    }
    // Each request names at least one.
    Ok(Some(reader.rows(&OF_PAYMENT, args![account, id, COUNT_MAX]).await?))
}
