//! A scripted acquirer. Its books outlive every process of the platform.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::{AccountId, Approval, AttemptId, Currency, Decline, Money, Outcome, PaymentId};
use tokio::sync::Semaphore;

use crate::{
    Acquirer, Answering, AsksPayer, AttemptKind, AttemptRef, Behind, ChargeAsk, ChargeListing, Connector, Fenced, FollowUpAsk,
    Inquiry, ListedCharge, Listing, PayerAsked, PayoutAsk, PaysOut, Proof,
};

/// What it does with the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Does {
    Approve,
    Decline,
    /// For good.
    DeclineHard,
    Fail,
    /// It wants the payer to prove himself.
    Challenge,
    /// Refused connection.
    NotSent,
    /// It acts and the answer is lost.
    LoseAnswer,
    /// The request is lost.
    LoseRequest,
    /// It acts and never answers.
    ActAndHang,
    /// It never answers and does not act.
    Hang,
    /// The connector panics after it acted.
    ActAndPanic,
    /// It takes a moment.
    Slow,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) kind: AttemptKind,
    pub(crate) minor: i64,
    pub(crate) calls: u32,
    /// The payment of a charge.
    payment: Option<(AccountId, PaymentId)>,
    /// The charge of anything else.
    charge: Option<AttemptId>,
    pub(crate) outcome: Outcome,
}

#[derive(Debug)]
struct Books {
    name: Connector,
    script: VecDeque<Does>,
    entries: BTreeMap<AttemptId, Entry>,
    fenced: Vec<AttemptId>,
    silent: bool,
    can_fence: bool,
    remembers_a_challenge: bool,
    inquiries: u32,
    /// The next question waits for this before its answer leaves.
    held: Option<Arc<Semaphore>>,
    requests: u32,
}

/// Cheap to clone; clones are the same bank.
#[derive(Clone, Debug)]
pub(crate) struct Bank(Arc<Mutex<Books>>);

impl Bank {
    pub(crate) fn new() -> Self {
        Self::named(Connector::Sandbox)
    }

    pub(crate) fn named(name: Connector) -> Self {
        Self(Arc::new(Mutex::new(Books {
            name,
            script: VecDeque::new(),
            entries: BTreeMap::new(),
            fenced: Vec::new(),
            silent: false,
            can_fence: true,
            remembers_a_challenge: false,
            inquiries: 0,
            held: None,
            requests: 0,
        })))
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it does next, before it goes back to approving.
    pub(crate) fn will(&self, script: &[Does]) {
        self.books().script.extend(script);
    }

    /// Whether it answers questions.
    pub(crate) fn silent(&self, silent: bool) {
        self.books().silent = silent;
    }

    /// From now on it is this one, and asks payers on pages of its own.
    pub(crate) fn becomes_stripe(&self) {
        self.books().name = Connector::Stripe;
    }

    /// The next question is answered as if the charge were known and waited for its payer.
    pub(crate) fn remembers_a_challenge(&self) {
        self.books().remembers_a_challenge = true;
    }

    /// The payer of every charge that waits for one comes to its page.
    pub(crate) fn payer_comes(&self, proves: bool) {
        for (attempt, entry) in &mut self.books().entries {
            if matches!(entry.outcome, Outcome::ActionRequired { .. }) {
                entry.outcome = if proves { approved(*attempt) } else { declined("NOT_HIS", false) };
            }
        }
    }

    fn of_reference(reference: &str) -> Option<AttemptId> {
        reference.strip_prefix("bank-")?.parse().ok()
    }

    pub(crate) fn cannot_fence(&self) {
        self.books().can_fence = false;
    }

    /// The next question is answered from what is known when it comes; the answer leaves when a permit is added.
    pub(crate) fn holds_next_answer(&self) -> Arc<Semaphore> {
        self.books().held.insert(Arc::new(Semaphore::new(0))).clone()
    }

    pub(crate) fn inquiries(&self) -> u32 {
        self.books().inquiries
    }

    /// Requests that reached it, whatever it did with them.
    pub(crate) fn requests(&self) -> u32 {
        self.books().requests
    }

    /// Returns when it has got more than `before` requests.
    pub(crate) fn is_reached_again(&self, before: u32) {
        for _ in 0..6_000 {
            if self.requests() > before {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("nobody came to the bank within half a minute");
    }

    /// What it approved.
    pub(crate) fn approved(&self) -> Vec<Entry> {
        let approved = |entry: &&Entry| matches!(entry.outcome, Outcome::Approved(_));
        self.books().entries.values().filter(approved).cloned().collect()
    }

    /// The sum of what it approved of one kind, in minor units.
    pub(crate) fn sum(&self, kind: AttemptKind) -> i64 {
        self.approved().iter().filter(|entry| entry.kind == kind).map(|entry| entry.minor).sum()
    }

    /// Takes one request; the guard is gone before anybody waits.
    fn take(&self, attempt: AttemptId, fresh: &Entry, proves: bool) -> (Does, Outcome) {
        let mut books = self.books();
        let does = books.script.pop_front().unwrap_or(Does::Approve);
        let acts = !matches!(does, Does::NotSent | Does::LoseRequest | Does::Hang);
        if does != Does::NotSent {
            books.requests += 1;
        }
        let said = match does {
            Does::Decline => declined("INSUFFICIENT_FUNDS", false),
            Does::DeclineHard => declined("REPORTED_STOLEN", true),
            Does::Fail => Outcome::Failed { code: "ERROR".into() },
            Does::Challenge => Outcome::ActionRequired { reference: format!("bank-{attempt}").into() },
            _ => approved(attempt),
        };
        if acts && books.fenced.contains(&attempt) {
            return (does, declined("FENCED", true));
        }
        if acts {
            let entry = books.entries.entry(attempt).or_insert(Entry { outcome: said.clone(), ..fresh.clone() });
            if proves && matches!(entry.outcome, Outcome::ActionRequired { .. }) {
                entry.outcome = said;
            }
            entry.calls += 1;
            let outcome = entry.outcome.clone();
            return (does, outcome);
        }
        (does, said)
    }

    async fn request(&self, attempt: AttemptId, entry: Entry, proves: bool) -> Outcome {
        let (does, outcome) = self.take(attempt, &entry, proves);
        match does {
            Does::Approve | Does::Decline | Does::DeclineHard | Does::Fail | Does::Challenge => outcome,
            Does::NotSent => Outcome::NotSent { reason: "connection refused".into() },
            Does::LoseAnswer | Does::LoseRequest => Outcome::Unknown { reason: "no answer in time".into() },
            Does::ActAndHang | Does::Hang => std::future::pending().await,
            Does::ActAndPanic => panic!("the connector breaks"),
            Does::Slow => {
                tokio::time::sleep(Duration::from_millis(200)).await;
                outcome
            }
        }
    }
}

fn approved(attempt: AttemptId) -> Outcome {
    Outcome::Approved(Approval {
        reference: format!("bank-{attempt}").into(),
        code: "SUCCEEDED".into(),
        iso: Some("00".into()),
        authorization_code: Some("123456".into()),
        eci: None,
    })
}

fn declined(code: &'static str, hard: bool) -> Outcome {
    Outcome::Declined(Decline { reference: None, code: code.into(), hard, iso: None })
}

impl Acquirer for Bank {
    fn connector(&self) -> Connector {
        self.books().name
    }

    fn charge<'a>(&'a self, ask: &'a ChargeAsk) -> Answering<'a, Outcome> {
        let payment = Some((ask.account_id, ask.payment_id));
        let outcome = Outcome::Pending;
        let entry = Entry { kind: ask.kind, minor: ask.amount.minor(), calls: 0, payment, charge: None, outcome };
        Box::pin(self.request(ask.attempt_id, entry, false))
    }

    fn judge_code(&self, code: &str) -> Proof {
        match code {
            "1234" => Proof::Authenticated,
            "1111" => Proof::Refused,
            _ => Proof::Wrong,
        }
    }

    fn proven<'a>(&'a self, attempt: &'a AttemptRef, _proof: Proof) -> Answering<'a, Outcome> {
        let known = self.books().entries.get(&attempt.attempt_id).cloned();
        Box::pin(async move {
            match known {
                Some(entry) => self.request(attempt.attempt_id, entry, true).await,
                None => Outcome::Unknown { reason: "no such charge".into() },
            }
        })
    }

    fn follow_up<'a>(&'a self, ask: &'a FollowUpAsk) -> Answering<'a, Outcome> {
        let outcome = Outcome::Pending;
        let entry =
            Entry { kind: ask.kind, minor: ask.amount.minor(), calls: 0, payment: None, charge: Some(ask.charge), outcome };
        Box::pin(self.request(ask.attempt_id, entry, false))
    }

    fn inquire<'a>(&'a self, about: &'a AttemptRef) -> Answering<'a, Inquiry> {
        let mut books = self.books();
        books.inquiries += 1;
        let known = books.entries.get(&about.attempt_id).cloned();
        let answer = match (books.silent, known) {
            (true, _) => Inquiry::NoAnswer,
            (false, Some(entry)) => Inquiry::Found(entry.outcome),
            (false, None) if std::mem::take(&mut books.remembers_a_challenge) => {
                Inquiry::Found(Outcome::ActionRequired { reference: format!("bank-{}", about.attempt_id).into() })
            }
            (false, None) => Inquiry::NotFound,
        };
        let held = books.held.take();
        Box::pin(async move {
            if let Some(held) = held {
                let _released = held.acquire().await;
            }
            answer
        })
    }

    fn fence<'a>(&'a self, attempt: &'a AttemptRef) -> Answering<'a, Fenced> {
        let mut books = self.books();
        let answer = if books.silent {
            Fenced::NoAnswer
        } else if books.can_fence {
            books.fenced.push(attempt.attempt_id);
            Fenced::Promised
        } else {
            Fenced::Unable
        };
        Box::pin(std::future::ready(answer))
    }

    fn paying_out(&self) -> Option<&dyn PaysOut> {
        Some(self)
    }

    fn asking_payers(&self) -> Option<&dyn AsksPayer> {
        (self.books().name == Connector::Stripe).then_some(self as &dyn AsksPayer)
    }

    fn behind<'a>(&'a self, reference: &'a str) -> Answering<'a, Behind> {
        let books = self.books();
        let known = Self::of_reference(reference).filter(|attempt| books.entries.contains_key(attempt));
        let answer = if books.silent { Behind::NoAnswer } else { known.map_or(Behind::Nobody, Behind::Attempt) };
        Box::pin(std::future::ready(answer))
    }
}

impl AsksPayer for Bank {
    fn look<'a>(&'a self, reference: &'a str) -> Answering<'a, PayerAsked> {
        let books = self.books();
        let entry = Self::of_reference(reference).and_then(|attempt| books.entries.get(&attempt));
        let answer = match entry.map(|entry| entry.outcome.clone()) {
            None => PayerAsked::NoAnswer,
            Some(_) if books.silent => PayerAsked::NoAnswer,
            Some(Outcome::ActionRequired { .. }) => PayerAsked::Waits(Some(format!("https://bank.example/{reference}"))),
            Some(outcome) => PayerAsked::Over(outcome),
        };
        Box::pin(std::future::ready(answer))
    }

    fn give_up<'a>(&'a self, reference: &'a str) -> Answering<'a, Fenced> {
        let mut books = self.books();
        let silent = books.silent;
        let entry = Self::of_reference(reference).and_then(|attempt| books.entries.get_mut(&attempt));
        let answer = match entry {
            Some(entry) if !silent && matches!(entry.outcome, Outcome::ActionRequired { .. }) => {
                entry.outcome = declined("GIVEN_UP", false);
                Fenced::Promised
            }
            Some(entry) if !silent => Fenced::TooLate(entry.outcome.clone()),
            Some(_) | None => Fenced::NoAnswer,
        };
        Box::pin(std::future::ready(answer))
    }
}

impl PaysOut for Bank {
    fn pay_out<'a>(&'a self, ask: &'a PayoutAsk) -> Answering<'a, Outcome> {
        let payment = Some((ask.account_id, PaymentId::from_uuid(ask.payout_id.uuid())));
        let outcome = Outcome::Pending;
        let entry = Entry { kind: AttemptKind::Payout, minor: ask.amount.minor(), calls: 0, payment, charge: None, outcome };
        Box::pin(self.request(ask.attempt_id, entry, false))
    }
}

impl ChargeListing for Bank {
    fn charges(&self, after: Option<AttemptId>, limit: u32) -> Listing<'_> {
        let books = self.books();
        let done = |charge: AttemptId, kind| {
            let of = |entry: &&Entry| {
                entry.charge == Some(charge) && entry.kind == kind && matches!(entry.outcome, Outcome::Approved(_))
            };
            books.entries.values().filter(of).map(|entry| entry.minor).sum::<i64>()
        };
        let charges = books.entries.iter().filter(|(attempt, _)| after.is_none_or(|after| **attempt > after));
        let listed = charges.filter_map(|(attempt, entry)| {
            let (account_id, payment_id) = entry.payment.filter(|_| matches!(entry.outcome, Outcome::Approved(_)))?;
            let bought = if entry.kind == AttemptKind::Purchase { entry.minor } else { 0 };
            Some(ListedCharge {
                connector: books.name,
                attempt_id: *attempt,
                account_id,
                payment_id,
                amount: Money::new(entry.minor, Currency::EUR),
                captured: bought + done(*attempt, AttemptKind::Capture),
                refunded: done(*attempt, AttemptKind::Refund),
                voided: done(*attempt, AttemptKind::Cancel),
            })
        });
        let page = listed.take(limit as usize).collect();
        Box::pin(std::future::ready(Ok(page)))
    }
}
