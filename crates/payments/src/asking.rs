//! Asking acquirers: the call itself, the questions while the request waits, and what an answer makes certain.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use kernel::Outcome;
use tokio::time::Instant;

use crate::acquirer::{Answering, ChargeAsk, Fenced, Inquiry, PayoutAsk, Proof};
use crate::attempt::Attempt;
use crate::commands::Ending;
use crate::service::Inner;
use crate::types::{AttemptKind, Connector};

/// What a question brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Learned {
    /// It is certain now what became of the attempt.
    Certain(Ending),
    /// The acquirer does not know it, but cannot promise to refuse it should it arrive late.
    Missing,
    /// No answer, or none that makes anything certain.
    Nothing,
}

impl Inner {
    /// Charges a card. The intent is written.
    pub(crate) async fn charge(&self, connector: Connector, ask: &ChargeAsk) -> Outcome {
        let outcome = match self.acquirers.get(connector) {
            Some(acquirer) if acquirer.supports(ask.kind) => guarded(acquirer.charge(ask)).await,
            Some(_) | None => not_configured(),
        };
        self.routing.note(connector, &outcome, self.now());
        outcome
    }

    /// Captures, cancels or refunds at the acquirer of the charge. The intent is written.
    pub(crate) async fn follow_up(&self, attempt: &Attempt) -> Outcome {
        let ask = attempt.follow_up();
        let outcome = match self.acquirers.get(attempt.connector) {
            Some(acquirer) => guarded(acquirer.follow_up(&ask)).await,
            None => not_configured(),
        };
        self.routing.note(attempt.connector, &outcome, self.now());
        outcome
    }

    /// Goes on with a charge whose payer has proven that the card is his. The answer is written.
    pub(crate) async fn proven(&self, attempt: &Attempt, proof: Proof) -> Outcome {
        let reference = attempt.reference();
        match self.acquirers.get(attempt.connector) {
            Some(acquirer) => guarded(acquirer.proven(&reference, proof)).await,
            None => not_configured(),
        }
    }

    /// Sends money to a bank account. The intent is written.
    pub(crate) async fn pay_out(&self, connector: Connector, ask: &PayoutAsk) -> Outcome {
        match self.acquirers.get(connector).and_then(|acquirer| acquirer.paying_out()) {
            Some(acquirer) => match guarded(acquirer.pay_out(ask)).await {
                Outcome::ActionRequired { .. } => {
                    Outcome::Unknown { reason: "a payout has no payer who could do anything".into() }
                }
                outcome => outcome,
            },
            None => not_configured(),
        }
    }

    /// Asks a few times while the request waits.
    pub(crate) async fn ask_while_waiting(&self, attempt: &Attempt, outcome: &Outcome) -> Option<Ending> {
        if let Outcome::Unknown { reason } = outcome {
            tracing::warn!(attempt = %attempt.id, connector = attempt.connector.name(), %reason, "the acquirer's answer is missing");
        }
        let unknown_since = Instant::now();
        for after in &self.patience.in_request {
            tokio::time::sleep_until(unknown_since + *after).await;
            if let Learned::Certain(ending) = self.ask(attempt).await {
                return Some(ending);
            }
        }
        None
    }

    /// Asks once. An attempt that the acquirer does not know is fenced, so that it cannot act on it later.
    pub(crate) async fn ask(&self, attempt: &Attempt) -> Learned {
        let Some(acquirer) = self.acquirers.get(attempt.connector) else { return Learned::Nothing };
        let reference = attempt.reference();
        let found = match acquirer.inquire(&reference).await {
            Inquiry::Found(outcome) => outcome,
            Inquiry::NoAnswer => return Learned::Nothing,
            Inquiry::NotFound => match acquirer.fence(&reference).await {
                Fenced::Promised => return Learned::Certain(Ending::Fenced),
                Fenced::TooLate(outcome) => outcome,
                Fenced::Unable => return Learned::Missing,
                Fenced::NoAnswer => return Learned::Nothing,
            },
        };
        match Ending::of(&found) {
            None | Some(Ending::NeverSent) => Learned::Nothing,
            Some(Ending::AwaitingPayer(_)) if attempt.kind == AttemptKind::Payout => Learned::Nothing,
            Some(ending) => Learned::Certain(ending),
        }
    }
}

fn not_configured() -> Outcome {
    Outcome::NotSent { reason: "the acquirer is not configured".into() }
}

/// A connector that panics may have sent the request before.
async fn guarded(call: Answering<'_, Outcome>) -> Outcome {
    let unknown = |_| Outcome::Unknown { reason: "the connector panicked".into() };
    AssertUnwindSafe(call).catch_unwind().await.unwrap_or_else(unknown)
}
