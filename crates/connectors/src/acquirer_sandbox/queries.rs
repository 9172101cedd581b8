//! Reads of its register.

use db::{Fault, Reader, Sql, args, sql};
use kernel::{AttemptId, Timestamp};
use payments::Connector;

use super::cards::Verdict;
use super::rows::{Operation, ReceivedRow};
use super::{ChargeFilter, ChargesPage};

static BY_ATTEMPT: Sql = sql!("SELECT {} FROM received WHERE attempt_id = $1", ReceivedRow);

// Attempt ids are ordered by time. A parameter that is null does not narrow the list; written like that the planner knows it too, and
// walks the key instead of sorting the table for each page. The column comes first: the first use of a parameter gives it its type.
pub(crate) static CHARGES: Sql = sql!(
    "SELECT {} FROM received
      WHERE attempt_id > $1 AND (operation <= $2 OR operation = $8)
        AND (verdict = $3 OR $3 IS NULL)
        AND (merchant_order_id = $4 OR $4 IS NULL)
        AND (payment_id = $5 OR $5 IS NULL)
        AND (connector = $6 OR $6 IS NULL)
      ORDER BY attempt_id LIMIT $7",
    ReceivedRow
);

static SETTLED: Sql = sql!(
    "SELECT {} FROM received
      WHERE attempt_id > $1 AND operation IN ($2, $3, $4) AND verdict = $5 AND connector = $6 AND created_at >= $7 AND created_at <= $8
      ORDER BY attempt_id LIMIT $9",
    ReceivedRow
);

/// Comes before every id.
pub(crate) const BEFORE_ALL: AttemptId = AttemptId::from_bytes([0; 16]);
/// Operations up to this one are charges.
pub(crate) const LAST_CHARGE: Operation = Operation::Verify;

/// One attempt it received.
pub(crate) async fn received(reader: &Reader, attempt: AttemptId) -> Result<Option<ReceivedRow>, Fault> {
    reader.row(&BY_ATTEMPT, args![attempt]).await
}

/// Charges, oldest attempt first.
pub(crate) async fn charges(
    reader: &Reader,
    filter: &ChargeFilter,
    after: Option<AttemptId>,
    limit: u32,
) -> Result<ChargesPage, Fault> {
    let verdict = (!filter.all).then_some(Verdict::Succeeded);
    let ChargeFilter { merchant_order_id, payment_id, connector, .. } = filter.clone();
    let after = after.unwrap_or(BEFORE_ALL);
    let args = args![after, LAST_CHARGE, verdict, merchant_order_id, payment_id, connector, limit + 1, Operation::Payout];
    let mut charges = reader.rows::<ReceivedRow>(&CHARGES, args).await?;
    let more = charges.len() > limit as usize;
    charges.truncate(limit as usize);
    let next = charges.last().filter(|_| more).map(|last| last.attempt_id);
    Ok(ChargesPage { charges, next })
}

/// What moved money under one of its names between two times, both included.
pub(crate) async fn settled(
    reader: &Reader,
    connector: Connector,
    (from, to): (Timestamp, Timestamp),
    after: Option<AttemptId>,
    limit: u32,
) -> Result<Vec<ReceivedRow>, Fault> {
    let (after, verdict) = (after.unwrap_or(BEFORE_ALL), Verdict::Succeeded);
    let args = args![after, Operation::Purchase, Operation::Capture, Operation::Refund, verdict, connector, from, to, limit];
    reader.rows::<ReceivedRow>(&SETTLED, args).await
}
