//! Checks stored claims: this crate's part of invariant I4, one effect per key.
//!
//! Which effects exist is not known here: that a finished claim has exactly one is checked by the crate that makes them.

use std::collections::HashSet;

use db::{Fault, Snapshot, args};
use kernel::BootId;
use kernel::verify::Report;

use crate::codec;
use crate::error::CodecError;
use crate::queries::{CLAIMS, SCOPES_TWICE};
use crate::rows::{ClaimRow, ClaimStatus};
use crate::sealed::ReplySealer;
use crate::types::Scope;

const ONE_CLAIM: (&str, &str) = ("I4.a", "one claim per scope");
const DONE_HAS_REPLY: (&str, &str) = ("I4.b", "a finished claim has its reply, no other has one");
const SOMEBODY_AT_WORK: (&str, &str) = ("I4.c", "somebody works on every open claim");

/// Who may be expected to finish open claims.
#[derive(Clone, Debug, Default)]
pub struct AtWork {
    /// Processes that are alive, or whose work will be taken over: every process the store still has a lease row of.
    pub processes: HashSet<BootId>,
    /// Claims that recovery has an entry for.
    pub asked_for: HashSet<Scope>,
    /// Nothing may be under way any more.
    pub settled: bool,
    /// Opens sealed replies; without it they are only seen to be there.
    pub sealer: Option<ReplySealer>,
}

/// Checks every claim in the snapshot. Memory: one row at a time, besides `at_work`.
///
/// # Errors
/// [`Fault`] when the store cannot be read.
pub async fn verify(snapshot: &mut Snapshot, at_work: &AtWork, report: &mut Report) -> Result<(), Fault> {
    let mut checker = Checker { at_work, report, claims: 0 };
    snapshot
        .each(&CLAIMS, args![], |record| {
            checker.claim(&record.row::<ClaimRow>(0)?);
            Ok(())
        })
        .await?;
    snapshot
        .each(&SCOPES_TWICE, args![], |record| {
            let scope = Scope { account_id: record.get(0)?, hash: record.get(1)? };
            checker.report.broken(ONE_CLAIM.0, "claims of one scope", scope, 1, record.get::<i64>(2)?);
            Ok(())
        })
        .await?;
    checker.finish();
    Ok(())
}

impl AtWork {
    /// Why a stored reply cannot be read.
    fn unread(&self, scope: &Scope, status: u16, stored: &[u8]) -> Option<CodecError> {
        if !codec::is_sealed(stored) {
            return codec::unpack(status, stored).err();
        }
        let opened = self.sealer.as_ref()?.open(stored, scope);
        opened.and_then(|frame| codec::unpack(status, &frame)).err()
    }
}

struct Checker<'a> {
    at_work: &'a AtWork,
    report: &'a mut Report,
    claims: u64,
}

impl Checker<'_> {
    fn claim(&mut self, row: &ClaimRow) {
        let scope = row.scope();
        self.claims += 1;
        match row.status {
            ClaimStatus::Done => self.done(scope, row),
            ClaimStatus::InProgress | ClaimStatus::Unknown => self.open(scope, row),
        }
    }

    fn done(&mut self, scope: Scope, row: &ClaimRow) {
        let problem = match (row.http_status, &row.reply, row.finished_at) {
            (Some(status @ 200..300), Some(stored), Some(_)) => {
                self.at_work.unread(&scope, status, stored).map(|error| error.to_string())
            }
            (Some(status), Some(_), Some(_)) => Some(format!("a reply of status {status}")),
            _ => Some("parts of it missing".to_owned()),
        };
        if let Some(problem) = problem {
            self.report.broken(DONE_HAS_REPLY.0, "reply of a finished claim", scope, "a readable reply of status 2xx", problem);
        }
    }

    fn open(&mut self, scope: Scope, row: &ClaimRow) {
        if row.http_status.is_some() || row.reply.is_some() || row.finished_at.is_some() {
            self.report.broken(DONE_HAS_REPLY.0, "reply of an open claim", scope, "none", "a reply");
        }
        let asked_for = self.at_work.asked_for.contains(&scope);
        if self.at_work.settled {
            self.report.broken(SOMEBODY_AT_WORK.0, "claim under way", scope, "nothing under way", format!("{:?}", row.status));
        } else if !asked_for && !self.at_work.processes.contains(&row.owner) {
            self.report.broken(SOMEBODY_AT_WORK.0, "claim nobody works on", scope, "a live owner or a recovery entry", row.owner);
        }
    }

    fn finish(self) {
        for (id, name) in [ONE_CLAIM, DONE_HAS_REPLY, SOMEBODY_AT_WORK] {
            self.report.checked(id, name, self.claims);
        }
    }
}
