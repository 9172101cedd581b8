//! Emitting: an event and its deliveries, written by the same decision that made the event happen.
//!
//! # What it costs
//! Nothing for who has no receivers: no row is loaded and none is written. Each process remembers which accounts have receivers for
//! what ([`Outbox::refresh`] reads it again a few times a second, one small read). A decision believes that memory only where it says
//! *nobody wants this* and only while it is at most [`STALE_AFTER_MICROS`] old, by the time of the batch itself. In all other cases
//! the account's one `webhook_watch` row decides, which lies in the writer's own memory as a rule and whose version the flush checks as
//! that of any row. So:
//! - in the process that made or changed a receiver it counts from its commit on, because that process notes it before it answers;
//! - in others it counts from their next look on, within [`STALE_AFTER_MICROS`]; a process that cannot look asks the row each time;
//! - a change of an account that had receivers before is exact everywhere, by the row's version.
//!
//! Nothing is kept in memory that matters: event and deliveries are rows of the deciding commit, so a crash loses none of them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use db::{Fault, Keys, PlatformClock, Reader, Rows};
use kernel::{AccountId, EventId, Timestamp, WebhookId, sha256};
use uuid::Uuid;

use crate::queries;
use crate::rows::{DeliveryRow, EventRow, WatchRow};
use crate::rules::Receivers;
use crate::types::{DeliveryState, Trigger, Triggers};

/// How long what is remembered counts, in microseconds. Below the second within which a new receiver must count in every process.
pub const STALE_AFTER_MICROS: i64 = 900_000;

/// What happened, to be told to whoever wants to hear it.
#[derive(Clone, Debug)]
pub struct Happened {
    /// Whose it is.
    pub account_id: AccountId,
    /// What.
    pub trigger: Trigger,
    /// The object it happened to.
    pub subject: Uuid,
    /// The transaction or other thing whose status changed; the object itself where there is none.
    pub cause: Uuid,
    /// The status it changed to.
    pub status: &'static str,
}

/// Where decisions put what others are to be told. Cheap to clone.
#[derive(Clone)]
pub struct Outbox(Arc<Inner>);

struct Inner {
    reader: Reader,
    clock: PlatformClock,
    wanted: RwLock<Wanted>,
    /// Platform time in microseconds of the last look; nothing was looked at before the first one.
    looked_at: AtomicI64,
}

/// What is wanted in each account where anything is.
#[derive(Default)]
struct Wanted {
    /// The version everything here is at least as new as; `None` before the first look.
    version: Option<i64>,
    /// A version this process has made itself: an older look must not undo what it noted.
    noted: i64,
    of: HashMap<AccountId, Triggers>,
}

impl Outbox {
    /// An outbox over the receivers in the store; until the first [`Outbox::refresh`] every decision asks the rows.
    pub fn new(reader: Reader, clock: PlatformClock) -> Self {
        Self(Arc::new(Inner { reader, clock, wanted: RwLock::default(), looked_at: AtomicI64::new(i64::MIN) }))
    }

    /// Names the rows that [`Outbox::emit`] reads.
    pub fn keys(&self, keys: &mut Keys<'_>, account_id: AccountId, trigger: Trigger) {
        if self.0.may_be_wanted(account_id, trigger, self.0.clock.now()) {
            keys.row::<WatchRow>((account_id,));
        }
    }

    /// Notes an event and its deliveries, if anybody wants to hear of it; `draw` makes the object as it stands in this decision.
    pub fn emit(&self, rows: &mut Rows, happened: &Happened, now: Timestamp, draw: impl FnOnce(&mut Rows) -> Arc<[u8]>) {
        self.emit_where(rows, happened, now, |_| true, draw);
    }

    /// As [`Outbox::emit`], for one receiver alone. `false`: it does not want to hear of it.
    pub fn emit_to(
        &self,
        rows: &mut Rows,
        happened: &Happened,
        to: WebhookId,
        now: Timestamp,
        draw: impl FnOnce(&mut Rows) -> Arc<[u8]>,
    ) -> bool {
        self.emit_where(rows, happened, now, |webhook| webhook == to, draw)
    }

    /// The accounts in which somebody wants to hear of this, as of the last look.
    pub fn listening(&self, trigger: Trigger) -> Vec<AccountId> {
        let known = self.0.known();
        known.of.iter().filter(|(_, wanted)| wanted.contain(trigger)).map(|(account, _)| *account).collect()
    }

    fn emit_where(
        &self,
        rows: &mut Rows,
        happened: &Happened,
        now: Timestamp,
        to: impl Fn(WebhookId) -> bool,
        draw: impl FnOnce(&mut Rows) -> Arc<[u8]>,
    ) -> bool {
        let Happened { account_id, trigger, subject, cause, status } = *happened;
        if !self.0.may_be_wanted(account_id, trigger, now) {
            return false;
        }
        let Some(watch) = rows.get::<WatchRow>(&(account_id,)) else { return false };
        let receivers = Receivers::unpack(&watch.receivers);
        let wants = receivers.iter().filter(|(webhook, triggers)| triggers.contain(trigger) && to(*webhook));
        let wants: Vec<WebhookId> = wants.map(|(webhook, _)| webhook).collect();
        if wants.is_empty() {
            return false;
        }
        let id = event_id(happened, now);
        let body = draw(rows);
        for webhook_id in wants {
            rows.append(DeliveryRow {
                account_id,
                event_id: id,
                webhook_id,
                subject,
                happened: trigger,
                created_at: now,
                state: DeliveryState::Due,
                tries: 0,
                sends: 0,
                first_try_at: None,
                next_try_at: Some(now),
                leased_until: None,
                http_status: None,
                trouble: None,
                finished_at: None,
            });
        }
        let status = status.into();
        rows.append(EventRow { account_id, id, happened: trigger, subject, cause, status, body, created_at: now });
        true
    }

    /// Looks which accounts want what.
    ///
    /// # Errors
    /// [`Fault`] of the store; what is remembered grows stale then, and decisions ask the rows.
    pub async fn refresh(&self) -> Result<(), Fault> {
        let before = self.0.clock.now();
        let version = queries::watch_version(&self.0.reader).await?;
        if self.0.known().version != Some(version) {
            let of = queries::watched(&self.0.reader).await?;
            let mut known = self.0.known_mut();
            if version >= known.noted {
                known.version = Some(version);
                known.of = of.into_iter().filter(|(_, wanted)| !wanted.is_empty()).collect();
            }
        }
        self.0.looked_at.store(before.micros(), Ordering::Release);
        Ok(())
    }

    /// Notes at once what this process has just committed.
    pub(crate) fn note(&self, account_id: AccountId, wanted: Triggers, version: i64) {
        let mut known = self.0.known_mut();
        known.noted = known.noted.max(version);
        // Only ever more: of two changes, the later may be noted first.
        let all = known.of.entry(account_id).or_default();
        *all = all.or(wanted);
    }
}

impl Inner {
    /// Whether somebody may want it: certainly not, when memory that is fresh at `now` says so.
    fn may_be_wanted(&self, account_id: AccountId, trigger: Trigger, now: Timestamp) -> bool {
        let looked_at = self.looked_at.load(Ordering::Acquire);
        if now.micros().saturating_sub(looked_at) > STALE_AFTER_MICROS {
            return true;
        }
        self.known().of.get(&account_id).is_some_and(|wanted| wanted.contain(trigger))
    }

    fn known(&self) -> std::sync::RwLockReadGuard<'_, Wanted> {
        self.wanted.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_mut(&self) -> std::sync::RwLockWriteGuard<'_, Wanted> {
        self.wanted.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Outbox")
    }
}

/// The id of an event: UUID version 7 of its time, its other bits a hash of what happened. The same event decided twice has the same
/// id, so it can be noted only once; of two events of one object the later one has the greater id.
fn event_id(happened: &Happened, now: Timestamp) -> EventId {
    let account = happened.account_id.bytes();
    let trigger = happened.trigger.code().to_be_bytes();
    let digest = sha256(&[&account, happened.cause.as_bytes(), &trigger, happened.status.as_bytes()]);
    let mut rest = [0; 10];
    rest.copy_from_slice(&digest[..10]);
    id_at(now, &rest)
}

/// Not greater than the id of any event of that time or later.
pub(crate) fn first_event_at(time: Timestamp) -> EventId {
    id_at(time, &[0; 10])
}

fn id_at(time: Timestamp, rest: &[u8; 10]) -> EventId {
    let millis = u64::try_from(time.micros() / 1_000).unwrap_or(0);
    // The twelve bits behind the version count parts of the millisecond (RFC 9562, section 6.2, method 3).
    let parts = u16::try_from(time.micros().rem_euclid(1_000) * 4).unwrap_or(0).to_be_bytes();
    let mut rest = *rest;
    rest[..2].copy_from_slice(&parts);
    EventId::from_uuid(uuid::Builder::from_unix_timestamp_millis(millis, &rest).into_uuid())
}
