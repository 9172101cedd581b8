//! The worker that delivers: takes what is due, sends it, records what came of it.
//!
//! Runs in every process. A delivery is taken by a guarded update that leases it, so of several processes one sends it; who dies between
//! sending and recording has it sent again by somebody else once the lease ends, under the same `webhook-id`.
//!
//! A slow receiver delays nobody else: each address has at most [`PER_URL`] requests under way, what is due is looked up receiver by
//! receiver, and every request is a task of its own. Deliveries about one object to one receiver are never sent side by side, so they
//! arrive in order as long as tries succeed.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use db::Fault;
use kernel::{Timestamp, WebhookId};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::commands::{GiveUp, Record, Sweep, Take, Taken};
use crate::outbox;
use crate::queries;
use crate::rows::{DeliveryRow, EventRow, WebhookRow};
use crate::rules::LOG_SECONDS;
use crate::sender::{Parcel, Sender};
use crate::service::Messaging;
use crate::types::{Answered, Trouble};

/// Requests under way to one address (payments specification, section 3.11).
pub const PER_URL: usize = 4;
/// Requests under way in one process.
const AT_ONCE: usize = 512;
/// Deliveries looked at for one receiver in one go: more than can be sent, because some wait for another about the same object.
const PAGE: u32 = 64;
/// How often the worker looks for something due.
const TICK: Duration = Duration::from_millis(300);
/// How long a delivery is one process's: longer than the longest request, in microseconds of database time.
const LEASE_MICROS: i64 = 30_000_000;
/// How often an outcome is written again when the store does not take it, and how long to wait in between.
const RECORDINGS: u32 = 20;
const RECORD_AGAIN: Duration = Duration::from_millis(500);
/// How often old deliveries are swept away, and how many at once; also of what is given up.
const SWEEP_EVERY: Duration = Duration::from_secs(30);
const SWEEP_MAX: u32 = 200;

/// What is under way in this process.
#[derive(Default)]
struct UnderWay {
    to: HashMap<Arc<str>, usize>,
    about: HashSet<(WebhookId, Uuid)>,
}

/// Delivers for one process.
pub struct Courier {
    messaging: Messaging,
    sender: Sender,
    under_way: Mutex<UnderWay>,
    /// Something ended, so that something else may begin.
    ended: Notify,
    tasks: TaskTracker,
}

impl Courier {
    /// A courier that sends with `sender`.
    pub fn new(messaging: Messaging, sender: Sender) -> Arc<Self> {
        Arc::new(Self { messaging, sender, under_way: Mutex::default(), ended: Notify::new(), tasks: TaskTracker::new() })
    }

    /// Delivers until `stop`, and then lets what is under way end: a request takes 10 seconds at most.
    pub async fn deliver_until(self: Arc<Self>, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        let mut swept = Instant::now();
        loop {
            if swept.elapsed() >= SWEEP_EVERY {
                swept = Instant::now();
                noted(self.sweep().await);
            }
            noted(self.look().await);
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = self.ended.notified() => {}
                () = tokio::time::sleep(TICK) => {}
            }
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Deletes what has been over for [`LOG_SECONDS`], a little each time.
    async fn sweep(&self) -> Result<(), Fault> {
        let store = &self.messaging.0.store;
        let before = store.clock().now().plus_seconds(-LOG_SECONDS);
        loop {
            let old = queries::old_deliveries(store.reader(), outbox::first_event_at(before), SWEEP_MAX).await?;
            // A receiver goes after all that was sent to it.
            let gone = queries::deleted_webhooks(store.reader(), before.plus_seconds(-86_400), SWEEP_MAX).await?;
            let deliveries: Vec<_> = old.iter().map(|row| (row.account_id, row.event_id, row.webhook_id)).collect();
            let webhooks: Vec<_> =
                if deliveries.is_empty() { gone.iter().map(|row| (row.account_id, row.id)).collect() } else { Vec::new() };
            if deliveries.is_empty() && webhooks.is_empty() {
                return Ok(());
            }
            let Ok(deleted) = store.writer().run(Sweep { deliveries, webhooks }).await?;
            if deleted == 0 {
                return Ok(()); // another process sweeps too, or the reader lags
            }
        }
    }

    async fn look(self: &Arc<Self>) -> Result<(), Fault> {
        let parts = &self.messaging.0;
        parts.outbox.refresh().await?;
        let (reader, clock) = (parts.store.reader(), parts.store.clock());
        for receiver in queries::receivers_due(reader, clock.now()).await? {
            if receiver.is_deleted {
                self.give_up(receiver.id).await?;
                continue;
            }
            if self.tasks.len() >= AT_ONCE {
                continue;
            }
            let due = queries::due(reader, receiver.id, clock.now(), clock.database_time(), PAGE).await?;
            self.begin(due).await?;
        }
        Ok(())
    }

    /// Gives up what waits for a receiver that was deleted, a little in each commit.
    async fn give_up(&self, webhook: WebhookId) -> Result<(), Fault> {
        let store = &self.messaging.0.store;
        loop {
            let at = store.clock().database_time();
            let waiting = queries::waiting(store.reader(), webhook, at, SWEEP_MAX).await?;
            if waiting.is_empty() {
                return Ok(());
            }
            let deliveries = waiting.iter().map(|row| (row.account_id, row.event_id, row.webhook_id)).collect();
            let Ok(given_up) = store.writer().run(GiveUp { deliveries, at }).await?;
            if given_up == 0 {
                return Ok(()); // another process gives up too, or the reader lags
            }
        }
    }

    /// Begins as many deliveries to one receiver as its address may have under way.
    async fn begin(self: &Arc<Self>, due: Vec<DeliveryRow>) -> Result<(), Fault> {
        let Some(first) = due.first() else { return Ok(()) };
        let row = queries::any_webhook(self.messaging.0.store.reader(), first.account_id, first.webhook_id).await?;
        let url = row.map_or_else(|| "".into(), |row| row.url);
        for delivery in due {
            let Some(slot) = self.enter(&url, &delivery) else { continue };
            let courier = self.clone();
            self.tasks.spawn(async move {
                if let Err(fault) = courier.deliver(delivery).await {
                    tracing::warn!(%fault, "a webhook could not be looked after; it is tried again");
                    // It is still due: while the store takes nothing but answers, nobody is helped by asking it without a pause.
                    tokio::time::sleep(TICK).await;
                }
                courier.leave(&slot);
            });
        }
        Ok(())
    }

    fn enter(&self, url: &Arc<str>, delivery: &DeliveryRow) -> Option<Slot> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let about = (delivery.webhook_id, delivery.subject);
        if under_way.to.get(url).is_some_and(|count| *count >= PER_URL) || !under_way.about.insert(about) {
            return None;
        }
        *under_way.to.entry(url.clone()).or_default() += 1;
        Some(Slot { url: url.clone(), about })
    }

    fn leave(&self, slot: &Slot) {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.about.remove(&slot.about);
        if let Some(count) = under_way.to.get_mut(&slot.url) {
            *count -= 1;
            if *count == 0 {
                under_way.to.remove(&slot.url);
            }
        }
        drop(under_way);
        self.ended.notify_one();
    }

    async fn deliver(&self, delivery: DeliveryRow) -> Result<(), Fault> {
        let parts = &self.messaging.0;
        let key = (delivery.account_id, delivery.event_id, delivery.webhook_id);
        let Some(due) = delivery.next_try_at else { return Ok(()) };
        let at = parts.store.clock().database_time();
        let lease = at.plus_micros(LEASE_MICROS);
        let Ok(taken) = parts.store.writer().run(Take { key, due, at, until: lease }).await?;
        let Taken::Mine { delivery, webhook, at: now } = taken else { return Ok(()) };
        let Some(event) = queries::event(parts.store.reader(), key.0, key.1).await? else {
            tracing::error!(event = %key.1, "a delivery tells of an event that does not exist");
            return Ok(());
        };
        let began = Instant::now();
        let answered = match self.parcel(&event, &webhook, delivery.tries, now) {
            Ok(parcel) => self.sender.send(parcel).await,
            Err(trouble) => Answered::Nothing(trouble),
        };
        let millis = u32::try_from(began.elapsed().as_millis()).unwrap_or(u32::MAX);
        metrics::counter!("guichet_webhook_requests_total", "answer" => class(answered)).increment(1);
        self.record(Record { key, lease, answered, millis }).await
    }

    /// Writes the outcome down; when the store does not take it for long, the lease ends and the delivery is sent again.
    async fn record(&self, record: Record) -> Result<(), Fault> {
        let mut left = RECORDINGS;
        loop {
            match self.messaging.0.store.writer().run(record.clone()).await {
                Ok(Ok(_verdict_or_somebody_elses)) => {
                    tracing::debug!(event = %record.key.1, webhook = %record.key.2, answered = %record.answered, "a webhook was sent");
                    return Ok(());
                }
                Err(fault @ Fault::Closing) => return Err(fault),
                Err(fault) if left == 0 => return Err(fault),
                Err(_) => {
                    left -= 1;
                    tokio::time::sleep(RECORD_AGAIN).await;
                }
            }
        }
    }

    fn parcel(&self, event: &EventRow, webhook: &WebhookRow, tries: u32, now: Timestamp) -> Result<Parcel, Trouble> {
        Parcel::packed(event, webhook, body(event, tries), now, &self.messaging.0.secrets).map_err(|error| {
            tracing::error!(webhook = %webhook.id, %error, "a webhook's secrets do not open");
            Trouble::Sealed
        })
    }
}

fn noted(result: Result<(), Fault>) {
    if let Err(fault) = result {
        tracing::warn!(%fault, "webhooks could not be looked after; the next round will");
    }
}

/// A place among what is under way.
struct Slot {
    url: Arc<str>,
    about: (WebhookId, Uuid),
}

/// Whether and how it was answered, for the metric.
const fn class(answered: Answered) -> &'static str {
    match answered {
        Answered::Status(200) => "confirmed",
        Answered::Status(_) => "refused",
        Answered::Nothing(_) => "nothing",
    }
}

/// The body of a try (payments specification, section 3.11); everything but `retry` is the same each time.
pub fn body(event: &EventRow, retry: u32) -> Vec<u8> {
    let (family, account, id) = (event.happened.family(), event.account_id, event.id);
    let head = format!(
        "{{\"type\":\"{}\",\"type_event\":\"{}\",\"account_id\":\"{account}\",\"retry\":{retry},\"version\":2,\"data\":{{\"idempotency_key\":\"{id}\",\"{}\":",
        family.word(),
        event.happened.event(),
        family.member(),
    );
    [head.as_bytes(), &event.body, b"}}"].concat()
}
