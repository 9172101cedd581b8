//! Checks stored payments: this crate's part of the invariants I3, I4, I6, I7 and I10.
//!
//! Everything is compared inside one snapshot, in which work under way is *consistently* under way. The acquirer's books are read before
//! the snapshot is taken ([`read_books`]): an intent is committed before the call, and the acquirer's charge before our finish, so in that
//! order neither side can look missing by mere timing. What looks wrong is looked up in the books once more before it is reported.

mod acquirers;
mod claims;
mod disputes;
mod queries;
mod told;
mod totals;

use std::collections::HashSet;

use db::{Fault, Snapshot, args};
use idempotency::Scope;
use kernel::Timestamp;
use kernel::verify::Report;

pub use acquirers::{AcquirerBooks, read_books};
pub(crate) use totals::Checker;

use crate::customers::forgetting;
use crate::methods;
use crate::rows::AskingRow;
use crate::{delays, fulfilments, links, payouts, retries, settlements, subscriptions};

pub(crate) type Rule = (&'static str, &'static str);

pub(crate) const PROMISED: Rule = ("I3.a", "a recorded reply names what exists, with its account and amount");
pub(crate) const UNIQUE: Rule = ("I3.b", "ids are unique");
pub(crate) const SHOWN: Rule = ("I3.c", "what a payment shows follows from its transactions");
pub(crate) const NAMED: Rule = ("I3.d", "what a row names exists");
pub(crate) const ONE_EFFECT: Rule = ("I4.b", "a finished claim has its reply and one effect, no other has one");
pub(crate) const RECOVERY: Rule = ("I4.c", "somebody works on every open claim");
pub(crate) const CLAIMED: Rule = ("I4.d", "an effect on a route that demands a key has a claim");
pub(crate) const CAPTURES: Rule = ("I6.a", "captures and those under way stay within the authorisation");
pub(crate) const REFUNDS: Rule = ("I6.b", "refunds and those under way stay within what was captured");
pub(crate) const NO_LATE_CAPTURE: Rule = ("I6.c", "nothing is captured after a void");
pub(crate) const FEES: Rule = ("I6.f", "a fee is within its amount");
pub(crate) const MATCHED: Rule = ("I7.a", "every charge of the acquirer is one attempt with the same amounts");
pub(crate) const KNOWN: Rule = ("I7.b", "every approved attempt is known to the acquirer");
pub(crate) const BOOKED: Rule = ("I7.c", "an approved attempt has its posting");
pub(crate) const UNBOOKED: Rule = ("I7.d", "an attempt without effect has no posting");
pub(crate) const QUIET: Rule = ("I7.e", "nothing is sent or unknown any more");
pub(crate) const TOLD_ONCE: Rule = ("I10.c", "each event goes to its receivers once");

/// How strictly to look.
#[derive(Clone, Copy, Debug)]
pub struct Strictness {
    /// Nothing may be under way any more.
    pub settled: bool,
    /// Platform time: claims older than their retention may be gone.
    pub now: Timestamp,
}

/// Why an acquirer's books are not compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoBooks {
    /// They are not ours to read, or not where we look: skipped, in these words.
    Elsewhere(&'static str),
    /// They should be readable, and are not: damage, in these words.
    Unreadable(String),
}

/// Checks everything this crate stores. `books` are the acquirer's, read before the snapshot was taken, or why I7.a and I7.b rest on none.
///
/// # Errors
/// [`Fault`] when the store cannot be read.
pub async fn verify(
    snapshot: &mut Snapshot,
    books: Result<AcquirerBooks<'_>, NoBooks>,
    strictness: Strictness,
    report: &mut Report,
) -> Result<(), Fault> {
    let mut under_way = totals::verify(snapshot, strictness.settled, report).await?;
    payouts::verify::verify(snapshot, strictness.settled, &mut under_way, report).await?;
    links::verify::verify(snapshot, report).await?;
    subscriptions::verify::verify(snapshot, report).await?;
    delays::verify::verify(snapshot, strictness.settled, report).await?;
    retries::verify::verify(snapshot, strictness.settled, report).await?;
    fulfilments::verify::verify(snapshot, report).await?;
    settlements::verify::verify(snapshot, report).await?;
    disputes::verify(snapshot, report).await?;
    ledger::verify::transit(snapshot, &under_way, strictness.settled, report).await?;
    claims::verify(snapshot, strictness.now, report).await?;
    told::verify(snapshot, strictness.now, report).await?;
    methods::verify(snapshot, strictness.now, strictness.settled, report).await?;
    forgetting::verify::verify(snapshot, strictness.settled, report).await?;
    match books {
        Ok(books) => acquirers::verify(snapshot, books, strictness.settled, report).await,
        Err(NoBooks::Elsewhere(why)) => {
            for (id, name) in [MATCHED, KNOWN] {
                report.skipped(id, name, why);
            }
            Ok(())
        }
        Err(NoBooks::Unreadable(why)) => {
            for (id, name) in [MATCHED, KNOWN] {
                report.checked(id, name, 1);
                report.broken(id, "books", "the acquirer", "readable ones", &why);
            }
            Ok(())
        }
    }
}

/// The claims that recovery has an entry for.
///
/// # Errors
/// [`Fault`] when the store cannot be read.
pub async fn asked_for(snapshot: &mut Snapshot) -> Result<HashSet<Scope>, Fault> {
    let mut scopes = HashSet::new();
    snapshot
        .each(&queries::QUESTIONS, args![], |record| {
            let asking: AskingRow = record.row(0)?;
            scopes.extend(asking.claim.map(|hash| Scope { account_id: asking.account_id, hash }));
            Ok(())
        })
        .await?;
    Ok(scopes)
}
