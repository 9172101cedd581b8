//! Reads of the claim table outside decisions.

use db::{Fault, Reader, Sql, args, sql};
use kernel::{AccountId, BootId, Timestamp};
use uuid::Uuid;

use crate::rows::{ClaimRow, ClaimStatus};
use crate::rules::{LATE_FINISH_SECONDS, RETENTION_SECONDS, known};
use crate::types::{Known, Scope};

// The whole store, for its check. In the order of the table: that of the key leads to another page for each row.
pub(crate) static CLAIMS: Sql = sql!("SELECT {} FROM claim", ClaimRow);

pub(crate) static SCOPES_TWICE: Sql = sql!(
    "SELECT account_id, scope, CAST(COUNT(*) AS BIGINT) FROM claim
      GROUP BY account_id, scope HAVING COUNT(*) > 1 ORDER BY account_id, scope"
);

static BY_SCOPE: Sql = sql!("SELECT {} FROM claim WHERE account_id = $1 AND scope = $2", ClaimRow);

// The first condition is a range of the index, the others only leave out claims that finished late and are kept longer.
static OVER: Sql = sql!(
    "SELECT account_id, scope FROM claim
      WHERE first_seen_at <= $1 AND status = $2 AND (finished_at < first_seen_at + $3 OR finished_at <= $1)
      ORDER BY first_seen_at LIMIT $4"
);

static ORPHANS: Sql = sql!(
    "SELECT account_id, scope, subject, request_id, first_seen_at FROM claim
      WHERE first_seen_at >= $1 AND (first_seen_at, account_id, scope) > ($1, $2, $3) AND owner = $4 AND status = $5
      ORDER BY first_seen_at, account_id, scope LIMIT $6"
);

/// A claim that its owner left unfinished.
#[derive(Clone, Debug)]
pub struct Orphan {
    /// Its key.
    pub scope: Scope,
    /// What it was making: recovery finds out how far that got.
    pub subject: Uuid,
    /// The request that asked for it.
    pub request_id: std::sync::Arc<str>,
    /// When the key was first seen.
    pub first_seen_at: Timestamp,
}

/// Where a page of [`orphans`] begins.
#[derive(Clone, Copy, Debug)]
pub struct OrphansAfter {
    first_seen_at: Timestamp,
    scope: Scope,
}

impl OrphansAfter {
    /// The first page: claims first seen at `since` or later.
    pub const fn start(since: Timestamp) -> Self {
        let nothing = Scope { account_id: AccountId::from_bytes([0; 16]), hash: [0; 16] };
        Self { first_seen_at: since, scope: nothing }
    }

    /// The page after the one that ended with `orphan`.
    pub const fn next(orphan: &Orphan) -> Self {
        Self { first_seen_at: orphan.first_seen_at, scope: orphan.scope }
    }
}

/// What the store says about a key at `now`.
///
/// # Errors
/// [`Fault`] of the store.
pub async fn find(reader: &Reader, scope: &Scope, now: Timestamp) -> Result<Known, Fault> {
    let rows = reader.rows::<ClaimRow>(&BY_SCOPE, args![scope.account_id, scope.hash]).await?;
    Ok(rows.first().map_or(Known::Nothing, |row| known(row, now)))
}

/// Claims that `dead` left under way, oldest first, at most `limit`. Those whose outcome it already knew to be unknown are not among
/// them: they have an entry of their own that says when to ask next.
///
/// # Errors
/// [`Fault`] of the store.
pub async fn orphans(reader: &Reader, dead: BootId, after: OrphansAfter, limit: u32) -> Result<Vec<Orphan>, Fault> {
    let OrphansAfter { first_seen_at, scope } = after;
    let args = args![first_seen_at, scope.account_id, scope.hash, dead, ClaimStatus::InProgress, limit];
    let records = reader.list(&ORPHANS, args).await?;
    records
        .iter()
        .map(|record| {
            Ok(Orphan {
                scope: Scope { account_id: record.get(0)?, hash: record.get(1)? },
                subject: record.get(2)?,
                request_id: record.get(3)?,
                first_seen_at: record.get(4)?,
            })
        })
        .collect()
}

/// Finished claims whose time is over at `now`, oldest first, at most `limit`.
pub(crate) async fn over(reader: &Reader, now: Timestamp, limit: u32) -> Result<Vec<Scope>, Fault> {
    let seen_before = now.plus_seconds(-RETENTION_SECONDS);
    let early_micros = (RETENTION_SECONDS - LATE_FINISH_SECONDS) * kernel::time::MICROS_PER_SECOND;
    let records = reader.list(&OVER, args![seen_before, ClaimStatus::Done, early_micros, limit]).await?;
    records.iter().map(|record| Ok(Scope { account_id: record.get(0)?, hash: record.get(1)? })).collect()
}
