//! Changes that one commit finishes: no acquirer is involved, so the key is optional.

use db::{Command, Keys, Rows};
use idempotency::{Claim, Reply};
use kernel::Timestamp;

use super::settle::Finished;
use super::{Begun, claim};
use crate::error::Refusal;
use crate::origin::Ended;

/// What is decided under the key, if there is one.
pub(crate) trait Decision: Send + 'static {
    /// Names its rows.
    fn keys(&self, keys: &mut Keys<'_>);
    /// Decides and draws the reply.
    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Reply, Refusal>;
}

/// A decision with the claim of its request.
#[derive(Debug)]
pub(crate) struct AtOnce<D> {
    pub(crate) claim: Option<Claim>,
    pub(crate) decision: D,
}

impl<D: Decision> Command for AtOnce<D> {
    type Reply = Begun<()>;
    type Refusal = Refusal;

    fn keys(&self, keys: &mut Keys<'_>) {
        if let Some(claim) = &self.claim {
            idempotency::claim_keys(keys, claim);
        }
        self.decision.keys(keys);
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Begun<()>, Refusal> {
        if let Some(Err(known)) = self.claim.as_ref().map(|asked| claim(rows, asked, now)) {
            return Ok(Begun::Taken(known));
        }
        let reply = self.decision.decide(rows, now)?;
        let recorded = self.claim.as_ref().map(|claim| {
            idempotency::finish(rows, &claim.scope, &reply, now).expect("the claim was made a moment ago, and the reply is small")
        });
        Ok(Begun::Done(Finished { ended: Ended::Approved, reply: Some(reply), recorded }))
    }
}
