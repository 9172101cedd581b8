//! What may happen to a claim, each a step inside somebody's `decide`, and the command that sweeps old ones away.

use std::convert::Infallible;
use std::sync::Arc;

use db::{Command, Keys, Rows};
use kernel::Timestamp;
use uuid::Uuid;

use crate::codec;
use crate::error::HoldRefusal;
use crate::rows::{ClaimRow, ClaimStatus};
use crate::rules::{expires_at, known};
use crate::sealed::ReplySealer;
use crate::types::{Claim, Known, Recorded, Reply, Scope};

/// What asking for a key came to.
#[derive(Clone, Debug)]
pub enum Claimed {
    /// The key is this request's: do the work.
    New,
    /// It is not: [`Known::InProcess`] or [`Known::Replay`] says what to answer. Never [`Known::Nothing`].
    Taken(Known),
}

/// Names the row that [`claim`] touches. It is believed to be new: the insert itself is the search, and a key that is known after all
/// shows when it is decided again.
pub fn claim_keys(keys: &mut Keys<'_>, claim: &Claim) {
    keys.fresh::<ClaimRow>(key(&claim.scope));
}

/// Names the row of a claim that is held: for [`finish`], [`forget`], [`mark_unknown`] and [`take_over`].
pub fn held_keys(keys: &mut Keys<'_>, scope: &Scope) {
    keys.row::<ClaimRow>(key(scope));
}

/// Asks for a key in the same decision that writes down what the request is about to do, so that both are there or neither.
///
/// A key whose time is over is given out again, with everything about its earlier life forgotten.
pub fn claim(rows: &mut Rows, claim: &Claim, now: Timestamp) -> Claimed {
    let key = key(&claim.scope);
    if let Some(row) = rows.get::<ClaimRow>(&key) {
        let known = known(row, now);
        if !matches!(known, Known::Nothing) {
            return Claimed::Taken(known);
        }
        rows.delete::<ClaimRow>(&key);
    }
    let owner = rows.boot();
    rows.insert(ClaimRow {
        account_id: claim.scope.account_id,
        scope: claim.scope.hash,
        first_seen_at: now,
        body_hash: claim.body_hash,
        subject: claim.subject,
        request_id: claim.request_id.clone(),
        status: ClaimStatus::InProgress,
        owner,
        http_status: None,
        reply: None,
        finished_at: None,
    });
    Claimed::New
}

/// Records the reply, in the same decision that makes it true. Returns what replays will be answered with.
///
/// `over_at` is when what was asked for is over: now, or later where the reply says that it goes on. The key counts for as long, and
/// after that as a late finish does.
///
/// # Errors
/// [`HoldRefusal`]: the claim is not this process's to finish, or the reply is not one that is recorded. Nothing is changed then.
pub fn finish(rows: &mut Rows, scope: &Scope, reply: &Reply, over_at: Timestamp) -> Result<Recorded, HoldRefusal> {
    record(rows, scope, reply, codec::pack(reply)?, over_at)
}

/// As [`finish`], for a reply that carries a secret: what is stored is sealed.
///
/// # Errors
/// As [`finish`].
pub fn finish_sealed(
    rows: &mut Rows,
    scope: &Scope,
    reply: &Reply,
    sealer: &ReplySealer,
    over_at: Timestamp,
) -> Result<Recorded, HoldRefusal> {
    record(rows, scope, reply, sealer.seal(&codec::pack(reply)?, scope), over_at)
}

fn record(rows: &mut Rows, scope: &Scope, reply: &Reply, frame: Arc<[u8]>, over_at: Timestamp) -> Result<Recorded, HoldRefusal> {
    if !(200..300).contains(&reply.status) {
        return Err(HoldRefusal::NotSuccess);
    }
    let row = held(rows, scope)?;
    row.status = ClaimStatus::Done;
    row.http_status = Some(reply.status);
    row.reply = Some(frame.clone());
    row.finished_at = Some(over_at);
    Ok(Recorded {
        status: reply.status,
        frame,
        body_hash: row.body_hash,
        first_seen_at: row.first_seen_at,
        request_id: row.request_id.clone(),
        expires_at: expires_at(row.first_seen_at, over_at),
    })
}

/// Records another reply in place of one that shows what was to be forgotten. Its key counts as before. `None` where there is no such
/// reply: the claim is gone or unfinished, was made for something else than `subject`, or `change` has nothing to change.
pub fn amend(rows: &mut Rows, scope: &Scope, subject: Uuid, change: impl FnOnce(&Reply) -> Option<Reply>) -> Option<Recorded> {
    let row = rows.get_mut::<ClaimRow>(&key(scope)).filter(|row| row.subject == subject)?;
    let (ClaimStatus::Done, Some(stored), Some(status), Some(over_at)) =
        (row.status, &row.reply, row.http_status, row.finished_at)
    else {
        return None;
    };
    let changed = change(&codec::unpack(status, stored).ok()?)?;
    let frame = codec::pack(&changed).ok()?;
    row.http_status = Some(changed.status);
    row.reply = Some(frame.clone());
    Some(Recorded {
        status: changed.status,
        frame,
        body_hash: row.body_hash,
        first_seen_at: row.first_seen_at,
        request_id: row.request_id.clone(),
        expires_at: expires_at(row.first_seen_at, over_at),
    })
}

/// Drops the claim: nothing happened, the key may be used again. Where the outside world was asked, only when that is proven.
///
/// # Errors
/// [`HoldRefusal`] when it is not this process's to drop, or finished.
pub fn forget(rows: &mut Rows, scope: &Scope) -> Result<(), HoldRefusal> {
    held(rows, scope)?;
    rows.delete::<ClaimRow>(&key(scope));
    Ok(())
}

/// Makes sure that the claim is still this process's to finish, before more is asked of the outside world under it.
///
/// # Errors
/// [`HoldRefusal`] when it is not, or finished.
pub fn still_held(rows: &mut Rows, scope: &Scope) -> Result<(), HoldRefusal> {
    held(rows, scope).map(|_row| ())
}

/// Notes that the outside world has not told what became of the work. The key stays taken, however long that lasts.
///
/// # Errors
/// [`HoldRefusal`] when it is not this process's, or finished.
pub fn mark_unknown(rows: &mut Rows, scope: &Scope) -> Result<(), HoldRefusal> {
    held(rows, scope)?.status = ClaimStatus::Unknown;
    Ok(())
}

/// Makes this process the owner of an unfinished claim, so that recovery may finish or drop it. Only for claims whose owner is known
/// to be dead and fenced, or that wait for an answer with nobody working on them.
///
/// # Errors
/// [`HoldRefusal::NotClaimed`] or [`HoldRefusal::AlreadyDone`].
pub fn take_over(rows: &mut Rows, scope: &Scope) -> Result<(), HoldRefusal> {
    let boot = rows.boot();
    let row = rows.get_mut::<ClaimRow>(&key(scope)).ok_or(HoldRefusal::NotClaimed)?;
    if row.status == ClaimStatus::Done {
        return Err(HoldRefusal::AlreadyDone);
    }
    row.owner = boot;
    Ok(())
}

/// Deletes claims whose time is over; those that are not (any more) stay.
#[derive(Debug)]
pub(crate) struct Sweep {
    pub(crate) scopes: Vec<Scope>,
}

impl Command for Sweep {
    /// How many were deleted.
    type Reply = usize;
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        self.scopes.iter().for_each(|scope| held_keys(keys, scope));
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<usize, Infallible> {
        let mut deleted = 0;
        for scope in &self.scopes {
            let over = rows.get::<ClaimRow>(&key(scope)).is_some_and(|row| matches!(known(row, now), Known::Nothing));
            if over {
                rows.delete::<ClaimRow>(&key(scope));
                deleted += 1;
            }
        }
        Ok(deleted)
    }
}

/// The unfinished claim of this process.
fn held<'a>(rows: &'a mut Rows, scope: &Scope) -> Result<&'a mut ClaimRow, HoldRefusal> {
    let boot = rows.boot();
    let row = rows.get_mut::<ClaimRow>(&key(scope)).ok_or(HoldRefusal::NotClaimed)?;
    match row.status {
        ClaimStatus::Done => Err(HoldRefusal::AlreadyDone),
        ClaimStatus::InProgress | ClaimStatus::Unknown if row.owner != boot => Err(HoldRefusal::NotOwner),
        ClaimStatus::InProgress | ClaimStatus::Unknown => Ok(row),
    }
}

fn key(scope: &Scope) -> <ClaimRow as db::Table>::Key {
    (scope.account_id, scope.hash)
}
