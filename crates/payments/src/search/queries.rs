//! The reads of lists of payments.

use std::sync::Arc;

use db::{Fault, Reader, Sql, args, sql};
use kernel::{AccountId, PaymentId, Timestamp};

use super::types::{PaymentFilter, PaymentPage};
use crate::by_time::Ids;
use crate::facts::PaymentRead;
use crate::queries::with_operations;
use crate::rows::{AttemptRow, PaymentRow};
use crate::types::AttemptState;

/// Payments that one page of a search looks at, at most.
pub const LOOKED_AT_MAX: u32 = 10_000;
/// Payments of one order on a page.
pub const BY_ORDER_MAX: u32 = 1_000;
/// Payments that are looked at in one go.
const WINDOW: u32 = 1_000;

// The id with which a window ends. Read off the key alone.
static FLOOR: Sql =
    sql!("SELECT id FROM payment WHERE account_id = $1 AND id < $2 AND id > $3 ORDER BY id DESC LIMIT 1 OFFSET $4");

// Payments and their later attempts are read at once, as one payment is: between two reads something may end, and the one would contradict
// the other. Attempts are joined by the payment's id alone: the account beside it would lead SQLite to all attempts of the account.

// States are a set: one bit for each code. A currency that is null narrows nothing.
static FOUND: Sql = sql!(
    "SELECT {p}, {a}
       FROM (SELECT * FROM payment
              WHERE account_id = $1 AND id < $2 AND id >= $3 AND attempt <> $4
                AND created_at >= $5 AND created_at <= $6
                AND (CAST($7 AS BIGINT) >> CAST(state AS INTEGER)) & 1 = 1
                AND currency = COALESCE($8, currency)
              ORDER BY id DESC LIMIT $9) AS p
       LEFT JOIN attempt AS a ON a.payment_id = p.id AND a.state <> $4
      ORDER BY p.id DESC, a.id",
    PaymentRow,
    AttemptRow
);

// Times and not ids are compared first: a range of ids would lead SQLite to all payments of the account.
static BY_ORDER: Sql = sql!(
    "SELECT {p}, {a}
       FROM (SELECT * FROM payment
              WHERE merchant_order_id = $2 AND account_id = $1 AND attempt <> $3
                AND created_at >= $4 AND (created_at > $4 OR id > $5)
              ORDER BY created_at, id LIMIT $6) AS p
       LEFT JOIN attempt AS a ON a.payment_id = p.id AND a.state <> $3
      ORDER BY p.created_at, p.id, a.id",
    PaymentRow,
    AttemptRow
);

static OF_ORDER: Sql = sql!("SELECT {} FROM payment WHERE account_id = $1 AND id = $2 AND merchant_order_id = $3", PaymentRow);

/// A page of the account's payments, newest first, those before `before`.
pub(super) async fn search(
    reader: &Reader,
    account: AccountId,
    filter: &PaymentFilter,
    ids: Ids<kernel::id::kind::Payment>,
    before: Option<PaymentId>,
    limit: usize,
) -> Result<PaymentPage, Fault> {
    let mut before = before.map_or(ids.before, |before| before.min(ids.before));
    let (mut found, mut looked_at) = (Vec::new(), 0);
    let next = loop {
        let floor = reader.one(&FLOOR, args![account, before, ids.after, WINDOW - 1]).await?;
        let floor: Option<PaymentId> = floor.map(|record| record.get(0)).transpose()?;
        let missing = u32::try_from(limit + 1 - found.len()).unwrap_or(1);
        found.extend(window(reader, account, filter, (floor.unwrap_or(ids.after), before), missing).await?);
        if found.len() > limit {
            found.truncate(limit);
            break found.last().map(|last| last.payment.id);
        }
        let Some(floor) = floor else { break None };
        looked_at += WINDOW;
        if looked_at >= LOOKED_AT_MAX {
            break Some(floor);
        }
        before = floor;
    };
    Ok(PaymentPage { items: found, next })
}

/// Those of one window: from its first id on, before the other.
async fn window(
    reader: &Reader,
    account: AccountId,
    filter: &PaymentFilter,
    (first, before): (PaymentId, PaymentId),
    limit: u32,
) -> Result<Vec<PaymentRead>, Fault> {
    let (from, to) = (filter.created_from.unwrap_or(Timestamp::MIN), filter.created_to.unwrap_or(Timestamp::MAX));
    let args = args![account, before, first, AttemptState::NotSent, from, to, filter.states, filter.currency, limit];
    with_operations(&reader.list(&FOUND, args).await?)
}

/// A page of the payments of one order, oldest first, those after `after`. `None`: that is no payment of this order.
pub(super) async fn by_order(
    reader: &Reader,
    account: AccountId,
    order: &Arc<str>,
    after: Option<PaymentId>,
) -> Result<Option<PaymentPage>, Fault> {
    let (time, id) = match after {
        None => (Timestamp::MIN, PaymentId::from_bytes([0; 16])),
        Some(after) => match reader.row::<PaymentRow>(&OF_ORDER, args![account, after, order.clone()]).await? {
            Some(last) => (last.created_at, last.id),
            None => return Ok(None),
        },
    };
    let args = args![account, order.clone(), AttemptState::NotSent, time, id, BY_ORDER_MAX + 1];
    let mut found = with_operations(&reader.list(&BY_ORDER, args).await?)?;
    let more = found.len() > BY_ORDER_MAX as usize;
    found.truncate(BY_ORDER_MAX as usize);
    let next = found.last().filter(|_| more).map(|last| last.payment.id);
    Ok(Some(PaymentPage { items: found, next }))
}
