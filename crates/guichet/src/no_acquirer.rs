//! Stands where an installation has no acquirer: every request is proven not to have been sent, so nothing is ever made
//! and callers are told that no provider can be reached.

use kernel::Outcome;
use payments::{Acquirer, Answering, AttemptRef, ChargeAsk, Connector, Fenced, FollowUpAsk, Inquiry};

/// No acquirer.
pub struct NoAcquirer;

fn not_sent() -> Outcome {
    Outcome::NotSent { reason: "no acquirer is configured".into() }
}

impl Acquirer for NoAcquirer {
    fn connector(&self) -> Connector {
        Connector::Sandbox
    }

    fn charge<'a>(&'a self, _ask: &'a ChargeAsk) -> Answering<'a, Outcome> {
        Box::pin(async { not_sent() })
    }

    fn follow_up<'a>(&'a self, _ask: &'a FollowUpAsk) -> Answering<'a, Outcome> {
        Box::pin(async { not_sent() })
    }

    fn inquire<'a>(&'a self, _about: &'a AttemptRef) -> Answering<'a, Inquiry> {
        Box::pin(async { Inquiry::NotFound })
    }

    fn fence<'a>(&'a self, _attempt: &'a AttemptRef) -> Answering<'a, Fenced> {
        Box::pin(async { Fenced::Promised })
    }
}
