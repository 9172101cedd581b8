//! Deliveries: taken by one process, their outcome recorded, asked for again.

use std::convert::Infallible;

use db::{Command, Keys, Rows};
use idempotency::{Claimed, Reply};
use kernel::{AccountId, EventId, Timestamp, WebhookId};

use super::configure::{Configured, Done, store, watch};
use crate::error::Refusal;
use crate::rows::{DeliveryRow, TryRow, WATCH_VERSION_ID, WatchRow, WatchVersionRow, WebhookRow};
use crate::rules::{Verdict, judge};
use crate::service::JSON;
use crate::types::{Answered, DeliveryState, WebhookState};

pub(crate) type DeliveryKey = (AccountId, EventId, WebhookId);

/// Claims a delivery that is due: of several processes one sends it, and while its lease runs nobody else does.
#[derive(Debug)]
pub(crate) struct Take {
    pub(crate) key: DeliveryKey,
    /// When it was due, as the taker read it: another time means that somebody else was quicker.
    pub(crate) due: Timestamp,
    /// Database time, on which leases run.
    pub(crate) at: Timestamp,
    pub(crate) until: Timestamp,
}

/// What became of a try to take a delivery.
#[derive(Debug)]
pub(crate) enum Taken {
    /// It is this process's to send.
    Mine {
        delivery: Box<DeliveryRow>,
        webhook: Box<WebhookRow>,
        /// When it was taken, platform time.
        at: Timestamp,
    },
    /// Somebody else has it, or it is not due any more.
    NotMine,
}

impl Command for Take {
    type Reply = Taken;
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<DeliveryRow>(self.key);
        keys.row::<WebhookRow>((self.key.0, self.key.2));
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Taken, Infallible> {
        let webhook = rows.get::<WebhookRow>(&(self.key.0, self.key.2)).filter(|row| row.state == WebhookState::Active).cloned();
        let Some(row) = rows.get_mut::<DeliveryRow>(&self.key) else { return Ok(Taken::NotMine) };
        let free = row.leased_until.is_none_or(|until| until <= self.at);
        if row.next_try_at != Some(self.due) || !free {
            return Ok(Taken::NotMine);
        }
        let Some(webhook) = webhook else {
            drop_it(row, now);
            return Ok(Taken::NotMine);
        };
        row.leased_until = Some(self.until);
        row.first_try_at.get_or_insert(now);
        Ok(Taken::Mine { delivery: Box::new(row.clone()), webhook: Box::new(webhook), at: now })
    }
}

/// It is not sent any more.
fn drop_it(row: &mut DeliveryRow, now: Timestamp) {
    row.state = DeliveryState::Dropped;
    row.next_try_at = None;
    row.leased_until = None;
    row.finished_at = Some(now);
}

/// Drops what waits for receivers that were deleted, whenever it would have been due. What is being sent is left to whoever sends it.
#[derive(Debug)]
pub(crate) struct GiveUp {
    pub(crate) deliveries: Vec<DeliveryKey>,
    /// Database time, on which leases run.
    pub(crate) at: Timestamp,
}

impl Command for GiveUp {
    /// How many were dropped.
    type Reply = usize;
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        for key in &self.deliveries {
            keys.row::<DeliveryRow>(*key);
            keys.row::<WebhookRow>((key.0, key.2));
        }
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<usize, Infallible> {
        let mut dropped = 0;
        for key in &self.deliveries {
            if rows.get::<WebhookRow>(&(key.0, key.2)).is_some_and(|row| row.state != WebhookState::Deleted) {
                continue;
            }
            let free =
                |row: &&mut DeliveryRow| row.next_try_at.is_some() && row.leased_until.is_none_or(|until| until <= self.at);
            if let Some(row) = rows.get_mut::<DeliveryRow>(key).filter(free) {
                drop_it(row, now);
                dropped += 1;
            }
        }
        Ok(dropped)
    }
}

/// Records what a request came to. Who has lost the lease records nothing: the delivery is sent again under the same id.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) key: DeliveryKey,
    /// The lease it was sent under.
    pub(crate) lease: Timestamp,
    pub(crate) answered: Answered,
    pub(crate) millis: u32,
}

impl Command for Record {
    /// `None`: somebody else has it by now.
    type Reply = Option<Verdict>;
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        let (account, _, webhook) = self.key;
        keys.row::<DeliveryRow>(self.key);
        if self.answered == Answered::Status(410) {
            keys.row::<WebhookRow>((account, webhook));
            keys.row::<WatchRow>((account,));
            keys.row::<WatchVersionRow>((WATCH_VERSION_ID,));
        }
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Option<Verdict>, Infallible> {
        let (account_id, event_id, webhook_id) = self.key;
        let row = rows.get_mut::<DeliveryRow>(&self.key).filter(|row| row.leased_until == Some(self.lease));
        let Some(row) = row else { return Ok(None) };
        row.leased_until = None;
        row.tries += 1;
        row.sends += 1;
        (row.http_status, row.trouble) = match self.answered {
            Answered::Status(status) => (Some(status), None),
            Answered::Nothing(trouble) => (None, Some(trouble)),
        };
        let first = *row.first_try_at.get_or_insert(now);
        let verdict = judge(self.answered, row.tries, first, now);
        (row.state, row.next_try_at) = match verdict {
            Verdict::Confirmed => (DeliveryState::Delivered, None),
            Verdict::Again(at) => (DeliveryState::Due, Some(at)),
            Verdict::GivenUp => (DeliveryState::GivenUp, None),
            Verdict::Gone => (DeliveryState::Dropped, None),
        };
        row.finished_at = (row.state != DeliveryState::Due).then_some(now);
        let tried = TryRow {
            account_id,
            event_id,
            webhook_id,
            number: row.sends,
            at: now,
            http_status: row.http_status,
            trouble: row.trouble,
            millis: self.millis,
        };
        rows.append(tried);
        if verdict == Verdict::Gone {
            switch_off(rows, (account_id, webhook_id), now);
        }
        Ok(Some(verdict))
    }
}

/// A receiver that answered 410 is told nothing any more.
fn switch_off(rows: &mut Rows, key: (AccountId, WebhookId), now: Timestamp) {
    let Some(row) = rows.get::<WebhookRow>(&key).filter(|row| row.state == WebhookState::Active).cloned() else { return };
    let row = WebhookRow { state: WebhookState::Inactive, ..row };
    watch(rows, &row);
    store(rows, row, now);
}

/// `POST /v1/webhooks/{id}/deliveries/{d}/resend`: another round, under the same id.
#[derive(Debug)]
pub(crate) struct Resend {
    pub(crate) key: DeliveryKey,
    pub(crate) done: Option<Done>,
    pub(crate) draw: fn(&DeliveryRow) -> Vec<u8>,
}

impl Command for Resend {
    type Reply = Configured;
    type Refusal = Refusal;

    fn keys(&self, keys: &mut Keys<'_>) {
        if let Some(done) = &self.done {
            idempotency::claim_keys(keys, &done.claim);
        }
        keys.row::<DeliveryRow>(self.key);
        keys.row::<WebhookRow>((self.key.0, self.key.2));
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Configured, Refusal> {
        if let Some(done) = &self.done
            && let Claimed::Taken(known) = idempotency::claim(rows, &done.claim, now)
        {
            return Ok(Configured::Taken(known));
        }
        let webhook = rows.get::<WebhookRow>(&(self.key.0, self.key.2));
        match webhook.map(|row| row.state) {
            None | Some(WebhookState::Deleted) => return Err(Refusal::NotFound),
            Some(WebhookState::Inactive) => return Err(Refusal::Inactive),
            Some(WebhookState::Active) => {}
        }
        let row = rows.get_mut::<DeliveryRow>(&self.key).ok_or(Refusal::DeliveryNotFound)?;
        row.state = DeliveryState::Due;
        row.tries = 0;
        row.first_try_at = None;
        row.next_try_at = Some(now);
        row.finished_at = None;
        let row = row.clone();
        let reply = Reply { status: 200, content_type: JSON.into(), location: None, body: (self.draw)(&row).into() };
        let recorded = self.done.as_ref().map(|done| {
            idempotency::finish(rows, &done.claim.scope, &reply, now)
                .expect("the claim was made a moment ago, and the reply is small")
        });
        Ok(Configured::Done { reply, recorded, wanted: None })
    }
}
