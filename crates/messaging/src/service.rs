//! The front of the crate for the edge: receivers are configured, deliveries looked up and asked for again.

use std::sync::Arc;

use db::{Fault, Store};
use idempotency::{Claim, Idempotency, InProcess, Known, Recorded, Reply, ReplySealer, Working, meter};
use kernel::{AccountId, EventId, SecretText, Source, WebhookId};

use crate::commands::{Change, Configured, Create, Done, Edit, Remove, Resend, Rotate, Sealed};
use crate::error::{MessagingError, Refusal};
use crate::guard::UrlGuard;
use crate::outbox::Outbox;
use crate::queries;
use crate::rows::{DeliveryRow, EventRow, TryRow, WebhookRow};
use crate::secrets::{Column, WebhookSecrets};
use crate::types::{DeliveryState, Family, Trigger, Triggers, WebhookState};

pub use crate::commands::{Details, Merge};

/// The content type of every reply.
pub(crate) const JSON: &str = "application/json; charset=utf-8";

/// A receiver as it is shown; its secrets never are, but for a signing secret that was made in this very decision.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The receiver.
    pub row: &'a WebhookRow,
    /// Its new signing secret.
    pub signing_secret: Option<&'a SecretText>,
}

/// How replies are drawn; pure, given by the edge once.
#[derive(Clone, Copy, Debug)]
pub struct Faces {
    /// A receiver.
    pub webhook: fn(&Shown<'_>) -> Vec<u8>,
    /// A delivery.
    pub delivery: fn(&DeliveryRow) -> Vec<u8>,
    /// How many days before a renewal a receiver wants to hear of it, if it said so.
    pub renewal_days: fn(&WebhookRow) -> Option<i64>,
}

/// What [`Messaging`] is made of.
pub struct Parts {
    /// The platform's store.
    pub store: Arc<Store>,
    /// Seals what receivers and we share.
    pub secrets: WebhookSecrets,
    /// Seals recorded replies with a signing secret in them.
    pub replies: ReplySealer,
    /// What this process knows about idempotency keys; shared with the edge.
    pub idempotency: Idempotency,
    /// Where decisions put events; shared with every service that emits.
    pub outbox: Outbox,
    /// Which addresses may be called.
    pub guard: UrlGuard,
    /// How replies are drawn.
    pub faces: Faces,
}

/// Receivers of webhooks and what they are told. Cheap to clone.
#[derive(Clone)]
pub struct Messaging(pub(crate) Arc<Parts>);

/// A request's idempotency key.
#[derive(Clone, Debug)]
pub struct Once {
    /// Where the key counts and what came with it; its subject is filled in here.
    pub claim: Claim,
}

/// A receiver to be made.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    /// Once per account.
    pub name: Arc<str>,
    /// Where it is told.
    pub url: Arc<str>,
    /// Whether it is told anything.
    pub state: WebhookState,
    /// What it is told about.
    pub triggers: Triggers,
    /// What is only kept and shown.
    pub details: Option<Arc<[u8]>>,
    /// The secrets it shares with us.
    pub secrets: Shared,
}

/// The secrets of a receiver. In a change: absent stays, empty removes.
#[derive(Clone, Debug, Default)]
pub struct Shared {
    /// Sent as `x-api-key`.
    pub api_key: Option<SecretText>,
    /// Sent as `x-secret`.
    pub secret: Option<SecretText>,
    /// Key of `x-hmac-signature`.
    pub hmac_client_secret: Option<SecretText>,
    /// Kept for later.
    pub oauth2_client_secret: Option<SecretText>,
}

/// A receiver to be changed: what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct WebhookChange {
    /// Its new name.
    pub name: Option<Arc<str>>,
    /// Its new address.
    pub url: Option<Arc<str>>,
    /// On or off.
    pub state: Option<WebhookState>,
    /// What it is told about, family by family.
    pub triggers: Vec<(Family, Triggers)>,
    /// What is only kept and shown.
    pub details: Option<Details>,
    /// Its secrets.
    pub secrets: Shared,
}

/// What a request is answered.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It was carried out.
    Done(Reply),
    /// Its key is known: the first reply again.
    Replay(Recorded),
}

/// A delivery with all that is known of it.
#[derive(Clone, Debug)]
pub struct DeliveryRead {
    /// The delivery.
    pub delivery: DeliveryRow,
    /// The requests that were sent for it, oldest first.
    pub tries: Vec<TryRow>,
}

/// A message as a developer reads it in the sandbox.
#[derive(Clone, Debug)]
pub struct Message {
    /// The delivery.
    pub delivery: DeliveryRow,
    /// What it tells.
    pub event: EventRow,
    /// To which address; empty when the receiver is not known any more.
    pub to: Arc<str>,
}

impl Message {
    /// The body as it is sent next, or was sent last.
    pub fn body(&self) -> Vec<u8> {
        let tries = self.delivery.tries;
        let last = if self.delivery.state == DeliveryState::Due { tries } else { tries.saturating_sub(1) };
        crate::courier::body(&self.event, last)
    }
}

impl Messaging {
    /// Wires the service.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    fn source(&self) -> &Source {
        self.0.secrets.source()
    }

    /// Makes a receiver.
    ///
    /// # Errors
    /// [`MessagingError`].
    pub async fn create(&self, account: AccountId, new: NewWebhook, once: Option<Once>) -> Result<Answer, MessagingError> {
        self.0.guard.judge(&new.url).await.map_err(Refusal::Unsafe)?;
        let id = WebhookId::new(self.source());
        let signing_secret = self.0.secrets.new_signing_secret();
        let seal = |secret: Option<&SecretText>, column| self.seal(secret, account, id, column).stored();
        let now = self.0.store.clock().now();
        let row = WebhookRow {
            account_id: account,
            id,
            created_at: now,
            name: new.name,
            url: new.url,
            state: new.state,
            triggers: new.triggers,
            details: new.details,
            api_key: seal(new.secrets.api_key.as_ref(), Column::ApiKey),
            secret: seal(new.secrets.secret.as_ref(), Column::Secret),
            hmac_client_secret: seal(new.secrets.hmac_client_secret.as_ref(), Column::HmacClientSecret),
            oauth2_client_secret: seal(new.secrets.oauth2_client_secret.as_ref(), Column::Oauth2ClientSecret),
            signing_secret: seal(Some(&signing_secret), Column::SigningSecret),
            former_signing_secret: None,
            former_until: None,
            listens_since: now,
            updated_at: now,
        };
        let draw = self.0.faces.webhook;
        let enter = self.enter(once, id)?;
        let command = Create { row, signing_secret, done: enter.done.clone(), draw };
        let configured = self.0.store.writer().run(command).await??;
        self.finished(account, enter, configured)
    }

    /// Changes a receiver.
    ///
    /// # Errors
    /// [`MessagingError`].
    pub async fn change(
        &self,
        account: AccountId,
        id: WebhookId,
        change: WebhookChange,
        once: Option<Once>,
    ) -> Result<Answer, MessagingError> {
        if let Some(url) = &change.url {
            // Whether there is such a receiver comes first, so that nobody else's is told apart by its address being judged.
            self.known(account, id).await?;
            self.0.guard.judge(url).await.map_err(Refusal::Unsafe)?;
        }
        let seal = |secret: &Option<SecretText>, column| self.seal(secret.as_ref(), account, id, column);
        let edit = Edit {
            name: change.name,
            url: change.url,
            state: change.state,
            triggers: change.triggers,
            details: change.details,
            api_key: seal(&change.secrets.api_key, Column::ApiKey),
            secret: seal(&change.secrets.secret, Column::Secret),
            hmac_client_secret: seal(&change.secrets.hmac_client_secret, Column::HmacClientSecret),
            oauth2_client_secret: seal(&change.secrets.oauth2_client_secret, Column::Oauth2ClientSecret),
        };
        let enter = self.enter(once, id)?;
        let command = Change { key: (account, id), edit, done: enter.done.clone(), draw: self.0.faces.webhook };
        let configured = self.0.store.writer().run(command).await??;
        self.finished(account, enter, configured)
    }

    /// Gives a receiver a new signing secret; the present one signs beside it for a day.
    ///
    /// # Errors
    /// [`MessagingError`].
    pub async fn rotate(&self, account: AccountId, id: WebhookId, once: Option<Once>) -> Result<Answer, MessagingError> {
        let signing_secret = self.0.secrets.new_signing_secret();
        let sealed = self.0.secrets.seal(&signing_secret, account, id, Column::SigningSecret);
        let enter = self.enter(once, id)?;
        let draw = self.0.faces.webhook;
        let command = Rotate { key: (account, id), signing_secret, sealed, done: enter.done.clone(), draw };
        let configured = self.0.store.writer().run(command).await??;
        self.finished(account, enter, configured)
    }

    /// Deletes a receiver and gives it as it was. What still waits for it is not sent.
    ///
    /// # Errors
    /// [`MessagingError`].
    pub async fn remove(&self, account: AccountId, id: WebhookId) -> Result<WebhookRow, MessagingError> {
        let (row, wanted) = self.0.store.writer().run(Remove { key: (account, id) }).await??;
        if let Some((wanted, version)) = wanted {
            self.0.outbox.note(account, wanted, version);
        }
        Ok(row)
    }

    /// One receiver.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn webhook(&self, account: AccountId, id: WebhookId) -> Result<Option<WebhookRow>, Fault> {
        queries::webhook(self.0.store.reader(), account, id).await
    }

    /// The receivers of an account, oldest first.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn webhooks(&self, account: AccountId) -> Result<Vec<WebhookRow>, Fault> {
        queries::webhooks(self.0.store.reader(), account).await
    }

    /// The active receivers that want to hear of renewals, with how many days ahead they said.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn renewal_listeners(&self, account: AccountId) -> Result<Vec<(WebhookId, Option<i64>)>, Fault> {
        let all = queries::webhooks(self.0.store.reader(), account).await?;
        let listens = |row: &&WebhookRow| row.wants().contain(Trigger::SubscriptionCloseToRenewal);
        Ok(all.iter().filter(listens).map(|row| (row.id, (self.0.faces.renewal_days)(row))).collect())
    }

    /// The deliveries to a receiver, newest first, those before the event `before`.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], or [`Fault`] of the store.
    pub async fn deliveries(
        &self,
        account: AccountId,
        id: WebhookId,
        state: Option<DeliveryState>,
        before: Option<EventId>,
        limit: u32,
    ) -> Result<Vec<DeliveryRead>, MessagingError> {
        self.known(account, id).await?;
        let reader = self.0.store.reader();
        let found = queries::deliveries(reader, (account, id), state, before, limit).await?;
        let mut all = Vec::with_capacity(found.len());
        for delivery in found {
            let tries = queries::tries(reader, (account, delivery.event_id, id)).await?;
            all.push(DeliveryRead { delivery, tries });
        }
        Ok(all)
    }

    /// Sends a delivery again, in a round of its own and under the same id.
    ///
    /// # Errors
    /// [`MessagingError`].
    pub async fn resend(
        &self,
        account: AccountId,
        id: WebhookId,
        event: EventId,
        once: Option<Once>,
    ) -> Result<Answer, MessagingError> {
        let enter = self.enter(once, id)?;
        let command = Resend { key: (account, event, id), done: enter.done.clone(), draw: self.0.faces.delivery };
        let configured = self.0.store.writer().run(command).await??;
        self.finished(account, enter, configured)
    }

    /// The newest messages of all accounts, or those to one address: for the sandbox only.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn latest(&self, to: Option<&str>, limit: u32) -> Result<Vec<Message>, Fault> {
        let reader = self.0.store.reader();
        let mut messages = Vec::new();
        for delivery in queries::latest(reader, to, limit).await? {
            let Some(event) = queries::event(reader, delivery.account_id, delivery.event_id).await? else { continue };
            let webhook = queries::any_webhook(reader, delivery.account_id, delivery.webhook_id).await?;
            let to = webhook.map_or_else(|| "".into(), |row| row.url);
            messages.push(Message { delivery, event, to });
        }
        Ok(messages)
    }

    async fn known(&self, account: AccountId, id: WebhookId) -> Result<WebhookRow, MessagingError> {
        Ok(self.webhook(account, id).await?.ok_or(Refusal::NotFound)?)
    }

    /// An empty secret takes away what is stored.
    fn seal(&self, secret: Option<&SecretText>, account: AccountId, id: WebhookId, column: Column) -> Sealed {
        match secret {
            None => Sealed::Same,
            Some(secret) if secret.expose().is_empty() => Sealed::Gone,
            Some(secret) => Sealed::New(self.0.secrets.seal(secret, account, id, column)),
        }
    }

    fn enter(&self, once: Option<Once>, subject: WebhookId) -> Result<Entered, Refusal> {
        let Some(Once { claim }) = once else { return Ok(Entered { done: None, working: None }) };
        let claim = Claim { subject: subject.uuid(), ..claim };
        let working = self.0.idempotency.begin(claim.scope, self.0.store.clock().now());
        let working = working.map_err(|InProcess { unknown }| Refusal::InProcess { unknown })?;
        let done = Done { claim, sealer: self.0.replies.clone() };
        Ok(Entered { done: Some(done), working: Some(working) })
    }

    fn finished(&self, account: AccountId, enter: Entered, configured: Configured) -> Result<Answer, MessagingError> {
        let (reply, recorded, wanted) = match configured {
            Configured::Taken(Known::Replay(recorded)) => return Ok(Answer::Replay(recorded)),
            Configured::Taken(Known::InProcess(InProcess { unknown })) => return Err(Refusal::InProcess { unknown }.into()),
            Configured::Taken(Known::Nothing) => return Err(Fault::Failed("a key that is taken is known".into()).into()),
            Configured::Done { reply, recorded, wanted } => (reply, recorded, wanted),
        };
        if let Some((wanted, version)) = wanted {
            self.0.outbox.note(account, wanted, version);
        }
        if let Some((done, recorded)) = enter.done.zip(recorded) {
            meter::claimed();
            self.0.idempotency.done(done.claim.scope, recorded);
        }
        drop(enter.working);
        Ok(Answer::Done(reply))
    }
}

/// A request that works on its key.
struct Entered {
    done: Option<Done>,
    working: Option<Working>,
}
