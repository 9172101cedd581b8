//! The decisions about payments: each names its rows and decides, purely, inside a group commit.

mod asking;
mod at_once;
mod begin;
mod challenge;
mod lapse;
mod notification;
mod operate;
mod retry;
mod session;
mod settle;

pub(crate) use asking::{Adopt, KeepAsking, NoteMissing, TakeQuestion};
pub(crate) use at_once::{AtOnce, Decision};
pub(crate) use begin::BeginPayment;
pub use begin::{Charge, begin, begin_keys};
pub(crate) use challenge::{AnswerChallenge, ExpireChallenge, ExpireLater, Given, Judged, NOT_AUTHENTICATED};
pub(crate) use lapse::Lapse;
pub(crate) use notification::{CloseNotification, IgnoreNotifications, StoreNotification, TakeChargeback};
pub(crate) use operate::{BeginOperation, Want};
pub(crate) use retry::Retry;
pub(crate) use session::{CreateSession, PatchSession};
pub use settle::{Ending, Finished};
pub(crate) use settle::{Settle, conclude, conclude_keys, end_later, post, settle};

use db::Rows;
use idempotency::{Claim, Claimed, Known, Reply};
use kernel::Timestamp;

use crate::origin::{Ended, JSON};

/// How far a request got in its first decision.
#[derive(Debug)]
pub(crate) enum Begun<T> {
    /// The intent is written: now the acquirer.
    Go(T),
    /// It needed no acquirer and is finished.
    Done(Finished),
    /// The key is taken: a replay, or still in process.
    Taken(Known),
}

/// A request that needed no acquirer and is finished with this reply.
pub(crate) fn done(rows: &mut Rows, claim: Option<&Claim>, status: u16, body: Vec<u8>, now: Timestamp) -> Begun<()> {
    let reply = json(status, body);
    let kept = reply.clone();
    done_keeping(rows, claim, reply, &kept, now)
}

/// As [`done`], but what is recorded for repeats is not what is answered now: it is sealed.
pub(crate) fn done_keeping(rows: &mut Rows, claim: Option<&Claim>, reply: Reply, kept: &Reply, now: Timestamp) -> Begun<()> {
    let recorded = claim.map(|claim| {
        idempotency::finish(rows, &claim.scope, kept, now).expect("the claim was made a moment ago, and the reply is small")
    });
    Begun::Done(Finished { ended: Ended::Approved, reply: Some(reply), recorded })
}

/// A reply of the payments API.
pub(crate) fn json(status: u16, body: Vec<u8>) -> Reply {
    Reply { status, content_type: JSON.into(), location: None, body: body.into() }
}

/// Claims the key of a request, or says what became of it.
pub(crate) fn claim(rows: &mut Rows, claim: &Claim, now: Timestamp) -> Result<(), Known> {
    match idempotency::claim(rows, claim, now) {
        Claimed::New => Ok(()),
        Claimed::Taken(known) => Err(known),
    }
}
