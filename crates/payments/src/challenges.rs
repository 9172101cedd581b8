//! 3-D Secure: the payer proves on a page of ours that the card is his, and the charge goes on.
//!
//! The address he is sent to ends in a token of 128 bits that is derived from the attempt under the platform key, so that nothing but its
//! hash is stored and every later look at the payment shows the same address.
//!
//! An acquirer may ask payers on pages of its own. The address is ours all the same: it leads to the acquirer's page, the payer comes back
//! to it, and at each visit the acquirer is asked how the charge stands. Nothing the browser says counts.

use std::fmt;
use std::sync::{Arc, OnceLock};

use db::Fault;
use futures_util::{StreamExt, stream};
use kernel::{AccountId, AttemptId, KeyedHash, Money, Outcome, PaymentId, PlatformKey, Timestamp};
use uuid::Uuid;

use crate::acquirer::{AsksPayer, Fenced, PayerAsked, Proof};
use crate::attempt::Attempt;
use crate::commands::{AnswerChallenge, Ending, ExpireChallenge, ExpireLater, Given, Judged, KeepAsking, Settle};
use crate::queries;
use crate::rows::{ChallengeRow, PaymentRow};
use crate::service::{Inner, Payments};
use crate::types::{AttemptState, MaskedCard, PaymentState, Response};

/// Makes and recognises the addresses payers are sent to. Cheap to clone.
#[derive(Clone)]
pub struct Challenges(Arc<Keys>);

struct Keys {
    token: KeyedHash,
    lookup: KeyedHash,
    base_url: OnceLock<String>,
}

impl Challenges {
    /// With keys derived from the platform key.
    pub fn new(platform: &PlatformKey) -> Self {
        let token = KeyedHash::new(&platform.derive("guichet/payments/challenge token"));
        let lookup = KeyedHash::new(&platform.derive("guichet/payments/challenge lookup"));
        Self(Arc::new(Keys { token, lookup, base_url: OnceLock::new() }))
    }

    /// Says where the pages are reached, without a slash at the end: known once the address is bound. Only the first call counts.
    pub fn reached_at(&self, base_url: &str) {
        let _only_the_first_counts = self.0.base_url.set(base_url.to_owned());
    }

    /// The token of an attempt: 32 hexadecimal digits.
    pub(crate) fn token(&self, attempt: AttemptId) -> String {
        let hash = self.0.token.hash(&attempt.bytes());
        Uuid::from_bytes(std::array::from_fn(|at| hash[at])).simple().to_string()
    }

    /// How the run of 3-D Secure of an attempt is called, here and at the directory server: the same at every look.
    pub(crate) fn names_of_run(&self, attempt: AttemptId) -> [Uuid; 2] {
        ["run", "directory"].map(|what| {
            let hash = self.0.lookup.hash(format!("{what}\0{attempt}").as_bytes());
            uuid::Builder::from_random_bytes(std::array::from_fn(|at| hash[at])).into_uuid()
        })
    }

    /// What a token is found by.
    pub(crate) fn token_hash(&self, token: &str) -> [u8; 16] {
        let hash = self.0.lookup.hash(token.as_bytes());
        std::array::from_fn(|at| hash[at])
    }

    /// Seals the form of a page, so that only a browser that was shown the page can send it.
    pub fn form_seal(&self, token: &str, cookie: &str) -> [u8; 32] {
        self.0.lookup.hash(format!("form\0{token}\0{cookie}").as_bytes())
    }

    /// Where the payer of this attempt comes back to from a page of the acquirer's; `None` before it is known where pages are reached.
    pub(crate) fn return_url(&self, attempt: AttemptId) -> Option<Arc<str>> {
        self.0.base_url.get()?;
        Some((self.url(attempt) + "?returned=1").into())
    }

    /// Where the payer of this attempt is sent.
    pub(crate) fn url(&self, attempt: AttemptId) -> String {
        [self.0.base_url.get().map_or("", String::as_str), "/v1/challenges/", &self.token(attempt)].concat()
    }
}

impl fmt::Debug for Challenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Challenges(***)")
    }
}

/// A challenge as its page shows it.
#[derive(Clone, Debug)]
pub struct Challenge {
    payment: PaymentRow,
    merchant: Arc<str>,
    /// What is only echoed of the payment's checkout session.
    session: Option<Arc<[u8]>>,
    /// Wrong codes so far.
    pub tries: u32,
}

/// What the payer is shown now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChallengeShown {
    /// The question.
    Asked,
    /// The charge is being made; its outcome is not known yet.
    UnderWay,
    /// It is over, and the payment stands so.
    Over(PaymentState),
}

/// Where a payer goes who opens the page of his challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Our page asks him, or tells him how it ended.
    ToUs,
    /// The acquirer asks him, here.
    To(String),
    /// The acquirer asks him, and has not said where.
    Nowhere,
    /// The acquirer asked him, and it is over since this look at it.
    OverNow,
    /// The acquirer does not say how it stands.
    NoAnswer,
}

impl Challenge {
    /// Whose payment it is.
    pub fn account_id(&self) -> AccountId {
        self.payment.account_id
    }

    /// What the merchant calls himself.
    pub fn merchant(&self) -> &str {
        &self.merchant
    }

    /// The payment.
    pub fn payment_id(&self) -> PaymentId {
        self.payment.id
    }

    /// How much.
    pub fn amount(&self) -> Money {
        self.payment.money()
    }

    /// What for, in the merchant's words.
    pub fn description(&self) -> &str {
        &self.payment.description
    }

    /// The merchant's own name for the order.
    pub fn merchant_order_id(&self) -> &str {
        &self.payment.merchant_order_id
    }

    /// What may be shown of the card.
    pub fn card(&self) -> Option<MaskedCard<'_>> {
        self.payment.card.as_ref().and_then(crate::CardFace::parts)
    }

    /// The checkout session of the payment.
    pub fn checkout_session(&self) -> Option<kernel::CheckoutSessionId> {
        self.payment.checkout_session
    }

    /// Everything that is only echoed; it holds the address the payer is sent back to.
    pub fn details(&self) -> Option<&[u8]> {
        self.payment.details.as_deref()
    }

    /// The same of its checkout session, whose address counts where the payment names none.
    pub fn session_details(&self) -> Option<&[u8]> {
        self.session.as_deref()
    }

    /// When the payment was asked for.
    pub fn created_at(&self) -> Timestamp {
        self.payment.created_at
    }

    /// What the payer is shown now.
    pub fn shown(&self) -> ChallengeShown {
        match self.payment.attempt {
            AttemptState::AwaitingPayer => ChallengeShown::Asked,
            AttemptState::Sending | AttemptState::Unknown => ChallengeShown::UnderWay,
            _ => ChallengeShown::Over(self.payment.state),
        }
    }
}

/// What the payer did.
#[derive(Clone, Debug)]
pub enum ChallengeAnswer {
    /// Typed a code.
    Code(String),
    /// Gave up.
    Cancel,
}

impl Payments {
    /// The challenge with this token; `None` when there is none.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn challenge(&self, token: &str) -> Result<Option<Challenge>, Fault> {
        let found = queries::challenge(self.0.store.reader(), self.0.challenges().token_hash(token)).await?;
        let is_its_own = |(_, payment): &(ChallengeRow, PaymentRow)| self.0.challenges().token(payment.attempt_id) == token;
        let shown = found.filter(is_its_own).filter(|(_, payment)| payment.attempt != AttemptState::NotSent);
        let Some((challenge, payment)) = shown else { return Ok(None) };
        let merchant = queries::account_name(self.0.store.reader(), payment.account_id).await?.unwrap_or_default();
        let session = match payment.checkout_session {
            Some(session) => queries::session(self.0.store.reader(), payment.account_id, session).await?,
            None => None,
        };
        let session = session.and_then(|session| session.details);
        Ok(Some(Challenge { payment, merchant, session, tries: challenge.tries }))
    }

    /// A payer has opened the page of his challenge, or has come back to it. Where the acquirer asks payers itself, looks how that stands,
    /// and settles what is certain.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn visit_challenge(&self, challenge: &Challenge) -> Result<Sent, Fault> {
        if challenge.shown() != ChallengeShown::Asked {
            return Ok(Sent::ToUs);
        }
        let (inner, payment) = (self.0.clone(), challenge.payment.clone());
        let flow = async move { inner.look_for_payer(&payment).await };
        let defect = |_| Fault::Failed("an internal error stopped this request".into());
        self.0.tasks.spawn(flow).await.map_err(defect)?
    }

    /// Takes a payer's answer, and goes on with the charge when it is right. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn answer_challenge(&self, challenge: &Challenge, answer: ChallengeAnswer) -> Result<(), Fault> {
        let inner = self.0.clone();
        let attempt = Attempt::first(&challenge.payment, None);
        if inner.asker(&challenge.payment).is_some() {
            return Ok(()); // he is asked elsewhere, and no code is right here
        }
        let given = match answer {
            ChallengeAnswer::Cancel => Given::Cancel,
            ChallengeAnswer::Code(code) => Given::Proof(inner.judge_code(&attempt, &code)),
        };
        let flow = async move { inner.take_answer(attempt, given).await };
        let defect = |_| Fault::Failed("an internal error stopped this request".into());
        self.0.tasks.spawn(flow).await.map_err(defect)?
    }
}

impl Inner {
    fn judge_code(&self, attempt: &Attempt, code: &str) -> Proof {
        self.acquirers.get(attempt.connector).map_or(Proof::Wrong, |acquirer| acquirer.judge_code(code))
    }

    /// Who asks the payer of this payment, unless it is us, and what it calls the charge.
    fn asker<'a>(&'a self, payment: &'a PaymentRow) -> Option<(&'a dyn AsksPayer, &'a str)> {
        let asker = self.acquirers.get(payment.connector)?.asking_payers()?;
        Some((asker, payment.said()?.reference?))
    }

    /// How a charge stands whose payer is awaited. What is certain is settled.
    pub(crate) async fn look_for_payer(&self, payment: &PaymentRow) -> Result<Sent, Fault> {
        let Some((asker, reference)) = self.asker(payment) else { return Ok(Sent::ToUs) };
        let outcome = match asker.look(reference).await {
            PayerAsked::Waits(Some(page)) => return Ok(Sent::To(page)),
            PayerAsked::Waits(None) => return Ok(Sent::Nowhere),
            PayerAsked::NoAnswer => return Ok(Sent::NoAnswer),
            PayerAsked::Over(outcome) => outcome,
        };
        Ok(if self.settle_asked(payment, &outcome).await? { Sent::OverNow } else { Sent::NoAnswer })
    }

    /// Settles a charge whose payer was asked elsewhere, if the outcome is an end.
    async fn settle_asked(&self, payment: &PaymentRow, outcome: &Outcome) -> Result<bool, Fault> {
        let ending = match Ending::of(outcome) {
            Some(Ending::NeverSent | Ending::AwaitingPayer(_)) | None => return Ok(false),
            Some(ending) => ending,
        };
        let attempt = Attempt::first(payment, None);
        self.run_settle(Settle { attempt, ending, asked_for: true, origins: self.origins.clone() }).await?;
        Ok(true)
    }

    async fn take_answer(&self, attempt: Attempt, given: Given) -> Result<(), Fault> {
        let answer = AnswerChallenge { attempt: attempt.clone(), given, origins: self.origins.clone() };
        let Ok(judged) = self.store.writer().run(answer).await?;
        match judged {
            Judged::Stays => Ok(()),
            Judged::GoOn(proof) => self.go_on(attempt, proof).await,
        }
    }

    /// The payer has proven himself: the acquirer goes on. The question that was opened with the answer outlives this process.
    async fn go_on(&self, attempt: Attempt, proof: Proof) -> Result<(), Fault> {
        let outcome = self.proven(&attempt, proof).await;
        let ending = match Ending::of(&outcome) {
            // The acquirer never heard of the proof: the payer may give it again.
            Some(Ending::NeverSent) => Some(Ending::AwaitingPayer(Response::challenge())),
            Some(ending) => Some(ending),
            None => self.ask_while_waiting(&attempt, &outcome).await,
        };
        if let Some(ending) = ending {
            return self.run_settle(Settle { attempt, ending, asked_for: true, origins: self.origins.clone() }).await;
        }
        let _asked_for_or_settled_meanwhile =
            self.store.writer().run(KeepAsking { attempt, origins: self.origins.clone() }).await?;
        Ok(())
    }

    /// Ends challenges whose time is over.
    pub(crate) async fn expire_challenges(&self, now: Timestamp, limit: u32) -> Result<(), Fault> {
        let due = queries::due_challenges(self.store.reader(), now, limit).await?;
        stream::iter(due)
            .for_each_concurrent(ENDED_AT_ONCE, |challenge| async move {
                if let Err(fault) = self.expire_challenge(&challenge, now).await {
                    tracing::warn!(payment = %challenge.payment_id, %fault, "a challenge could not be ended; it is tried again");
                }
            })
            .await;
        Ok(())
    }

    /// Where the acquirer asks the payer itself, it gives the charge up first: he could still make it.
    async fn expire_challenge(&self, challenge: &ChallengeRow, now: Timestamp) -> Result<(), Fault> {
        let (account, id) = (challenge.account_id, challenge.payment_id);
        let Some(payment) = queries::challenged(self.store.reader(), account, id).await? else { return Ok(()) };
        if payment.attempt == AttemptState::AwaitingPayer
            && let Some((asker, reference)) = self.asker(&payment)
        {
            let ended = match asker.give_up(reference).await {
                Fenced::Promised => None,
                Fenced::TooLate(outcome) => Some(self.settle_asked(&payment, &outcome).await?),
                Fenced::Unable | Fenced::NoAnswer => Some(false),
            };
            match ended {
                None => {}
                Some(true) => return Ok(()),
                Some(false) => {
                    let at = now.plus_seconds(GIVES_UP_AGAIN_AFTER_SECONDS);
                    let Ok(()) = self.store.writer().run(ExpireLater { key: (account, id), at }).await?;
                    return Ok(());
                }
            }
        }
        let attempt = Attempt::first(&payment, None);
        let Ok(()) = self.store.writer().run(ExpireChallenge { attempt, origins: self.origins.clone() }).await?;
        Ok(())
    }
}

/// Challenges ended at the same time; an acquirer that is silent keeps each of them waiting.
const ENDED_AT_ONCE: usize = 16;
/// When an acquirer that did not give a charge up is told again.
const GIVES_UP_AGAIN_AFTER_SECONDS: i64 = 30;
