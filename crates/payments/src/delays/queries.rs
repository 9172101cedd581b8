//! Reads of delays outside decisions.

use db::{Fault, Reader, Sql, args, sql};
use kernel::Timestamp;

use super::rows::DelayedRow;
use crate::rows::PaymentRow;

static DUE: Sql = sql!("SELECT {} FROM delayed_operation WHERE due_at <= $1 ORDER BY due_at LIMIT $2", DelayedRow);

// $1 the delays' origin, $2 never sent, $3 and $4 the open states: how many of its operations reached the acquirer or may have, and how
// many of them are under way.
pub(super) static PAYMENTS_WITH_DELAY: Sql = sql!(
    "SELECT {}, d_payment, d_step, d_due, COALESCE(a_made, 0), COALESCE(a_open, 0)
       FROM payment
       LEFT JOIN (SELECT account_id AS d_account, payment_id AS d_payment, step AS d_step, due_at AS d_due
                    FROM delayed_operation) AS d
         ON d_account = account_id AND d_payment = id
       LEFT JOIN (
            SELECT account_id AS a_account, payment_id AS a_payment, CAST(COUNT(*) AS BIGINT) AS a_made,
                   CAST(SUM(CASE WHEN state IN ($3, $4) THEN 1 ELSE 0 END) AS BIGINT) AS a_open
              FROM attempt WHERE origin = $1 AND state <> $2 GROUP BY account_id, payment_id) AS a
         ON a_account = account_id AND a_payment = id
      WHERE delay IS NOT NULL OR d_payment IS NOT NULL OR a_made > 0
      ORDER BY account_id, id",
    PaymentRow
);

pub(super) static DELAYS_OF_NO_PAYMENT: Sql = sql!(
    "SELECT payment_id FROM delayed_operation AS d
      WHERE NOT EXISTS (SELECT 1 FROM payment AS p WHERE p.account_id = d.account_id AND p.id = d.payment_id)
      ORDER BY payment_id"
);

/// Delays that are over at `now`, the longest over first.
pub(super) async fn due(reader: &Reader, now: Timestamp, limit: u32) -> Result<Vec<DelayedRow>, Fault> {
    reader.rows(&DUE, args![now, limit]).await
}
