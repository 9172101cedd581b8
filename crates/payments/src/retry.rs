//! A charge on its way along its route: from one acquirer to the next, as long as it is certain that nothing happened.

use std::sync::Arc;

use idempotency::Working;
use kernel::{AttemptId, Outcome};

use crate::acquirer::ChargeAsk;
use crate::asks::Answer;
use crate::attempt::Attempt;
use crate::commands::{Ending, Retry};
use crate::errands::Errand;
use crate::error::{PaymentsError, Refusal};
use crate::routing::{RetryOn, Route};
use crate::service::{Inner, Work};

impl RetryOn {
    /// Whether another acquirer may be asked. Never while the outcome is in doubt, and never after a refusal that is final.
    fn allows(self, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::NotSent { .. } => self.unavailable,
            Outcome::Declined(decline) => self.soft_decline && !decline.hard,
            Outcome::Approved(_)
            | Outcome::Failed { .. }
            | Outcome::ActionRequired { .. }
            | Outcome::Pending
            | Outcome::Unknown { .. } => false,
        }
    }
}

impl Inner {
    /// Charges at the first acquirer of `route`, whose intent is written, and at the next ones as far as the route allows. Each try is an
    /// attempt with an id of its own, written down before its acquirer hears of it, in the commit that ends the one before.
    pub(crate) async fn carry_out(
        self: Arc<Self>,
        mut attempt: Attempt,
        mut ask: ChargeAsk,
        route: Route,
        working: Working,
    ) -> Result<Answer, PaymentsError> {
        let begun = attempt.connector;
        let mut others = route.connectors.into_iter().skip_while(|connector| *connector != begun).skip(1);
        loop {
            let outcome = self.charge(attempt.connector, &ask).await;
            let next = if route.retry_on.allows(&outcome) { others.next() } else { None };
            let Some((connector, ending)) = next.zip(Ending::of(&outcome)) else {
                drop(ask); // the card is not needed any more
                return self.conclude(Work { attempt, working }, outcome).await;
            };
            let retry = Retry { failed: attempt, ending, next: AttemptId::new(&self.source), connector };
            let following = retry.attempt();
            match self.store.writer().run(retry.clone()).await {
                Ok(Ok(true)) => {
                    tracing::info!(payment = %following.payment_id, connector = connector.name(), "the next acquirer is tried");
                    ask.attempt_id = following.id;
                    ask.returns_to = self.challenges().return_url(following.id);
                    attempt = following;
                }
                Ok(Ok(false)) => return self.settled_elsewhere(&working).await,
                Ok(Err(lost)) => {
                    tracing::warn!(attempt = %following.id, %lost, "another process settles this payment");
                    return Err(Refusal::OutcomeUnknown.into());
                }
                Err(fault) => {
                    // Whichever of the two attempts is the payment's now, nothing happened at its acquirer.
                    let origins = &self.origins;
                    self.run_errand(Errand::EndTries(Box::new(retry.endings(origins))), Some(working));
                    return Err(fault.into());
                }
            }
        }
    }
}
