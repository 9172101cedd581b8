//! The flows: intent, acquirer, outcome, each a commit of its own with the call between them.
//!
//! Each money call runs in a task of its own: a caller that hangs up cancels nothing.

use std::sync::Arc;
use std::time::Duration;

use db::{Fault, Store};
use idempotency::{Idempotency, InProcess, Known, Scope, Working, meter};
use kernel::{AccountId, AttemptId, CheckoutSessionId, Outcome, PaymentId, Source, Timestamp};
use tokio::sync::{Notify, Semaphore};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::acquirer::{Acquirers, ChargeAsk};
use crate::asks::{
    Answer, Cancel, CancelOrRefund, Capture, CreateCheckoutSession, CreatePayment, Once, PatchCheckoutSession, Refund, Target,
};
use crate::attempt::{Asked, Attempt};
use crate::challenges::Challenges;
use crate::commands::{
    AtOnce, BeginOperation, BeginPayment, Begun, Charge, CreateSession, Decision, Ending, Finished, KeepAsking, PatchSession,
    Settle, Want,
};
use crate::errands::Errand;
use crate::error::{AmountRefusal, PaymentsError, Refusal};
use crate::facts::{Faces, PaymentRead};
use crate::made_for::MadeFor;
use crate::origin::{Ended, Origins};
use crate::queries;
use crate::retries;
use crate::routing::{self, Route, Routing};
use crate::rows::{CheckoutSessionRow, PaymentRow};
use crate::rules;
use crate::types::{CardAsk, CardFace, Mode, OriginKind, Terms, Workflow};
use crate::vault::Vault;

/// How long a request waits for an acquirer that does not answer.
#[derive(Clone, Debug)]
pub struct Patience {
    /// When to ask while the request still waits, counted from the moment the outcome became unknown.
    pub in_request: Vec<Duration>,
    /// How often the resolver looks for something to do.
    pub tick: Duration,
}

impl Default for Patience {
    /// API rule: at once, after one second and after two.
    fn default() -> Self {
        let in_request = vec![Duration::ZERO, Duration::from_secs(1), Duration::from_secs(2)];
        Self { in_request, tick: Duration::from_millis(500) }
    }
}

/// What [`Payments`] is made of.
pub struct Parts {
    /// The platform's store.
    pub store: Arc<Store>,
    /// Randomness for ids.
    pub source: Source,
    /// What this process knows about keys; shared with the edge.
    pub idempotency: Idempotency,
    /// Who can be asked.
    pub acquirers: Acquirers,
    /// Whose payments there are.
    pub origins: Origins,
    /// How sessions are drawn.
    pub faces: Faces,
    /// How long to wait.
    pub patience: Patience,
    /// Where cards are kept.
    pub vault: Vault,
}

/// The payments of all accounts. Cheap to clone.
#[derive(Clone)]
pub struct Payments(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) store: Arc<Store>,
    pub(crate) source: Source,
    pub(crate) idempotency: Idempotency,
    pub(crate) acquirers: Acquirers,
    pub(crate) origins: Origins,
    pub(crate) faces: Faces,
    pub(crate) patience: Patience,
    pub(crate) vault: Vault,
    pub(crate) routing: Routing,
    pub(crate) tasks: TaskTracker,
    pub(crate) notifications_waiting: Notify,
    /// Whose turn it is to read a page of a report. One at a time: however many are downloaded, a connection is left to everybody else.
    pub(crate) report_turn: Arc<Semaphore>,
}

/// An attempt and the key it is worked on under.
pub(crate) struct Work {
    pub(crate) attempt: Attempt,
    pub(crate) working: Working,
}

impl Payments {
    /// Wires the service, and tells the store how to find this process's unfinished work should it die.
    pub fn new(parts: Parts) -> Self {
        let Parts { store, source, idempotency, acquirers, origins, faces, patience, vault } = parts;
        let in_flight = idempotency.clone();
        store.writer().watch_oldest_work(move || in_flight.oldest_in_flight());
        let (routing, tasks) = (Routing::default(), TaskTracker::new());
        Self(Arc::new(Inner {
            store,
            source,
            idempotency,
            acquirers,
            origins,
            faces,
            patience,
            vault,
            routing,
            tasks,
            notifications_waiting: Notify::new(),
            report_turn: Arc::new(Semaphore::new(1)),
        }))
    }

    /// Charges, holds or checks a card.
    ///
    /// # Errors
    /// [`PaymentsError`]; after [`Refusal::OutcomeUnknown`] the key stays in process until the outcome is known.
    pub async fn create(&self, terms: &Terms, ask: CreatePayment, once: Once) -> Result<Answer, PaymentsError> {
        self.create_for(MadeFor::Itself, terms, ask, once).await
    }

    /// As [`Payments::create`], for a link or a subscription, which finishes in the same commits.
    ///
    /// # Errors
    /// As [`Payments::create`]; and what the link or the subscription refuses.
    pub async fn create_for(
        &self,
        made_for: MadeFor,
        terms: &Terms,
        ask: CreatePayment,
        once: Once,
    ) -> Result<Answer, PaymentsError> {
        let inner = &self.0;
        let prepared = match inner.prepare(made_for, terms, ask, &once).await {
            Ok(prepared) => prepared,
            Err(PaymentsError::Refused(refusal)) => return inner.known_or(&once, refusal).await,
            Err(fault) => return Err(fault),
        };
        let working = inner.enter(&once)?;
        let flow = inner.clone().create(prepared, working);
        self.0.clone().detached(once.scope, flow).await
    }

    /// Takes held money.
    ///
    /// # Errors
    /// As [`Payments::create`].
    pub async fn capture(&self, terms: &Terms, ask: Capture, once: Once) -> Result<Answer, PaymentsError> {
        let Capture { payment, transaction, amount, retried, details } = ask;
        let (target, want) = (Target::Transaction(transaction), Want::Capture(amount));
        self.operate(terms, Wanted { payment, target, want, details, origin: OriginKind::Api, retried }, once).await
    }

    /// Lets a hold go.
    ///
    /// # Errors
    /// As [`Payments::create`].
    pub async fn cancel(&self, terms: &Terms, ask: Cancel, once: Once) -> Result<Answer, PaymentsError> {
        let Cancel { payment, transaction, details } = ask;
        let (target, want) = (Target::Transaction(transaction), Want::Cancel);
        self.operate(terms, Wanted { payment, target, want, details, origin: OriginKind::Api, retried: false }, once).await
    }

    /// Gives money back.
    ///
    /// # Errors
    /// As [`Payments::create`].
    pub async fn refund(&self, terms: &Terms, ask: Refund, once: Once) -> Result<Answer, PaymentsError> {
        let Refund { payment, transaction, amount, retried, details } = ask;
        let (target, want) = (Target::Transaction(transaction), Want::Refund(amount));
        self.operate(terms, Wanted { payment, target, want, details, origin: OriginKind::Api, retried }, once).await
    }

    /// Cancels what is only held, gives back what was taken.
    ///
    /// # Errors
    /// As [`Payments::create`].
    pub async fn cancel_or_refund(&self, terms: &Terms, ask: CancelOrRefund, once: Once) -> Result<Answer, PaymentsError> {
        let CancelOrRefund { payment, target, amount, details } = ask;
        let want = Want::CancelOrRefund(amount);
        self.operate(terms, Wanted { payment, target, want, details, origin: OriginKind::Api, retried: false }, once).await
    }

    pub(crate) async fn operate(&self, terms: &Terms, wanted: Wanted, once: Once) -> Result<Answer, PaymentsError> {
        let inner = &self.0;
        let Wanted { payment, target, want, details, origin, retried } = wanted;
        let working = inner.enter(&once)?;
        let attempt_id = AttemptId::new(&inner.source);
        let claim = once.claim(attempt_id.uuid());
        let (stops, origins) = (vec![], inner.origins.clone());
        let terms = *terms;
        let begin = BeginOperation { claim, terms, payment, target, want, attempt_id, details, origin, retried, stops, origins };
        let flow = inner.clone().operate(begin, working);
        self.0.clone().detached(once.scope, flow).await
    }

    /// Makes a checkout session. One commit, so the key is optional and no acquirer is involved.
    ///
    /// # Errors
    /// [`PaymentsError`].
    pub async fn create_checkout_session(
        &self,
        account_id: AccountId,
        ask: CreateCheckoutSession,
        once: Option<Once>,
    ) -> Result<Answer, PaymentsError> {
        let inner = &self.0;
        let Ok(customer) = ask.customer.as_deref().map(str::parse).transpose() else {
            return inner.refused(once.as_ref(), Refusal::CustomerNotFound).await;
        };
        let id = CheckoutSessionId::new(&inner.source);
        let faces = inner.faces.clone();
        inner.at_once(CreateSession { account_id, id, ask, customer, faces }, id.uuid(), once).await
    }

    /// Changes a checkout session that can still be used. An id that is none is answered like an unknown one.
    ///
    /// # Errors
    /// [`PaymentsError`].
    pub async fn patch_checkout_session(
        &self,
        account_id: AccountId,
        id: Option<CheckoutSessionId>,
        ask: PatchCheckoutSession,
        once: Option<Once>,
    ) -> Result<Answer, PaymentsError> {
        let inner = &self.0;
        let Some(id) = id else { return inner.refused(once.as_ref(), Refusal::CheckoutSessionNotFound).await };
        let Ok(customer) = ask.customer.as_ref().and_then(|customer| customer.as_deref()).map(str::parse).transpose() else {
            return inner.refused(once.as_ref(), Refusal::CustomerNotFound).await;
        };
        let faces = inner.faces.clone();
        inner.at_once(PatchSession { account_id, id, ask, customer, faces }, id.uuid(), once).await
    }

    /// The latest payment made in a checkout session; `None` when there is none.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn payment_of_session(&self, account: AccountId, session: CheckoutSessionId) -> Result<Option<PaymentRead>, Fault> {
        queries::by_session(self.0.store.reader(), account, session).await
    }

    /// A recorded reply as it was given the first time: those that carry a token are recorded sealed.
    ///
    /// # Errors
    /// [`kernel::SealError`] when it does not open.
    pub fn opened_reply(&self, scope: &Scope, recorded: idempotency::Reply) -> Result<idempotency::Reply, kernel::SealError> {
        self.0.vault.opened_reply(scope, recorded)
    }

    /// One payment; `None` when the account has none of that id.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn get(&self, account: AccountId, id: PaymentId) -> Result<Option<PaymentRead>, Fault> {
        queries::payment(self.0.store.reader(), account, id).await
    }

    /// The account's last payments as they stand, newest first.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn latest(&self, account: AccountId, limit: u32) -> Result<Vec<PaymentRow>, Fault> {
        queries::latest(self.0.store.reader(), account, limit).await
    }

    /// One checkout session; `None` when the account has none of that id.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn get_checkout_session(
        &self,
        account: AccountId,
        id: CheckoutSessionId,
    ) -> Result<Option<CheckoutSessionRow>, Fault> {
        queries::session(self.0.store.reader(), account, id).await
    }

    /// Carries out and settles a charge that a product's own command has begun with [`crate::begin`]; `working` was entered before that
    /// command ran.
    ///
    /// # Errors
    /// As [`Payments::create`].
    pub async fn carry_out(
        &self,
        charge: &Charge,
        card: CardAsk,
        asked: Asked,
        working: Working,
    ) -> Result<Answer, PaymentsError> {
        let (inner, scope, ask) = (self.0.clone(), asked.scope, self.0.charge_ask(charge, card));
        let attempt = charge.attempt(Some(asked));
        let route = Route::only(attempt.connector);
        let flow = async move { inner.carry_out(attempt, ask, route, working).await };
        self.0.clone().detached(scope, flow).await
    }

    /// Where payers are sent to.
    pub fn challenges(&self) -> &Challenges {
        self.0.challenges()
    }

    /// Waits until no request is being worked on. New ones should not be let in any more.
    pub async fn finish_in_flight(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

/// What is to be done to a payment, and who asks.
pub(crate) struct Wanted {
    /// `None` for a malformed id.
    pub(crate) payment: Option<PaymentId>,
    pub(crate) target: Target,
    pub(crate) want: Want,
    pub(crate) details: Option<Arc<[u8]>>,
    pub(crate) origin: OriginKind,
    /// It is tried again where it fails for now.
    pub(crate) retried: bool,
}

/// A payment ready to begin.
struct Prepared {
    begin: BeginPayment,
    ask: ChargeAsk,
    route: Route,
}

impl Inner {
    pub(crate) fn challenges(&self) -> &Challenges {
        &self.faces.challenges
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.store.clock().now()
    }

    /// A charge as the acquirer is asked for it.
    pub(crate) fn charge_ask(&self, charge: &Charge, card: CardAsk) -> ChargeAsk {
        ChargeAsk {
            account_id: charge.account_id,
            payment_id: charge.payment_id,
            attempt_id: charge.attempt_id,
            kind: charge.mode.into(),
            amount: charge.amount,
            merchant_order_id: charge.merchant_order_id.clone(),
            description: charge.description.clone(),
            card,
            off_session: charge.origin.is_off_session(),
            returns_to: self.challenges().return_url(charge.attempt_id),
        }
    }

    /// A request that one commit answers: its key is optional, and no acquirer is involved.
    pub(crate) async fn at_once<D: Decision>(
        &self,
        decision: D,
        subject: Uuid,
        once: Option<Once>,
    ) -> Result<Answer, PaymentsError> {
        let working = once.as_ref().map(|once| self.enter(once)).transpose()?;
        let claim = once.map(|once| once.claim(subject));
        let scope = claim.as_ref().map(|claim| claim.scope);
        let remembered = scope.filter(|_| decision.is_remembered());
        let finished = match self.store.writer().run(AtOnce { claim, decision }).await?? {
            Begun::Taken(known) => {
                return match remembered {
                    Some(scope) => self.taken(scope, known),
                    None => answered(known),
                };
            }
            Begun::Done(finished) => finished,
            Begun::Go(()) => return Err(Fault::Failed("this request needs no acquirer".into()).into()),
        };
        if scope.is_some() {
            meter::claimed();
        }
        if let Some((scope, recorded)) = remembered.zip(finished.recorded) {
            self.idempotency.done(scope, recorded);
        }
        drop(working);
        finished.reply.map(Answer::Done).ok_or_else(|| Fault::Failed("a finished request has a reply".into()).into())
    }

    /// A refusal of a request whose key is optional: what the store knows about the key goes before it.
    pub(crate) async fn refused(&self, once: Option<&Once>, refusal: Refusal) -> Result<Answer, PaymentsError> {
        match once {
            Some(once) => self.known_or(once, refusal).await,
            None => Err(refusal.into()),
        }
    }

    /// Takes the key for this task; a second request with it is refused until the task is over.
    pub(crate) fn enter(&self, once: &Once) -> Result<Working, Refusal> {
        self.idempotency.begin(once.scope, self.now()).map_err(in_process)
    }

    /// What the store knows about a key goes before a refusal of what the request says.
    pub(crate) async fn known_or(&self, once: &Once, refusal: Refusal) -> Result<Answer, PaymentsError> {
        match self.idempotency.find(&once.scope, self.now()).await? {
            Known::Nothing => Err(refusal.into()),
            known => answered(known),
        }
    }

    /// As [`answered`], for what the store was found to know: the next repeat finds it in memory.
    pub(crate) fn taken(&self, scope: Scope, known: Known) -> Result<Answer, PaymentsError> {
        if let Known::Replay(recorded) = &known {
            self.idempotency.done(scope, recorded.clone());
        }
        answered(known)
    }

    /// Runs a flow apart from its caller, who may wait for it. Should it panic, what it began is asked for.
    pub(crate) fn detached(
        self: Arc<Self>,
        scope: Scope,
        flow: impl Future<Output = Result<Answer, PaymentsError>> + Send + 'static,
    ) -> impl Future<Output = Result<Answer, PaymentsError>> + Send + 'static {
        // Started here and not when it is first waited for, or each caller's future would have room for all of the flow.
        let task = self.tasks.spawn(flow);
        async move {
            let Ok(answer) = task.await else {
                self.run_errand(Errand::FindOut { scope }, None);
                return Err(Fault::Failed("an internal error stopped this request".into()).into());
            };
            answer
        }
    }

    async fn prepare(
        &self,
        made_for: MadeFor,
        terms: &Terms,
        ask: CreatePayment,
        once: &Once,
    ) -> Result<Prepared, PaymentsError> {
        let session = self.session_of(terms.account_id, &ask).await?;
        let customer = Self::payer(ask.customer.as_deref(), session.as_ref())?;
        let (card, mut source, token_keeps) = self.card_of(terms.account_id, ask.means, customer).await?;
        match ask.mode {
            Mode::Verify if !ask.amount.is_zero() => return Err(AmountRefusal::NotZero.into()),
            Mode::Purchase | Mode::Authorise if !ask.amount.is_positive() => return Err(AmountRefusal::NotPositive.into()),
            Mode::Purchase | Mode::Authorise | Mode::Verify => {}
        }
        let payment_id = PaymentId::new(&self.source);
        if (ask.vault_on_success || token_keeps) && source.method.is_none() {
            source.keep = Some(Box::new(self.keep(terms.account_id, &source, ask.country, &card, payment_id, once).await?));
        }
        let facts = routing::Facts { brand: card.number.brand(), country: ask.country, amount: ask.amount };
        let route = self.routing.route(&self.store, &self.acquirers, terms.account_id, ask.mode.into(), &facts).await?;
        let charge = Charge {
            account_id: terms.account_id,
            payment_id,
            attempt_id: AttemptId::new(&self.source),
            merchant_order_id: ask.merchant_order_id,
            description: ask.description,
            country: ask.country,
            amount: ask.amount,
            fee: if ask.mode == Mode::Purchase { terms.fee.fee(ask.amount.minor()) } else { 0 },
            mode: ask.mode,
            workflow: ask.workflow,
            origin: made_for.origin(),
            connector: route.connectors[0],
            card: Some(CardFace::of(&card)),
            checkout_session: session.map(|session| session.id),
            idempotency_key: Some(once.key.clone()),
            split: None,
            details: ask.details,
            delay: ask.delay.filter(|_| ask.mode == Mode::Authorise),
            source,
        };
        let known = rules::judge_card(&card, self.now()).as_ref().and_then(Ending::of);
        let claim = once.claim(charge.payment_id.uuid());
        let ask = self.charge_ask(&charge, card);
        Ok(Prepared { begin: BeginPayment { claim, charge, known, made_for, origins: self.origins.clone() }, ask, route })
    }

    /// The checkout session a request names. The workflows of the payment page need one; whether it may still be used is decided once
    /// more when the payment begins.
    async fn session_of(&self, account: AccountId, ask: &CreatePayment) -> Result<Option<CheckoutSessionRow>, PaymentsError> {
        let needed = matches!(ask.workflow, Workflow::SdkCheckout | Workflow::Checkout | Workflow::SdkSeamless);
        let Some(text) = ask.checkout_session.as_deref() else {
            return if needed { Err(Refusal::CheckoutSessionNotFound.into()) } else { Ok(None) };
        };
        let id: CheckoutSessionId = text.parse().map_err(|_| Refusal::CheckoutSessionNotFound)?;
        let session = queries::session(self.store.reader(), account, id).await?;
        // Looked at here too, before its token is: that one was used with it, or is over with it.
        let session = session.filter(|session| session.is_open(self.now())).ok_or(Refusal::CheckoutSessionNotFound)?;
        Ok(Some(session))
    }

    async fn create(self: Arc<Self>, prepared: Prepared, working: Working) -> Result<Answer, PaymentsError> {
        let Prepared { begin, ask, route } = prepared;
        let (attempt, subject, asked) = (begin.attempt(), begin.claim.subject, begin.asked());
        match self.store.writer().run(begin).await {
            Ok(begun) => match begun? {
                Begun::Taken(known) => self.taken(working.scope(), known),
                Begun::Done(finished) => self.finished(&working, finished),
                Begun::Go(()) => {
                    meter::claimed();
                    self.carry_out(attempt, ask, route, working).await
                }
            },
            Err(fault) => Err(self.intent_failed(subject, asked, working, fault)),
        }
    }

    async fn operate(self: Arc<Self>, operation: BeginOperation, working: Working) -> Result<Answer, PaymentsError> {
        let (subject, asked) = (operation.claim.subject, operation.asked());
        match self.begin_operation(operation).await {
            Ok(begun) => match begun? {
                Begun::Taken(known) => self.taken(working.scope(), known),
                Begun::Done(finished) => self.finished(&working, finished),
                Begun::Go(attempt) => {
                    meter::claimed();
                    let outcome = self.follow_up(&attempt).await;
                    self.conclude(Work { attempt, working }, outcome).await
                }
            },
            Err(fault) => Err(self.intent_failed(subject, asked, working, fault)),
        }
    }

    /// Writes the intent of an operation. A cancel that stands back for captures that only wait for their next try is begun once more, and
    /// ends them.
    async fn begin_operation(&self, operation: BeginOperation) -> Result<Result<Begun<Attempt>, Refusal>, Fault> {
        let again = operation.may_stop().map(|payment| (payment, operation.clone()));
        let begun = self.store.writer().run(operation).await?;
        let (Err(Refusal::InvalidStatus), Some((payment, again))) = (&begun, again) else { return Ok(begun) };
        let waiting = retries::queries::waiting(self.store.reader(), payment.0, payment.1).await?;
        if waiting.is_empty() {
            return Ok(begun);
        }
        let stops = waiting.into_iter().map(|row| row.attempt_id).collect();
        self.store.writer().run(BeginOperation { stops, ..again }).await
    }

    /// An intent that may or may not have been written, for an acquirer that was certainly not asked: it is taken back.
    pub(crate) fn intent_failed(self: &Arc<Self>, subject: Uuid, asked: Asked, working: Working, fault: Fault) -> PaymentsError {
        if !matches!(fault, Fault::Busy | Fault::Closing) {
            self.run_errand(Errand::TakeBack { subject, asked }, Some(working));
        }
        fault.into()
    }

    /// From the acquirer's first word to the recorded outcome, asking again for a moment where there was none.
    pub(crate) async fn conclude(self: Arc<Self>, work: Work, outcome: Outcome) -> Result<Answer, PaymentsError> {
        let ending = match Ending::of(&outcome) {
            Some(ending) => Some(ending),
            None => self.ask_while_waiting(&work.attempt, &outcome).await,
        };
        match ending {
            Some(ending) => self.settle(work, ending).await,
            None => self.keep_asking(work).await,
        }
    }

    async fn settle(self: Arc<Self>, work: Work, ending: Ending) -> Result<Answer, PaymentsError> {
        let Work { attempt, working } = work;
        let settle = Settle { attempt, ending, asked_for: false, origins: self.origins.clone() };
        let again = settle.clone();
        match self.store.writer().run(settle).await {
            Ok(Ok(Some(finished))) => self.finished(&working, finished),
            Ok(Ok(None)) => self.settled_elsewhere(&working).await,
            Ok(Err(lost)) => {
                tracing::warn!(attempt = %again.attempt.id, %lost, "another process settles this attempt");
                Err(Refusal::OutcomeUnknown.into())
            }
            Err(fault) => {
                // Nobody else knows the outcome: it must not be lost with this request.
                self.run_errand(Errand::Settle(Box::new(again)), Some(working));
                Err(fault.into())
            }
        }
    }

    pub(crate) async fn settled_elsewhere(&self, working: &Working) -> Result<Answer, PaymentsError> {
        let known = idempotency::queries::find(self.store.reader(), &working.scope(), self.now()).await?;
        match known {
            Known::Nothing => Err(Refusal::NotSent.into()),
            known => self.taken(working.scope(), known),
        }
    }

    async fn keep_asking(self: Arc<Self>, work: Work) -> Result<Answer, PaymentsError> {
        let Work { attempt, working } = work;
        let keep_asking = KeepAsking { attempt, origins: self.origins.clone() };
        match self.store.writer().run(keep_asking.clone()).await {
            Ok(_asked_for_or_settled_meanwhile) => Err(Refusal::OutcomeUnknown.into()),
            Err(fault) => {
                self.run_errand(Errand::KeepAsking(Box::new(keep_asking)), Some(working));
                Err(fault.into())
            }
        }
    }

    pub(crate) fn finished(&self, working: &Working, finished: Finished) -> Result<Answer, PaymentsError> {
        if let Some(recorded) = finished.recorded {
            self.idempotency.done(working.scope(), recorded);
        }
        match finished.reply {
            Some(reply) => Ok(Answer::Done(reply)),
            None if finished.ended == Ended::NotSent => Err(Refusal::NotSent.into()),
            None => Err(Fault::Failed("a settled attempt has a reply".into()).into()),
        }
    }
}

/// What a request whose key is taken is answered.
fn answered(known: Known) -> Result<Answer, PaymentsError> {
    match known {
        Known::Replay(recorded) => Ok(Answer::Replay(recorded)),
        Known::InProcess(process) => Err(in_process(process).into()),
        Known::Nothing => Err(Fault::Failed("a key that is taken is known".into()).into()),
    }
}

fn in_process(InProcess { unknown }: InProcess) -> Refusal {
    Refusal::InProcess { unknown }
}
