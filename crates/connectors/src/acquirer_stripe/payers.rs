//! Payers whom Stripe asks itself, and charges it speaks of by its own names.

use kernel::Outcome;
use payments::{Answering, AsksPayer, Behind, Fenced, PayerAsked};
use serde::de::DeserializeOwned;

use super::Stripe;
use super::objects::{Intent, METADATA_ATTEMPT, Metadata, Tagged};
use super::outcomes::{Judged, not_authenticated, of_intent, unknown};
use super::requests::is_id;
use super::wire::{Fate, Form};

/// An answer to a question about one object.
enum Seen<T> {
    It(T),
    /// There is none of that name.
    Nothing,
    NoAnswer,
}

/// Where an intent is found: those that only check a card have names of their own.
fn path_of(reference: &str) -> Option<String> {
    let kind = if reference.starts_with("seti_") { "setup_intents" } else { "payment_intents" };
    is_id(reference).then(|| format!("v1/{kind}/{reference}"))
}

impl Stripe {
    /// Whether the payer of an intent that needs him can be sent anywhere. A server that takes the least fields only tells of no page: its
    /// payers are asked behind its back.
    pub(super) fn asks_payer_of(&self, intent: &Intent) -> bool {
        self.minimal_fields || intent.page().is_some()
    }

    async fn seen<T: DeserializeOwned>(&self, path: &str) -> Seen<T> {
        match self.wire.get(path, &[]).await {
            Fate::Answered { status: 200, body } => serde_json::from_slice(&body).map_or(Seen::NoAnswer, Seen::It),
            Fate::Answered { status: 404, .. } => Seen::Nothing,
            Fate::Answered { .. } | Fate::NotSent(_) | Fate::Lost(_) => Seen::NoAnswer,
        }
    }

    /// Cancels an intent that needs a payer nobody can ask: it must never be charged later.
    pub(super) async fn give_up_asking(&self, reference: &str) -> Outcome {
        match self.give_up(reference).await {
            Fenced::Promised => not_authenticated(reference),
            Fenced::TooLate(outcome) => outcome,
            Fenced::Unable | Fenced::NoAnswer => {
                unknown("the payer would have to be asked, and the intent could not be cancelled")
            }
        }
    }

    async fn look(&self, reference: &str) -> PayerAsked {
        let Some(path) = path_of(reference) else { return PayerAsked::NoAnswer };
        let Seen::It(intent) = self.seen::<Intent>(&path).await else { return PayerAsked::NoAnswer };
        let intent = if intent.status == "requires_confirmation" { self.confirm(&path, intent).await } else { intent };
        match of_intent(&intent) {
            Judged::NeedsAction => PayerAsked::Waits(intent.page().map(str::to_owned)),
            Judged::Certain(outcome) if outcome.is_known() => PayerAsked::Over(outcome),
            Judged::Certain(_) => PayerAsked::NoAnswer,
        }
    }

    /// The payer has proven himself, and the intent wants to hear once more that it is meant.
    async fn confirm(&self, path: &str, intent: Intent) -> Intent {
        let confirmed = self.wire.post(&format!("{path}/confirm"), &format!("{}:confirm", intent.id), &Form::new()).await;
        match confirmed.success(true).map(|body| serde_json::from_slice(&body)) {
            Ok(Ok(now)) => now,
            Ok(Err(_)) | Err(_) => intent,
        }
    }

    /// Looks first: a hold that the payer has made good meanwhile could be cancelled as well.
    async fn give_up(&self, reference: &str) -> Fenced {
        let Some(path) = path_of(reference) else { return Fenced::NoAnswer };
        match self.given_up(&path).await {
            Fenced::Unable => {}
            fenced => return fenced,
        }
        let cancelled =
            self.wire.post(&format!("{path}/cancel"), &format!("{reference}:cancel"), &Form::new()).await.success(true);
        match cancelled.map(|body| serde_json::from_slice::<Intent>(&body)) {
            Ok(Ok(now)) if now.status == "canceled" => Fenced::Promised,
            Ok(_) | Err(_) => match self.given_up(&path).await {
                Fenced::Unable => Fenced::NoAnswer,
                fenced => fenced,
            },
        }
    }

    /// Whether an intent is given up already; `Unable` while it still waits for its payer.
    async fn given_up(&self, path: &str) -> Fenced {
        match self.seen::<Intent>(path).await {
            Seen::It(now) if now.status == "canceled" => Fenced::Promised,
            Seen::It(now) => match of_intent(&now) {
                Judged::NeedsAction => Fenced::Unable,
                Judged::Certain(outcome) if outcome.is_known() => Fenced::TooLate(outcome),
                Judged::Certain(_) => Fenced::NoAnswer,
            },
            Seen::Nothing | Seen::NoAnswer => Fenced::NoAnswer,
        }
    }

    pub(super) async fn behind(&self, reference: &str) -> Behind {
        let kind = if reference.starts_with("pi_") { "payment_intents" } else { "charges" };
        if !is_id(reference) {
            return Behind::Nobody;
        }
        let metadata: Metadata = match self.seen::<Tagged>(&format!("v1/{kind}/{reference}")).await {
            Seen::It(object) => object.metadata,
            Seen::Nothing => return Behind::Nobody,
            Seen::NoAnswer => return Behind::NoAnswer,
        };
        metadata.get(METADATA_ATTEMPT).and_then(|id| id.parse().ok()).map_or(Behind::Nobody, Behind::Attempt)
    }
}

impl AsksPayer for Stripe {
    fn look<'a>(&'a self, reference: &'a str) -> Answering<'a, PayerAsked> {
        Box::pin(Stripe::look(self, reference))
    }

    fn give_up<'a>(&'a self, reference: &'a str) -> Answering<'a, Fenced> {
        Box::pin(Stripe::give_up(self, reference))
    }
}
