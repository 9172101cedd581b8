//! Reads of reports and of their lines.

use std::collections::HashMap;

use db::{Fault, Reader, Sql, args, sql};
use kernel::{AccountId, AttemptId, PaymentId, PayoutId, ReportId, Timestamp};

use super::rows::ReportRow;
use super::types::ReportPage;
use crate::payouts::PayoutRow;
use crate::rows::{AttemptRow, PaymentRow};
use crate::types::AttemptState;

/// Rows that are read for a report in one go. Few, so that downloads leave the readers to others between two pages.
pub const LINES_PAGE_MAX: u32 = 250;
/// Payments that are read by their ids in one go.
const AT_ONCE: usize = 20;

static REPORT: Sql = sql!("SELECT {} FROM report WHERE account_id = $1 AND id = $2 AND expires_at > $3", ReportRow);

// Ids are ordered by time.
static REPORTS: Sql =
    sql!("SELECT {} FROM report WHERE account_id = $1 AND id < $2 AND expires_at > $3 ORDER BY id DESC LIMIT $4", ReportRow);

static OVER: Sql = sql!("SELECT account_id, id FROM report WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2");

static PAYMENTS: Sql = sql!(
    "SELECT {} FROM payment
      WHERE account_id = $1 AND id > $2 AND id < $3 AND attempt <> $4 AND created_at >= $5 AND created_at < $6
      ORDER BY id LIMIT $7",
    PaymentRow
);

static OPERATIONS: Sql = sql!(
    "SELECT {} FROM attempt
      WHERE account_id = $1 AND id > $2 AND id < $3 AND state <> $4 AND created_at >= $5 AND created_at < $6 AND kind <> 7
      ORDER BY id LIMIT $7",
    AttemptRow
);

// The id of a dispute may say when the payer's bank began it, which can be days before it is heard of here.
static DISPUTES: Sql = sql!(
    "SELECT {} FROM attempt
      WHERE account_id = $1 AND kind = 7 AND created_at >= $2 AND created_at < $3
      ORDER BY created_at, id",
    AttemptRow
);

static PAYOUTS: Sql = sql!(
    "SELECT {} FROM payout
      WHERE account_id = $1 AND id > $2 AND id < $3 AND state <> $4 AND created_at >= $5 AND created_at < $6
      ORDER BY id LIMIT $7",
    PayoutRow
);

// Always twenty: those wanted, the last one repeated.
static PAYMENTS_BY_ID: Sql = sql!(
    "SELECT {} FROM payment
      WHERE account_id = $1
        AND id IN ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)",
    PaymentRow
);

/// One report whose time is not over at `now`.
pub(super) async fn report(
    reader: &Reader,
    account: AccountId,
    id: ReportId,
    now: Timestamp,
) -> Result<Option<ReportRow>, Fault> {
    reader.row(&REPORT, args![account, id, now]).await
}

/// A page of those whose time is not over, newest first, those before `before`.
pub(super) async fn reports(
    reader: &Reader,
    account: AccountId,
    before: Option<ReportId>,
    now: Timestamp,
    limit: usize,
) -> Result<ReportPage, Fault> {
    let before = before.unwrap_or(ReportId::from_bytes([0xff; 16]));
    let one_more = u32::try_from(limit + 1).unwrap_or(u32::MAX);
    let mut items = reader.rows::<ReportRow>(&REPORTS, args![account, before, now, one_more]).await?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| last.id);
    Ok(ReportPage { items, next })
}

/// Reports whose time is over at `now`, the longest over first.
pub(super) async fn over(reader: &Reader, now: Timestamp, limit: u32) -> Result<Vec<(AccountId, ReportId)>, Fault> {
    let records = reader.list(&OVER, args![now, limit]).await?;
    records.iter().map(|record| Ok((record.get(0)?, record.get(1)?))).collect()
}

/// Which rows of a table: those of an account between two ids, both left out, made from one time on and before the other.
#[derive(Clone, Copy)]
pub(super) struct Range<I> {
    pub(super) account: AccountId,
    pub(super) after: I,
    pub(super) before: I,
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
}

/// Rows that a report walks along in the order of their ids.
pub(super) trait Walked: Sized {
    /// Their id.
    type Id: Copy;
    /// The id of this one.
    fn id(&self) -> Self::Id;
    /// The next page of them.
    async fn page(reader: &Reader, range: Range<Self::Id>) -> Result<Vec<Self>, Fault>;
}

macro_rules! walked {
    ($($row:ty, $id:ty, $text:ident;)+) => {$(
        impl Walked for $row {
            type Id = $id;

            fn id(&self) -> $id {
                self.id
            }

            async fn page(reader: &Reader, range: Range<$id>) -> Result<Vec<Self>, Fault> {
                let Range { account, after, before, from, until } = range;
                reader.rows(&$text, args![account, after, before, AttemptState::NotSent, from, until, LINES_PAGE_MAX]).await
            }
        }
    )+};
}
walked! {
    PaymentRow, PaymentId, PAYMENTS;
    AttemptRow, AttemptId, OPERATIONS;
    PayoutRow, PayoutId, PAYOUTS;
}

/// The disputes of a report, in the order in which they were heard of. Few, or their merchant would not be one for long.
pub(super) async fn disputes(reader: &Reader, report: &ReportRow) -> Result<Vec<AttemptRow>, Fault> {
    reader.rows(&DISPUTES, args![report.account_id, report.start_at, report.until()]).await
}

/// The payments of these attempts.
pub(super) async fn payments_of(
    reader: &Reader,
    account: AccountId,
    attempts: &[AttemptRow],
) -> Result<HashMap<PaymentId, PaymentRow>, Fault> {
    let mut ids: Vec<PaymentId> = attempts.iter().map(|attempt| attempt.payment_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut all = HashMap::new();
    for some in ids.chunks(AT_ONCE) {
        let mut args = args![account];
        args.extend((0..AT_ONCE).flat_map(|at| args![some[at.min(some.len() - 1)]]));
        let found = reader.rows::<PaymentRow>(&PAYMENTS_BY_ID, args).await?;
        all.extend(found.into_iter().map(|payment| (payment.id, payment)));
    }
    Ok(all)
}
