//! Stripe as an acquirer: payment intents, or the older charges where that is all there is.
//!
//! Every request that moves money carries the attempt's id, as `Idempotency-Key` and in the metadata of what it makes, so that it is
//! recognised when it is repeated and found when its answer was lost. A card's number leaves this process only inside the request that
//! makes a payment method (or token) of it; what is kept for a repeat names that method and no card.
//!
//! # What is certain
//! | what came back | outcome |
//! |---|---|
//! | refused connection, unknown name, failed TLS; 401, 403, 429 | not sent: proven that nothing happened |
//! | a failure while the payment method is made | not sent: no money was asked for yet |
//! | 402 and other words about the card | declined, soft or hard |
//! | the payer has to authenticate | he is sent to Stripe's page, and the intent is looked at when he comes back |
//! | likewise, but nobody is there, or there is no page | the intent is cancelled, then declined with `AUTHENTICATION_REQUIRED` |
//! | no answer, a broken one, 409, 5xx, a success that cannot be read | unknown: to be asked about |
//!
//! # Asking
//! Where the server honours idempotency keys, the same request under the same key is the question, as long as this process remembers it;
//! else the objects made since the attempt are listed and its id is looked for in their metadata. A charge that is found nowhere is
//! fenced by using its key up for an intent that can charge nobody.
//!
//! # What it tells unasked
//! Events signed by Stripe (`notification.rs`) name the attempt in the metadata of the object they are about. A dispute names the charge
//! only: whose attempt made that is asked for. An intent that still waits for its payer when his time is over is cancelled before the
//! payment expires, so that he cannot pay any more.

mod amounts;
mod notification;
mod objects;
mod outcomes;
mod payers;
mod requests;
mod wire;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::{AttemptId, CardNumber, Outcome, SecretText, Timestamp};
use payments::{
    Acquirer, Answering, AsksPayer, AttemptKind, AttemptRef, Behind, ChargeAsk, Connector, Fenced, FollowUpAsk, Inquiry,
    NotTaken, Notification,
};
use serde::de::DeserializeOwned;

pub use notification::{
    EventKind, NotificationError, SIGNATURE_HEADER, StripeEvent, TOLERANCE_SECONDS, parse_notification, signature_of,
};
pub use wire::StripeError;

use objects::{Charge, Intent, Listed, METADATA_ATTEMPT, METADATA_FENCE, Page, Refund};
use outcomes::{Judged, approved, not_authenticated, of_charge, of_intent, of_refund, unknown};
use requests::{Request, Step};
use wire::{Fate, Form, Wire};

/// Where Stripe itself answers.
pub const BASE_URL: &str = "https://api.stripe.com";
/// How long an answer is waited for (payments specification, section 3.5).
const PATIENCE: Duration = Duration::from_secs(20);
/// Requests remembered at most, for repeating; the oldest questions are asked by listing then.
const REMEMBERED_MAX: usize = 10_000;
/// Objects in a page of a list: the most that Stripe gives.
const PAGE: u32 = 100;
/// Pages read for one question at most.
const PAGES_MAX: u32 = 200;
/// Clocks may differ by so much, in seconds.
const CLOCKS_DIFFER_SECONDS: i64 = 300;

/// Which interface the server has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Api {
    /// `/v1/payment_intents`.
    #[default]
    PaymentIntents,
    /// `/v1/charges`: no card checks, no authentication of payers.
    Charges,
}

impl Api {
    /// The one with this word: `payment_intents` or `charges`.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "payment_intents" => Some(Self::PaymentIntents),
            "charges" => Some(Self::Charges),
            _ => None,
        }
    }
}

/// How to talk to which server.
#[derive(Clone, Debug)]
pub struct StripeOptions {
    /// The secret key.
    pub key: SecretText,
    /// Where it answers, without the version.
    pub base_url: String,
    /// Which interface it has.
    pub api: Api,
    /// Send only what is needed: for servers that know no more.
    pub minimal_fields: bool,
    /// Whether it recognises a repeat by `Idempotency-Key`.
    pub honours_idempotency: bool,
    /// Payment methods or tokens to be used in place of card numbers that are nobody's, such as `tok_visa` for 4242424242424242. Only
    /// with a test key.
    pub test_sources: HashMap<String, String>,
    /// How long an answer is waited for.
    pub patience: Duration,
    /// What its notifications may be signed with; without any none is taken.
    pub signing_secrets: Vec<SecretText>,
}

impl StripeOptions {
    /// Stripe itself.
    pub fn new(key: SecretText) -> Self {
        Self {
            key,
            base_url: BASE_URL.to_owned(),
            api: Api::PaymentIntents,
            minimal_fields: false,
            honours_idempotency: true,
            test_sources: HashMap::new(),
            patience: PATIENCE,
            signing_secrets: Vec::new(),
        }
    }
}

/// Stripe.
pub struct Stripe {
    wire: Wire,
    api: Api,
    minimal_fields: bool,
    honours_idempotency: bool,
    test_sources: HashMap<String, String>,
    /// Whether the key moves real money.
    live: bool,
    signing_secrets: Vec<SecretText>,
    remembered: Mutex<HashMap<AttemptId, Request>>,
}

/// What a search among Stripe's objects came to.
enum Found<T> {
    It(T),
    Nowhere,
    NoAnswer,
}

impl Stripe {
    /// A connector; nothing is sent yet.
    ///
    /// # Errors
    /// [`StripeError`] for an address or a key that cannot be used.
    pub fn new(options: StripeOptions) -> Result<Arc<Self>, StripeError> {
        let wire = Wire::new(&options.base_url, &options.key, options.patience)?;
        let key = options.key.expose().trim();
        let (test_key, live) = (key.starts_with("sk_test_"), key.starts_with("sk_live_") || key.starts_with("rk_live_"));
        Ok(Arc::new(Self {
            wire,
            api: options.api,
            minimal_fields: options.minimal_fields,
            honours_idempotency: options.honours_idempotency,
            test_sources: if test_key { options.test_sources } else { HashMap::new() },
            live,
            signing_secrets: options.signing_secrets,
            remembered: Mutex::default(),
        }))
    }

    fn remembered(&self) -> MutexGuard<'_, HashMap<AttemptId, Request>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, attempt: AttemptId, request: &Request) {
        let mut remembered = self.remembered();
        if remembered.len() < REMEMBERED_MAX {
            remembered.insert(attempt, request.clone());
        }
    }

    /// The stand-in for a number that is nobody's.
    fn test_source(&self, number: &CardNumber) -> Option<String> {
        self.test_sources.get(number.expose()).cloned()
    }

    async fn charge(&self, ask: &ChargeAsk) -> Outcome {
        let Some(amount) = amounts::sent(ask.amount) else { return Outcome::Failed { code: "INVALID_AMOUNT".into() } };
        let source = match self.source(ask).await {
            Ok(source) => source,
            Err(outcome) => return outcome,
        };
        if ask.kind == AttemptKind::Verify {
            return self.verify(ask, &source).await;
        }
        let request = self.charge_request(ask, amount, source);
        match self.carry_out(ask.attempt_id, request).await {
            Outcome::ActionRequired { reference } if ask.off_session => self.give_up_asking(&reference).await,
            outcome => outcome,
        }
    }

    /// What Stripe calls the card. No money has been asked for yet, so a failure here is never in doubt.
    async fn source(&self, ask: &ChargeAsk) -> Result<String, Outcome> {
        if let Some(source) = self.test_source(&ask.card.number) {
            return Ok(source);
        }
        let (path, form) = self.source_form(&ask.card);
        let made = self.wire.post(path, &format!("{}:card", ask.attempt_id), &form).await.success(false);
        match made.map(|body| serde_json::from_slice::<objects::Named>(&body)) {
            Ok(Ok(named)) => Ok(named.id),
            Err(certain @ (Outcome::Declined(_) | Outcome::Failed { .. } | Outcome::NotSent { .. })) => Err(certain),
            Ok(Err(_)) | Err(_) => Err(Outcome::NotSent { reason: "stripe made no payment method of the card".into() }),
        }
    }

    /// Sends what moves money, and remembers it as long as its outcome is in doubt.
    async fn carry_out(&self, attempt: AttemptId, request: Request) -> Outcome {
        self.remember(attempt, &request);
        let outcome = self.send(attempt, &request).await;
        if outcome.is_known() {
            self.remembered().remove(&attempt);
        }
        outcome
    }

    async fn send(&self, attempt: AttemptId, request: &Request) -> Outcome {
        let later = !matches!(request.step, Step::Intent | Step::Charge);
        match self.wire.post(&request.path, &attempt.to_string(), &request.form).await.success(later) {
            Ok(body) => self.judge(request.step, &body).await,
            Err(outcome) => outcome,
        }
    }

    async fn judge(&self, step: Step, body: &[u8]) -> Outcome {
        const UNREADABLE: &str = "stripe's answer cannot be read";
        match step {
            Step::Intent | Step::Capture => match serde_json::from_slice::<Intent>(body) {
                Ok(intent) => self.settled(&intent).await,
                Err(_) => unknown(UNREADABLE),
            },
            Step::Cancel => match serde_json::from_slice::<Intent>(body) {
                Ok(intent) if intent.status == "canceled" => approved(&intent.id),
                Ok(_) | Err(_) => unknown(UNREADABLE),
            },
            Step::Charge => {
                serde_json::from_slice::<Charge>(body).map_or_else(|_| unknown(UNREADABLE), |charge| of_charge(&charge))
            }
            Step::CaptureCharge => match serde_json::from_slice::<Charge>(body) {
                Ok(charge) if charge.captured => approved(&charge.id),
                Ok(_) | Err(_) => unknown(UNREADABLE),
            },
            Step::Refund => {
                serde_json::from_slice::<Refund>(body).map_or_else(|_| unknown(UNREADABLE), |refund| of_refund(&refund))
            }
        }
    }

    /// What became of an intent. One whose payer has no page to go to is cancelled: it must never be charged later.
    async fn settled(&self, intent: &Intent) -> Outcome {
        match of_intent(intent) {
            Judged::Certain(outcome) => outcome,
            Judged::NeedsAction if self.asks_payer_of(intent) => Outcome::ActionRequired { reference: intent.id.clone().into() },
            Judged::NeedsAction => self.give_up_asking(&intent.id).await,
        }
    }

    /// Checks a card without money: whatever is lost on the way has no effect.
    async fn verify(&self, ask: &ChargeAsk, source: &str) -> Outcome {
        let attempt = ask.attempt_id;
        let made = self.wire.post("v1/setup_intents", &attempt.to_string(), &self.setup_form(attempt)).await.success(false);
        let intent = match made.map(|body| serde_json::from_slice::<Intent>(&body)) {
            Ok(Ok(intent)) => intent,
            Ok(Err(_)) | Err(Outcome::Unknown { .. }) => {
                return Outcome::NotSent { reason: "stripe did not begin to check the card".into() };
            }
            Err(outcome) => return outcome,
        };
        let path = format!("v1/setup_intents/{}/confirm", intent.id);
        let mut form = vec![("payment_method".to_owned(), source.to_owned())];
        if let Some(returns_to) = ask.returns_to.as_deref().filter(|_| !self.minimal_fields) {
            form.push(("return_url".to_owned(), returns_to.to_owned()));
        }
        match self.wire.post(&path, &format!("{attempt}:confirm"), &form).await.success(false) {
            Ok(body) => match serde_json::from_slice::<Intent>(&body).map(|intent| (of_intent(&intent), intent)) {
                Ok((Judged::Certain(outcome), _)) => outcome,
                Ok((Judged::NeedsAction, intent)) if self.asks_payer_of(&intent) => {
                    Outcome::ActionRequired { reference: intent.id.into() }
                }
                Ok((Judged::NeedsAction, intent)) => not_authenticated(&intent.id),
                Err(_) => unknown("stripe's answer cannot be read"),
            },
            Err(outcome) => outcome,
        }
    }

    async fn follow_up(&self, ask: &FollowUpAsk) -> Outcome {
        let reference = ask.charge_reference.as_deref();
        match reference.and_then(|reference| self.follow_up_request(ask.attempt_id, ask.kind, ask.amount, reference)) {
            Some(request) => self.carry_out(ask.attempt_id, request).await,
            None => Outcome::Failed { code: "ERROR".into() },
        }
    }

    async fn inquire(&self, about: &AttemptRef) -> Inquiry {
        if self.honours_idempotency
            && let Some(request) = self.repeatable(about)
        {
            match self.send(about.attempt_id, &request).await {
                outcome @ (Outcome::Approved(_) | Outcome::Declined(_) | Outcome::Failed { .. }) => {
                    self.remembered().remove(&about.attempt_id);
                    return Inquiry::Found(outcome);
                }
                outcome @ (Outcome::Pending | Outcome::ActionRequired { .. }) => return Inquiry::Found(outcome),
                // It speaks of the question, not of what is asked about.
                Outcome::NotSent { .. } => return Inquiry::NoAnswer,
                // A failure that is repeated like any other reply says nothing: what was made tells.
                Outcome::Unknown { .. } => {}
            }
        }
        self.search(about).await
    }

    /// The request as it was sent: a later one follows from what is known about it, a charge must be remembered.
    fn repeatable(&self, about: &AttemptRef) -> Option<Request> {
        let remembered = self.remembered().get(&about.attempt_id).cloned();
        remembered.or_else(|| {
            let reference = about.charge_reference.as_deref()?;
            self.follow_up_request(about.attempt_id, about.kind, about.amount, reference)
        })
    }

    /// Looks for what the attempt made.
    async fn search(&self, about: &AttemptRef) -> Inquiry {
        let since = (about.attempt_id.uuid().get_timestamp()).map_or(0, |at| i64::try_from(at.to_unix().0).unwrap_or(0));
        let mut created = Vec::new();
        if !self.minimal_fields {
            created.push(("created[gte]", (since - CLOCKS_DIFFER_SECONDS).max(0).to_string()));
        }
        let reference = about.charge_reference.as_deref().unwrap_or_default();
        let attempt = about.attempt_id;
        match (about.kind, self.api) {
            (AttemptKind::Verify, _) => match self.find::<Intent>("v1/setup_intents", &created, attempt).await {
                Found::It(intent) => match of_intent(&intent) {
                    Judged::Certain(Outcome::Unknown { .. }) => Inquiry::NotFound, // begun, and never carried out
                    Judged::Certain(outcome) => Inquiry::Found(outcome),
                    Judged::NeedsAction if self.asks_payer_of(&intent) => {
                        Inquiry::Found(Outcome::ActionRequired { reference: intent.id.into() })
                    }
                    Judged::NeedsAction => Inquiry::Found(not_authenticated(&intent.id)),
                },
                Found::Nowhere => Inquiry::NotFound,
                Found::NoAnswer => Inquiry::NoAnswer,
            },
            (AttemptKind::Purchase | AttemptKind::Authorise, Api::PaymentIntents) => {
                match self.find::<Intent>("v1/payment_intents", &created, attempt).await {
                    Found::It(intent) => certain(self.settled(&intent).await),
                    Found::Nowhere => Inquiry::NotFound,
                    Found::NoAnswer => Inquiry::NoAnswer,
                }
            }
            (AttemptKind::Purchase | AttemptKind::Authorise, Api::Charges) => {
                match self.find::<Charge>("v1/charges", &created, attempt).await {
                    Found::It(charge) => certain(of_charge(&charge)),
                    Found::Nowhere => Inquiry::NotFound,
                    Found::NoAnswer => Inquiry::NoAnswer,
                }
            }
            (AttemptKind::Refund, _) | (AttemptKind::Cancel, Api::Charges) => {
                let of = if self.api == Api::Charges { "charge" } else { "payment_intent" };
                match self.find::<Refund>("v1/refunds", &[(of, reference.to_owned())], attempt).await {
                    Found::It(refund) => certain(of_refund(&refund)),
                    Found::Nowhere => Inquiry::NotFound,
                    Found::NoAnswer => Inquiry::NoAnswer,
                }
            }
            (AttemptKind::Capture | AttemptKind::Cancel, _) => self.look_at(about.kind, reference).await,
            // The one is something it tells, the other it cannot do: it was asked for neither.
            (AttemptKind::Chargeback | AttemptKind::Payout, _) => Inquiry::NoAnswer,
        }
    }

    /// Whether a charge stands as a capture or cancel would have left it.
    async fn look_at(&self, kind: AttemptKind, reference: &str) -> Inquiry {
        if !requests::is_id(reference) {
            return Inquiry::NoAnswer;
        }
        let done = match self.api {
            Api::PaymentIntents => {
                let wanted = if kind == AttemptKind::Cancel { "canceled" } else { "succeeded" };
                let found: Option<Intent> = self.one(&format!("v1/payment_intents/{reference}")).await;
                found.map(|intent| intent.status == wanted)
            }
            Api::Charges => {
                let found: Option<Charge> = self.one(&format!("v1/charges/{reference}")).await;
                found.map(|charge| if kind == AttemptKind::Cancel { charge.refunded } else { charge.captured })
            }
        };
        match done {
            Some(true) => Inquiry::Found(approved(reference)),
            Some(false) => Inquiry::NotFound,
            None => Inquiry::NoAnswer,
        }
    }

    async fn one<T: DeserializeOwned>(&self, path: &str) -> Option<T> {
        match self.wire.get(path, &[]).await {
            Fate::Answered { status: 200, body } => serde_json::from_slice(&body).ok(),
            Fate::Answered { .. } | Fate::NotSent(_) | Fate::Lost(_) => None,
        }
    }

    /// The object that carries the attempt's id, page by page.
    async fn find<T: DeserializeOwned + Listed>(&self, path: &str, narrowed: &[(&str, String)], attempt: AttemptId) -> Found<T> {
        let (wanted, mut after) = (attempt.to_string(), None::<String>);
        for _ in 0..PAGES_MAX {
            let mut query = narrowed.to_vec();
            query.push(("limit", PAGE.to_string()));
            if let Some(after) = after {
                query.push(("starting_after", after));
            }
            let page = match self.wire.get(path, &query).await {
                Fate::Answered { status: 200, body } => serde_json::from_slice::<Page<T>>(&body).ok(),
                Fate::Answered { .. } | Fate::NotSent(_) | Fate::Lost(_) => None,
            };
            let Some(page) = page else { return Found::NoAnswer };
            let last = page.data.last().map(|object| object.id().to_owned());
            let of_attempt = |object: &T| {
                object.metadata().get(METADATA_ATTEMPT) == Some(&wanted) && !object.metadata().contains_key(METADATA_FENCE)
            };
            if let Some(object) = page.data.into_iter().find(of_attempt) {
                return Found::It(object);
            }
            match last.filter(|_| page.has_more) {
                Some(last) => after = Some(last),
                None => return Found::Nowhere,
            }
        }
        Found::NoAnswer
    }

    /// Uses the attempt's key up for an intent that charges nobody, so that the request is refused should it arrive late.
    async fn fence(&self, attempt: &AttemptRef) -> Fenced {
        match attempt.kind {
            AttemptKind::Verify => return Fenced::Promised, // no money can move, however late it arrives
            AttemptKind::Purchase | AttemptKind::Authorise => {}
            AttemptKind::Capture | AttemptKind::Cancel | AttemptKind::Refund | AttemptKind::Payout | AttemptKind::Chargeback => {
                return Fenced::Unable;
            }
        }
        let amount = amounts::sent(attempt.amount);
        let (true, Api::PaymentIntents, Some(amount)) = (self.honours_idempotency, self.api, amount) else {
            return Fenced::Unable;
        };
        let form = Self::fence_form(attempt, amount);
        match self.wire.post("v1/payment_intents", &attempt.attempt_id.to_string(), &form).await {
            Fate::Answered { status: 200, body } => match serde_json::from_slice::<Intent>(&body) {
                Ok(intent) if intent.metadata.contains_key(METADATA_FENCE) => {
                    self.remembered().remove(&attempt.attempt_id);
                    let path = format!("v1/payment_intents/{}/cancel", intent.id);
                    // Tidiness only: nobody holds a card for it.
                    let _cancelled = self.wire.post(&path, &format!("{}:cancel", intent.id), &Form::new()).await;
                    Fenced::Promised
                }
                Ok(_) | Err(_) => Fenced::NoAnswer,
            },
            // The key was used before, for the charge itself: it arrived after all, whether or not it shows yet.
            Fate::Answered { status: 400, body } if outcomes::key_was_used(&body) => match self.search(attempt).await {
                Inquiry::Found(outcome) => Fenced::TooLate(outcome),
                Inquiry::NotFound | Inquiry::NoAnswer => Fenced::NoAnswer,
            },
            Fate::Answered { status: 400, .. } => Fenced::Unable,
            Fate::Answered { .. } | Fate::NotSent(_) | Fate::Lost(_) => Fenced::NoAnswer,
        }
    }
}

/// What was found tells, unless it is as open as before.
fn certain(outcome: Outcome) -> Inquiry {
    match outcome {
        Outcome::Unknown { .. } | Outcome::NotSent { .. } => Inquiry::NoAnswer,
        outcome => Inquiry::Found(outcome),
    }
}

impl Acquirer for Stripe {
    fn connector(&self) -> Connector {
        Connector::Stripe
    }

    fn supports(&self, kind: AttemptKind) -> bool {
        kind != AttemptKind::Verify || self.api == Api::PaymentIntents
    }

    fn charge<'a>(&'a self, ask: &'a ChargeAsk) -> Answering<'a, Outcome> {
        Box::pin(Stripe::charge(self, ask))
    }

    fn follow_up<'a>(&'a self, ask: &'a FollowUpAsk) -> Answering<'a, Outcome> {
        Box::pin(Stripe::follow_up(self, ask))
    }

    fn asking_payers(&self) -> Option<&dyn AsksPayer> {
        Some(self)
    }

    fn behind<'a>(&'a self, reference: &'a str) -> Answering<'a, Behind> {
        Box::pin(Stripe::behind(self, reference))
    }

    fn read_notification(
        &self,
        header: &dyn Fn(&str) -> Option<String>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Notification, NotTaken> {
        if self.signing_secrets.is_empty() {
            return Err(NotTaken::NotOffered);
        }
        notification::read(header(SIGNATURE_HEADER).as_deref(), body, &self.signing_secrets, self.live, now)
    }

    fn inquire<'a>(&'a self, about: &'a AttemptRef) -> Answering<'a, Inquiry> {
        Box::pin(Stripe::inquire(self, about))
    }

    fn fence<'a>(&'a self, attempt: &'a AttemptRef) -> Answering<'a, Fenced> {
        Box::pin(Stripe::fence(self, attempt))
    }
}
