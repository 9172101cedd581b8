//! The decisions about payments: each names its rows and decides, purely, inside a group commit.

mod asking;
mod at_once;
mod begin;
mod lapse;
mod operate;
mod session;
mod settle;

pub(crate) use asking::{Adopt, KeepAsking, NoteMissing, TakeQuestion};
pub(crate) use at_once::{AtOnce, Decision};
pub(crate) use begin::BeginPayment;
pub use begin::{Charge, begin, begin_keys};
pub(crate) use lapse::Lapse;
pub(crate) use operate::{BeginOperation, Want};
pub(crate) use session::CreateSession;
pub use settle::{Ending, Finished};
pub(crate) use settle::{Settle, post};

use db::Rows;
use idempotency::{Claim, Claimed, Known};
use kernel::Timestamp;

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

/// Claims the key of a request, or says what became of it.
pub(crate) fn claim(rows: &mut Rows, claim: &Claim, now: Timestamp) -> Result<(), Known> {
    match idempotency::claim(rows, claim, now) {
        Claimed::New => Ok(()),
        Claimed::Taken(known) => Err(known),
    }
}
