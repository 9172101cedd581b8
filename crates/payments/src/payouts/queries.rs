//! Reads of payouts outside decisions.

use std::sync::Arc;

use db::{Fault, Reader, Sql, args, sql};
use kernel::{AccountId, PayoutId};

use super::rows::{PayoutReferenceRow, PayoutRow};
use crate::attempt::{Asked, Attempt};
use crate::types::AttemptState;

pub(crate) static PAYOUT: Sql = sql!("SELECT {} FROM payout WHERE account_id = $1 AND id = $2", PayoutRow);

static REFERENCE: Sql =
    sql!("SELECT {} FROM payout_reference WHERE account_id = $1 AND merchant_reference = $2", PayoutReferenceRow);

// $1 start, $2 done, $3 failed.
pub(super) static PAYOUTS_WITH_POSTINGS: Sql = sql!(
    "SELECT {}, COALESCE(t_started, 0), COALESCE(t_done, 0), COALESCE(t_failed, 0), t_left, q_attempt, r_payout
       FROM payout
       LEFT JOIN (
            SELECT account_id AS t_account, cause AS t_cause,
                   CAST(SUM(CASE WHEN recipe = $1 THEN amount ELSE 0 END) AS BIGINT) AS t_started,
                   CAST(SUM(CASE WHEN recipe = $2 THEN amount ELSE 0 END) AS BIGINT) AS t_done,
                   CAST(SUM(CASE WHEN recipe = $3 THEN amount ELSE 0 END) AS BIGINT) AS t_failed,
                   MIN(CASE WHEN recipe = $1 THEN debit_balance END) AS t_left
              FROM transfer WHERE recipe IN ($1, $2, $3) GROUP BY account_id, cause) AS t
         ON t_account = account_id AND t_cause = attempt_id
       LEFT JOIN (SELECT account_id AS q_account, attempt_id AS q_attempt FROM asking) AS q
         ON q_account = account_id AND q_attempt = attempt_id
       LEFT JOIN (SELECT account_id AS r_account, merchant_reference AS r_reference, payout_id AS r_payout
                    FROM payout_reference) AS r
         ON r_account = account_id AND r_reference = merchant_reference
      ORDER BY account_id, id",
    PayoutRow
);

pub(super) static REFERENCES_OF_NOTHING: Sql = sql!(
    "SELECT account_id, payout_id FROM payout_reference
     EXCEPT
     SELECT account_id, id FROM payout"
);

/// One payout; `None` when there is none that may be shown.
pub(crate) async fn payout(reader: &Reader, account: AccountId, id: PayoutId) -> Result<Option<PayoutRow>, Fault> {
    let found = reader.row::<PayoutRow>(&PAYOUT, args![account, id]).await?;
    Ok(found.filter(|payout| payout.state != AttemptState::NotSent))
}

/// The payout of this name.
pub(crate) async fn by_reference(reader: &Reader, account: AccountId, reference: &str) -> Result<Option<PayoutRow>, Fault> {
    let reference: Arc<str> = reference.into();
    match reader.row::<PayoutReferenceRow>(&REFERENCE, args![account, reference]).await? {
        Some(named) => payout(reader, account, named.payout_id).await,
        None => Ok(None),
    }
}

/// The attempt of a payout, whether or not it may be shown.
pub(crate) async fn attempt(
    reader: &Reader,
    account: AccountId,
    id: PayoutId,
    asked: Option<Asked>,
) -> Result<Option<Attempt>, Fault> {
    let found = reader.row::<PayoutRow>(&PAYOUT, args![account, id]).await?;
    Ok(found.map(|payout| Attempt::payout(&payout, asked)))
}
