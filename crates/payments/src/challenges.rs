//! 3-D Secure: the payer proves on a page of ours that the card is his, and the charge goes on.
//!
//! The address he is sent to ends in a token of 128 bits that is derived from the attempt under the platform key, so that nothing but its
//! hash is stored and every later look at the payment shows the same address.

use std::fmt;
use std::sync::{Arc, OnceLock};

use db::Fault;
use kernel::{AccountId, AttemptId, KeyedHash, Money, PaymentId, PlatformKey, Timestamp};

use crate::acquirer::Proof;
use crate::attempt::Attempt;
use crate::commands::{AnswerChallenge, Ending, ExpireChallenge, Given, Judged, KeepAsking, Settle};
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
        hash.iter().take(16).fold(String::with_capacity(32), |text, byte| text + &format!("{byte:02x}"))
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

    /// Where the payer of this attempt is sent.
    pub(crate) fn url(&self, attempt: AttemptId) -> String {
        format!("{}/v1/challenges/{}", self.0.base_url.get().map_or("", String::as_str), self.token(attempt))
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

    /// Takes a payer's answer, and goes on with the charge when it is right. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn answer_challenge(&self, challenge: &Challenge, answer: ChallengeAnswer) -> Result<(), Fault> {
        let inner = self.0.clone();
        let attempt = Attempt::first(&challenge.payment, None);
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
        for challenge in queries::due_challenges(self.store.reader(), now, limit).await? {
            let (account, payment) = (challenge.account_id, challenge.payment_id);
            if let Some(attempt) = queries::first_attempt(self.store.reader(), account, payment).await? {
                let Ok(()) = self.store.writer().run(ExpireChallenge { attempt, origins: self.origins.clone() }).await?;
            }
        }
        Ok(())
    }
}
