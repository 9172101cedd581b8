//! Asking acquirers: the call itself, the questions while the request waits, and what an answer makes certain.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use kernel::Outcome;
use tokio::time::Instant;

use crate::acquirer::{Answering, ChargeAsk, Fenced, Inquiry, PayoutAsk};
use crate::attempt::Attempt;
use crate::commands::Ending;
use crate::service::Inner;
use crate::types::Connector;

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
        match self.acquirers.get(connector) {
            Some(acquirer) => guarded(acquirer.charge(ask)).await,
            None => not_configured(),
        }
    }

    /// Captures, cancels or refunds at the acquirer of the charge. The intent is written.
    pub(crate) async fn follow_up(&self, attempt: &Attempt) -> Outcome {
        let ask = attempt.follow_up();
        match self.acquirers.get(attempt.connector) {
            Some(acquirer) => guarded(acquirer.follow_up(&ask)).await,
            None => not_configured(),
        }
    }

    /// Sends money to a bank account. The intent is written.
    pub(crate) async fn pay_out(&self, connector: Connector, ask: &PayoutAsk) -> Outcome {
        match self.acquirers.get(connector).and_then(|acquirer| acquirer.paying_out()) {
            Some(acquirer) => guarded(acquirer.pay_out(ask)).await,
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
