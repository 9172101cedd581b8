//! Receivers: made, changed, given a new signing secret, deleted.

use std::sync::Arc;

use db::{Command, Keys, Rows};
use idempotency::{Claim, Claimed, Known, Recorded, Reply, ReplySealer};
use kernel::{AccountId, SecretText, Timestamp, WebhookId};

use crate::error::Refusal;
use crate::rows::{WATCH_VERSION_ID, WatchRow, WatchVersionRow, WebhookRow};
use crate::rules::{FORMER_SIGNING_SECONDS, Receivers, WEBHOOKS_MAX};
use crate::service::{JSON, Shown};
use crate::types::{Triggers, WebhookState};

/// A request with an idempotency key, and how its reply is recorded.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    pub(crate) claim: Claim,
    pub(crate) sealer: ReplySealer,
}

/// What a change of a receiver left.
#[derive(Clone, Debug)]
pub(crate) enum Configured {
    /// The request's key is taken.
    Taken(Known),
    /// It is done.
    Done {
        reply: Reply,
        recorded: Option<Recorded>,
        /// What the account's receivers want now, and the version that says so; `None` when that has not changed.
        wanted: Option<(Triggers, i64)>,
    },
}

/// How a receiver is drawn; given by the edge once.
pub(crate) type Draw = fn(&Shown<'_>) -> Vec<u8>;

fn account_keys(keys: &mut Keys<'_>, account: AccountId, done: Option<&Done>) {
    if let Some(done) = done {
        idempotency::claim_keys(keys, &done.claim);
    }
    keys.row::<WatchRow>((account,));
    keys.row::<WatchVersionRow>((WATCH_VERSION_ID,));
    keys.prefix::<WebhookRow>(&(account,));
}

fn taken(rows: &mut Rows, done: Option<&Done>, now: Timestamp) -> Option<Configured> {
    match idempotency::claim(rows, &done?.claim, now) {
        Claimed::New => None,
        Claimed::Taken(known) => Some(Configured::Taken(known)),
    }
}

/// The receivers of an account that are there, but for one.
fn others(rows: &mut Rows, account: AccountId, but: WebhookId) -> Vec<WebhookRow> {
    let keys = rows.all::<WebhookRow>(&(account,));
    let all = keys.iter().map(|key| rows.must::<WebhookRow>(key).clone());
    all.filter(|row| row.id != but && row.state != WebhookState::Deleted).collect()
}

/// Whether the account may have this receiver beside its others (payments specification, section 2.8).
fn fits(row: &WebhookRow, others: &[WebhookRow]) -> Result<(), Refusal> {
    if others.iter().any(|other| other.name == row.name) {
        return Err(Refusal::NameTaken);
    }
    if others.iter().any(|other| other.url == row.url && !other.triggers.and(row.triggers).is_empty()) {
        return Err(Refusal::UrlTaken);
    }
    if others.len() >= WEBHOOKS_MAX { Err(Refusal::TooMany) } else { Ok(()) }
}

/// Enters what a receiver wants into the account's list. The list is changed even when that is the same as before: of two receivers that
/// are made at the same time in two processes, the second then sees the first.
pub(super) fn watch(rows: &mut Rows, row: &WebhookRow) -> Option<(Triggers, i64)> {
    let key = (row.account_id,);
    let mut receivers = rows.get::<WatchRow>(&key).map_or_else(Receivers::default, |watch| Receivers::unpack(&watch.receivers));
    let before = receivers.wanted();
    receivers.set(row.id, row.wants());
    let wanted = receivers.wanted();
    match rows.get_mut::<WatchRow>(&key) {
        Some(watch) => {
            watch.receivers = receivers.pack();
            watch.revision += 1;
        }
        None => rows.insert(WatchRow { account_id: row.account_id, receivers: receivers.pack(), revision: 1 }),
    }
    if wanted == before {
        return None;
    }
    let version = rows.must_mut::<WatchVersionRow>(&(WATCH_VERSION_ID,));
    version.version += 1;
    Some((wanted, version.version))
}

struct Finish<'a> {
    status: u16,
    draw: Draw,
    signing_secret: Option<&'a SecretText>,
    done: Option<&'a Done>,
}

impl Finish<'_> {
    fn with(self, rows: &mut Rows, row: &WebhookRow, wanted: Option<(Triggers, i64)>, now: Timestamp) -> Configured {
        let body = (self.draw)(&Shown { row, signing_secret: self.signing_secret });
        let reply = Reply { status: self.status, content_type: JSON.into(), location: None, body: body.into() };
        let recorded = self.done.map(|Done { claim, sealer }| {
            let recorded = match self.signing_secret {
                Some(_) => idempotency::finish_sealed(rows, &claim.scope, &reply, sealer, now),
                None => idempotency::finish(rows, &claim.scope, &reply, now),
            };
            recorded.expect("the claim was made a moment ago, and the reply is small")
        });
        Configured::Done { reply, recorded, wanted }
    }
}

/// `POST /v1/webhooks`.
#[derive(Debug)]
pub(crate) struct Create {
    /// As it will be, but for its times.
    pub(crate) row: WebhookRow,
    pub(crate) signing_secret: SecretText,
    pub(crate) done: Option<Done>,
    pub(crate) draw: Draw,
}

impl Command for Create {
    type Reply = Configured;
    type Refusal = Refusal;

    fn keys(&self, keys: &mut Keys<'_>) {
        account_keys(keys, self.row.account_id, self.done.as_ref());
        keys.fresh::<WebhookRow>((self.row.account_id, self.row.id));
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Configured, Refusal> {
        if let Some(taken) = taken(rows, self.done.as_ref(), now) {
            return Ok(taken);
        }
        let row = WebhookRow { created_at: now, updated_at: now, listens_since: now, ..self.row.clone() };
        fits(&row, &others(rows, row.account_id, row.id))?;
        let wanted = watch(rows, &row);
        rows.append(row.clone());
        let finish =
            Finish { status: 201, draw: self.draw, signing_secret: Some(&self.signing_secret), done: self.done.as_ref() };
        Ok(finish.with(rows, &row, wanted, now))
    }
}

/// What a PATCH changes; what is absent stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edit {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) url: Option<Arc<str>>,
    pub(crate) state: Option<WebhookState>,
    /// By family, because each is a field of its own: the family's triggers are replaced.
    pub(crate) triggers: Vec<(crate::types::Family, Triggers)>,
    /// Merges what is only kept and shown, given by the edge.
    pub(crate) details: Option<Details>,
    /// Sealed values; `Some(None)` removes one.
    pub(crate) api_key: Option<Option<Arc<[u8]>>>,
    pub(crate) secret: Option<Option<Arc<[u8]>>>,
    pub(crate) hmac_client_secret: Option<Option<Arc<[u8]>>>,
    pub(crate) oauth2_client_secret: Option<Option<Arc<[u8]>>>,
}

/// New details and how they are laid over the old ones; pure, the edge knows what is in them.
#[derive(Clone, Debug)]
pub struct Details {
    /// What was sent.
    pub sent: Arc<[u8]>,
    /// Lays it over what is stored.
    pub merge: fn(Option<&[u8]>, &[u8]) -> Option<Arc<[u8]>>,
}

impl Edit {
    fn apply(&self, row: &mut WebhookRow) {
        for (stored, sent) in [(&mut row.name, &self.name), (&mut row.url, &self.url)] {
            if let Some(sent) = sent {
                stored.clone_from(sent);
            }
        }
        row.state = self.state.unwrap_or(row.state);
        for (family, triggers) in &self.triggers {
            row.triggers = row.triggers.without(*family).or(*triggers);
        }
        if let Some(details) = &self.details {
            row.details = (details.merge)(row.details.as_deref(), &details.sent);
        }
        let secrets = [
            (&mut row.api_key, &self.api_key),
            (&mut row.secret, &self.secret),
            (&mut row.hmac_client_secret, &self.hmac_client_secret),
            (&mut row.oauth2_client_secret, &self.oauth2_client_secret),
        ];
        for (stored, sent) in secrets {
            if let Some(sent) = sent {
                stored.clone_from(sent);
            }
        }
    }
}

/// `PATCH /v1/webhooks/{id}`.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) key: (AccountId, WebhookId),
    pub(crate) edit: Edit,
    pub(crate) done: Option<Done>,
    pub(crate) draw: Draw,
}

/// The receiver, unless it is deleted.
fn present(rows: &mut Rows, key: (AccountId, WebhookId)) -> Result<WebhookRow, Refusal> {
    let found = rows.get::<WebhookRow>(&key).filter(|row| row.state != WebhookState::Deleted);
    found.cloned().ok_or(Refusal::NotFound)
}

/// Writes a changed receiver back.
pub(super) fn store(rows: &mut Rows, mut row: WebhookRow, now: Timestamp) -> WebhookRow {
    row.updated_at = now;
    let stored = rows.must_mut::<WebhookRow>(&(row.account_id, row.id));
    // What is told to somebody else, or is something else, is told from now on.
    if stored.wants() != row.wants() || stored.url != row.url {
        row.listens_since = now;
    }
    stored.clone_from(&row);
    row
}

impl Command for Change {
    type Reply = Configured;
    type Refusal = Refusal;

    fn keys(&self, keys: &mut Keys<'_>) {
        account_keys(keys, self.key.0, self.done.as_ref());
        keys.row::<WebhookRow>(self.key);
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Configured, Refusal> {
        if let Some(taken) = taken(rows, self.done.as_ref(), now) {
            return Ok(taken);
        }
        let mut row = present(rows, self.key)?;
        self.edit.apply(&mut row);
        fits(&row, &others(rows, row.account_id, row.id))?;
        let wanted = watch(rows, &row);
        let row = store(rows, row, now);
        let finish = Finish { status: 200, draw: self.draw, signing_secret: None, done: self.done.as_ref() };
        Ok(finish.with(rows, &row, wanted, now))
    }
}

/// `POST /v1/webhooks/{id}/rotate`.
#[derive(Debug)]
pub(crate) struct Rotate {
    pub(crate) key: (AccountId, WebhookId),
    pub(crate) signing_secret: SecretText,
    pub(crate) sealed: Arc<[u8]>,
    pub(crate) done: Option<Done>,
    pub(crate) draw: Draw,
}

impl Command for Rotate {
    type Reply = Configured;
    type Refusal = Refusal;

    fn keys(&self, keys: &mut Keys<'_>) {
        if let Some(done) = &self.done {
            idempotency::claim_keys(keys, &done.claim);
        }
        keys.row::<WebhookRow>(self.key);
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Configured, Refusal> {
        if let Some(taken) = taken(rows, self.done.as_ref(), now) {
            return Ok(taken);
        }
        let mut row = present(rows, self.key)?;
        row.former_signing_secret = row.signing_secret.replace(self.sealed.clone());
        row.former_until = Some(now.plus_seconds(FORMER_SIGNING_SECONDS));
        let row = store(rows, row, now);
        let finish =
            Finish { status: 200, draw: self.draw, signing_secret: Some(&self.signing_secret), done: self.done.as_ref() };
        Ok(finish.with(rows, &row, None, now))
    }
}

/// `DELETE /v1/webhooks/{id}`: the row stays for the log, its secrets go.
#[derive(Debug)]
pub(crate) struct Remove {
    pub(crate) key: (AccountId, WebhookId),
}

impl Command for Remove {
    /// The receiver as it was.
    type Reply = (WebhookRow, Option<(Triggers, i64)>);
    type Refusal = Refusal;

    fn keys(&self, keys: &mut Keys<'_>) {
        account_keys(keys, self.key.0, None);
        keys.row::<WebhookRow>(self.key);
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Self::Reply, Refusal> {
        let before = present(rows, self.key)?;
        let row = WebhookRow {
            state: WebhookState::Deleted,
            api_key: None,
            secret: None,
            hmac_client_secret: None,
            oauth2_client_secret: None,
            signing_secret: None,
            former_signing_secret: None,
            former_until: None,
            ..before.clone()
        };
        let wanted = watch(rows, &row);
        store(rows, row, now);
        Ok((before, wanted))
    }
}
