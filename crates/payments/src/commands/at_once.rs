//! Changes that one commit finishes: no acquirer is involved, so the key is optional.

use db::{Command, Keys, Rows};
use idempotency::{Claim, Reply};
use kernel::Timestamp;

use super::{Begun, claim, done_keeping};
use crate::error::Refusal;

/// What is decided under the key, if there is one.
pub(crate) trait Decision: Send + 'static {
    /// Names its rows.
    fn keys(&self, keys: &mut Keys<'_>);
    /// Decides and draws the reply.
    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Reply, Refusal>;
    /// Whether a process may repeat its reply from memory: not where it may be recorded anew.
    fn is_remembered(&self) -> bool {
        true
    }
    /// The reply as it is recorded for repeats: one that carries a secret is recorded sealed.
    fn kept(&self, reply: &Reply) -> Reply {
        reply.clone()
    }
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
        let kept = self.decision.kept(&reply);
        Ok(done_keeping(rows, self.claim.as_ref(), reply, &kept, now))
    }
}
