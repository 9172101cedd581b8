//! Reads that are not part of a decision.

use db::{Fault, Reader, Sql, args, sql};
use kernel::{AccountId, EventId, Timestamp, WebhookId};

use crate::rows::{DeliveryRow, EventRow, TryRow, WATCH_VERSION_ID, WatchRow, WebhookRow};
use crate::rules::Receivers;
use crate::types::{DeliveryState, Triggers, WebhookState};

/// Deliveries on one page of the log.
pub const DELIVERIES_PAGE_MAX: u32 = 100;

static WATCH_VERSION: Sql = sql!("SELECT version FROM webhook_version WHERE id = $1");

static WATCHED: Sql = sql!("SELECT {} FROM webhook_watch", WatchRow);

static WEBHOOK: Sql = sql!("SELECT {} FROM webhook WHERE account_id = $1 AND id = $2 AND state <> $3", WebhookRow);

static WEBHOOKS: Sql = sql!("SELECT {} FROM webhook WHERE account_id = $1 AND state <> $2 ORDER BY id", WebhookRow);

// From one receiver with something waiting to the next, by the index: the work depends on the receivers, not on what waits for them.
static RECEIVERS_DUE: Sql = sql!(
    "WITH RECURSIVE lane(one) AS (
        SELECT (SELECT webhook_id FROM webhook_delivery WHERE next_try_at IS NOT NULL ORDER BY webhook_id LIMIT 1)
        UNION ALL
        SELECT (SELECT webhook_id FROM webhook_delivery
                 WHERE next_try_at IS NOT NULL AND webhook_id > lane.one ORDER BY webhook_id LIMIT 1)
          FROM lane WHERE lane.one IS NOT NULL)
     SELECT one, deleted
       FROM (SELECT one, (SELECT COUNT(*) FROM webhook AS w
                           WHERE w.id = one AND w.state = $2 AND w.account_id = (
                                 SELECT d.account_id FROM webhook_delivery AS d
                                  WHERE d.webhook_id = one AND d.next_try_at IS NOT NULL LIMIT 1)) AS deleted
               FROM lane WHERE one IS NOT NULL) AS waiting
      WHERE deleted > 0 OR EXISTS (SELECT 1 FROM webhook_delivery WHERE webhook_id = one AND next_try_at <= $1)"
);

static DUE: Sql = sql!(
    "SELECT {} FROM webhook_delivery
      WHERE webhook_id = $1 AND next_try_at <= $2 AND (leased_until IS NULL OR leased_until <= $3)
      ORDER BY next_try_at, event_id LIMIT $4",
    DeliveryRow
);

// What waits for one receiver, however long it is to wait yet.
static WAITING: Sql = sql!(
    "SELECT {} FROM webhook_delivery
      WHERE webhook_id = $1 AND next_try_at IS NOT NULL AND (leased_until IS NULL OR leased_until <= $2)
      ORDER BY next_try_at, event_id LIMIT $3",
    DeliveryRow
);

static EVENT: Sql = sql!("SELECT {} FROM webhook_event WHERE account_id = $1 AND id = $2", EventRow);

// Ids of events are ordered by time: newest first. $3 is the last id of the page before.
static DELIVERIES: Sql = sql!(
    "SELECT {} FROM webhook_delivery
      WHERE webhook_id = $1 AND account_id = $2 AND event_id < $3 AND (state = $4 OR $4 = -1)
      ORDER BY event_id DESC LIMIT $5",
    DeliveryRow
);

static TRIES: Sql =
    sql!("SELECT {} FROM webhook_try WHERE account_id = $1 AND event_id = $2 AND webhook_id = $3 ORDER BY number", TryRow);

// Ids of events are ordered by time.
static OLD: Sql =
    sql!("SELECT {} FROM webhook_delivery WHERE event_id < $1 AND next_try_at IS NULL ORDER BY event_id LIMIT $2", DeliveryRow);

static DELETED: Sql =
    sql!("SELECT {} FROM webhook WHERE state = $1 AND updated_at < $2 ORDER BY account_id, id LIMIT $3", WebhookRow);

// Of all accounts: only a sandbox shows it.
static LATEST: Sql = sql!("SELECT {} FROM webhook_delivery ORDER BY event_id DESC LIMIT $1", DeliveryRow);

static LATEST_TO: Sql = sql!(
    "SELECT {} FROM webhook_delivery WHERE webhook_id IN (SELECT id FROM webhook WHERE url = $1) ORDER BY event_id DESC LIMIT $2",
    DeliveryRow
);

static ANY_WEBHOOK: Sql = sql!("SELECT {} FROM webhook WHERE account_id = $1 AND id = $2", WebhookRow);

/// Greater than every id of an event.
const BEHIND_ALL: EventId = EventId::from_bytes([u8::MAX; 16]);

pub(crate) async fn watch_version(reader: &Reader) -> Result<i64, Fault> {
    reader.one(&WATCH_VERSION, args![WATCH_VERSION_ID]).await?.map_or(Ok(0), |record| record.get(0))
}

/// What the receivers of each account want.
pub(crate) async fn watched(reader: &Reader) -> Result<Vec<(AccountId, Triggers)>, Fault> {
    let rows: Vec<WatchRow> = reader.rows(&WATCHED, args![]).await?;
    Ok(rows.iter().map(|row| (row.account_id, Receivers::unpack(&row.receivers).wanted())).collect())
}

/// One receiver, unless it was deleted.
pub(crate) async fn webhook(reader: &Reader, account: AccountId, id: WebhookId) -> Result<Option<WebhookRow>, Fault> {
    reader.row(&WEBHOOK, args![account, id, WebhookState::Deleted]).await
}

/// One receiver, deleted or not.
pub(crate) async fn any_webhook(reader: &Reader, account: AccountId, id: WebhookId) -> Result<Option<WebhookRow>, Fault> {
    reader.row(&ANY_WEBHOOK, args![account, id]).await
}

/// The receivers of an account, oldest first.
pub(crate) async fn webhooks(reader: &Reader, account: AccountId) -> Result<Vec<WebhookRow>, Fault> {
    reader.rows(&WEBHOOKS, args![account, WebhookState::Deleted]).await
}

/// A receiver that has to be looked after.
pub(crate) struct ReceiverDue {
    pub(crate) id: WebhookId,
    /// It was deleted: what still waits for it, now or later, is not sent.
    pub(crate) is_deleted: bool,
}

/// The receivers that something is due for, and the deleted ones that anything waits for.
pub(crate) async fn receivers_due(reader: &Reader, now: Timestamp) -> Result<Vec<ReceiverDue>, Fault> {
    let records = reader.list(&RECEIVERS_DUE, args![now, WebhookState::Deleted]).await?;
    let due = |record: &db::Record| Ok(ReceiverDue { id: record.get(0)?, is_deleted: record.get::<i64>(1)? > 0 });
    records.iter().map(due).collect()
}

/// What waits for one receiver and nobody has taken, whenever it is due. `at` is the database's time.
pub(crate) async fn waiting(reader: &Reader, webhook: WebhookId, at: Timestamp, limit: u32) -> Result<Vec<DeliveryRow>, Fault> {
    reader.rows(&WAITING, args![webhook, at, limit]).await
}

/// What is due for one receiver and nobody has taken, the longest due first. `now` is platform time, `at` the database's.
pub(crate) async fn due(
    reader: &Reader,
    webhook: WebhookId,
    now: Timestamp,
    at: Timestamp,
    limit: u32,
) -> Result<Vec<DeliveryRow>, Fault> {
    reader.rows(&DUE, args![webhook, now, at, limit]).await
}

/// One event.
pub(crate) async fn event(reader: &Reader, account: AccountId, id: EventId) -> Result<Option<EventRow>, Fault> {
    reader.row(&EVENT, args![account, id]).await
}

/// The deliveries to a receiver, newest first.
pub(crate) async fn deliveries(
    reader: &Reader,
    webhook: (AccountId, WebhookId),
    state: Option<DeliveryState>,
    before: Option<EventId>,
    limit: u32,
) -> Result<Vec<DeliveryRow>, Fault> {
    let (account, webhook) = webhook;
    let state = state.map_or(-1, DeliveryState::code);
    reader.rows(&DELIVERIES, args![webhook, account, before.unwrap_or(BEHIND_ALL), state, limit]).await
}

/// Deliveries of events before that one with which nothing happens any more.
pub(crate) async fn old_deliveries(reader: &Reader, before: EventId, limit: u32) -> Result<Vec<DeliveryRow>, Fault> {
    reader.rows(&OLD, args![before, limit]).await
}

/// Receivers that were deleted before that time.
pub(crate) async fn deleted_webhooks(reader: &Reader, before: Timestamp, limit: u32) -> Result<Vec<WebhookRow>, Fault> {
    reader.rows(&DELETED, args![WebhookState::Deleted, before, limit]).await
}

/// All requests that were sent for a delivery, oldest first.
pub(crate) async fn tries(reader: &Reader, key: (AccountId, EventId, WebhookId)) -> Result<Vec<TryRow>, Fault> {
    reader.rows(&TRIES, args![key.0, key.1, key.2]).await
}

/// The newest deliveries of all accounts, or those to one address.
pub(crate) async fn latest(reader: &Reader, to: Option<&str>, limit: u32) -> Result<Vec<DeliveryRow>, Fault> {
    match to {
        Some(url) => {
            let url: std::sync::Arc<str> = url.into();
            reader.rows(&LATEST_TO, args![url, limit]).await
        }
        None => reader.rows(&LATEST, args![limit]).await,
    }
}

/// What `verify` reads.
pub(crate) mod checked {
    use super::{DeliveryRow, EventRow, Sql, WebhookRow, sql};

    pub(crate) static DELIVERIES: Sql = sql!(
        "SELECT {}, e_id, w_id, t_count
           FROM webhook_delivery
           LEFT JOIN (SELECT account_id AS e_account, id AS e_id FROM webhook_event) AS e
             ON e_account = account_id AND e_id = event_id
           LEFT JOIN (SELECT account_id AS w_account, id AS w_id FROM webhook) AS w
             ON w_account = account_id AND w_id = webhook_id
           LEFT JOIN (
                SELECT account_id AS t_account, event_id AS t_event, webhook_id AS t_webhook, CAST(COUNT(*) AS BIGINT) AS t_count
                  FROM webhook_try GROUP BY account_id, event_id, webhook_id) AS t
             ON t_account = account_id AND t_event = event_id AND t_webhook = webhook_id
          ORDER BY account_id, event_id, webhook_id",
        DeliveryRow
    );

    // Events nobody is told about, and events that were noted twice.
    pub(crate) static EVENTS_TO_NOBODY: Sql = sql!(
        "SELECT {} FROM webhook_event
          WHERE NOT EXISTS (
                SELECT 1 FROM webhook_delivery AS d WHERE d.account_id = webhook_event.account_id AND d.event_id = webhook_event.id)",
        EventRow
    );

    pub(crate) static WEBHOOKS: Sql = sql!("SELECT {} FROM webhook ORDER BY account_id, id", WebhookRow);

    pub(crate) static WATCHES: Sql = sql!("SELECT {} FROM webhook_watch ORDER BY account_id", super::WatchRow);
}
