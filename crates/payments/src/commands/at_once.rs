//! Changes that one commit finishes: no acquirer is involved, so the key is optional.

use db::{Command, Keys, Rows};
use idempotency::{Claim, Reply};
use kernel::Timestamp;

use super::{Begun, claim_keys, claimed, done_keeping};
use crate::error::Refusal;

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
        claim_keys(keys, self.claim.as_ref());
        self.decision.keys(keys);
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Begun<()>, Refusal> {
        if let Some(known) = claimed(rows, self.claim.as_ref(), now) {
            return Ok(Begun::Taken(known));
        }
        let reply = self.decision.decide(rows, now)?;
        let kept = reply.clone();
        Ok(done_keeping(rows, self.claim.as_ref(), reply, &kept, now))
    }
}
