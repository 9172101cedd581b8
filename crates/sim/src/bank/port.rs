//! One acquirer as the platform reaches it: the way there, the way back, and what can happen on both.

use std::sync::Arc;
use std::time::Duration;

use kernel::{AccountId, AttemptId, Currency, Money, Outcome, PaymentId, Timestamp};
use payments::{
    Acquirer, Answering, AttemptKind, AttemptRef, ChargeAsk, Connector, Event, Fenced, FollowUpAsk, Inquiry, NotTaken,
    Notification, PayoutAsk, PaysOut, Proof,
};
use serde_json::Value;
use tokio::time::sleep;

use super::{Banks, Entry, SIGNATURE, sign, word};
use crate::faults::Fault;
use crate::realm::Realm;

/// How long a connector waits for an answer that does not come.
const GIVES_UP_AFTER: Duration = Duration::from_millis(500);

/// One of them, as the platform reaches it.
pub struct Bank {
    pub(super) banks: Banks,
    pub(super) name: Connector,
    /// Whether it can promise to refuse what arrives late.
    pub(super) fences: bool,
}

impl Bank {
    /// One request, as its connector tells of it.
    async fn told(&self, attempt: AttemptId, entry: Entry) -> Outcome {
        #[cfg(feature = "sabotage")]
        let asked = entry.clone();
        self.banks.is_asked(attempt);
        let outcome = self.request(attempt, entry).await;
        #[cfg(feature = "sabotage")]
        let outcome = crate::sabotage::told(self, outcome, attempt, asked).await;
        outcome
    }

    #[cfg(feature = "sabotage")]
    pub(crate) fn realm(&self) -> &Realm {
        &self.banks.realm
    }

    /// One request and everything that can happen to it on its way.
    pub(crate) async fn request(&self, attempt: AttemptId, entry: Entry) -> Outcome {
        let realm = &self.banks.realm;
        self.leaves(attempt).await;
        if realm.strikes(Fault::Slow) {
            sleep(Duration::from_millis(realm.draw(|chance| chance.between(1, 3_000)))).await;
        }
        if realm.strikes(Fault::Refused) {
            return Outcome::NotSent { reason: "connection refused".into() };
        }
        if realm.strikes(Fault::RequestLost) {
            sleep(GIVES_UP_AFTER).await;
            return unknown("no answer in time");
        }
        if realm.strikes(Fault::RequestLate) {
            let due = realm.now().plus_seconds(realm.draw(|chance| chance.amount(1, 300)));
            self.banks.books().late.push((due, attempt, entry));
            sleep(GIVES_UP_AFTER).await;
            return unknown("no answer in time");
        }
        if !realm.alive() {
            return std::future::pending().await;
        }
        let outcome = self.banks.act(attempt, entry);
        self.comes_back(outcome).await
    }

    /// The way there.
    async fn leaves(&self, attempt: AttemptId) {
        let realm = &self.banks.realm;
        for _ in 0..realm.turns(4) {
            tokio::task::yield_now().await;
        }
        if realm.alive() && realm.strikes(Fault::DieAtPort) {
            realm.die(format_args!("before {attempt} reaches the bank"));
        }
        if !realm.alive() {
            std::future::pending::<()>().await;
        }
    }

    /// The way back.
    async fn comes_back(&self, outcome: Outcome) -> Outcome {
        let realm = &self.banks.realm;
        if realm.strikes(Fault::DieAtPort) {
            realm.die("before the bank's answer arrives");
            return std::future::pending().await;
        }
        if realm.strikes(Fault::AnswerLost) {
            sleep(GIVES_UP_AFTER).await;
            return unknown("no answer in time");
        }
        if realm.strikes(Fault::Garbage) {
            return unknown("the answer cannot be read");
        }
        for _ in 0..realm.turns(4) {
            tokio::task::yield_now().await;
        }
        outcome
    }

    fn entry(&self, kind: AttemptKind, account: AccountId, order: &Arc<str>, amount: Money) -> Entry {
        Entry {
            connector: self.name,
            kind,
            account,
            payment: None,
            order: order.clone(),
            amount,
            charge: None,
            outcome: Outcome::Pending,
            pending_until: None,
            calls: 0,
        }
    }

    async fn is_silent(&self) -> bool {
        let realm = &self.banks.realm;
        if !realm.alive() {
            return std::future::pending().await;
        }
        self.banks.tick();
        let silent = realm.strikes(Fault::Silent);
        if silent {
            sleep(GIVES_UP_AFTER).await;
        }
        silent
    }
}

impl Acquirer for Bank {
    fn connector(&self) -> Connector {
        self.name
    }

    fn charge<'a>(&'a self, ask: &'a ChargeAsk) -> Answering<'a, Outcome> {
        let mut entry = self.entry(ask.kind, ask.account_id, &ask.merchant_order_id, ask.amount);
        entry.payment = Some(ask.payment_id);
        Box::pin(self.told(ask.attempt_id, entry))
    }

    fn follow_up<'a>(&'a self, ask: &'a FollowUpAsk) -> Answering<'a, Outcome> {
        let order = self.banks.books().entries.get(&ask.charge).map_or_else(|| "".into(), |entry| entry.order.clone());
        let mut entry = self.entry(ask.kind, ask.account_id, &order, ask.amount);
        entry.charge = Some(ask.charge);
        Box::pin(self.told(ask.attempt_id, entry))
    }

    fn judge_code(&self, code: &str) -> Proof {
        match code {
            "1234" => Proof::Authenticated,
            "4444" => Proof::Attempted,
            "1111" => Proof::Refused,
            _ => Proof::Wrong,
        }
    }

    fn proven<'a>(&'a self, attempt: &'a AttemptRef, _proof: Proof) -> Answering<'a, Outcome> {
        let id = attempt.attempt_id;
        Box::pin(async move {
            self.leaves(id).await;
            if self.banks.realm.strikes(Fault::RequestLost) {
                sleep(GIVES_UP_AFTER).await;
                return unknown("no answer in time");
            }
            let outcome = {
                let known = self.banks.books().entries.get(&id).cloned();
                match known {
                    Some(mut entry) if matches!(entry.outcome, Outcome::ActionRequired { .. }) => {
                        entry.outcome = self.banks.verdict(id);
                        self.banks.realm.note(format_args!("bank: {id} is proven: {}", word(&entry.outcome)));
                        let outcome = entry.outcome.clone();
                        self.banks.books().entries.insert(id, entry);
                        outcome
                    }
                    Some(entry) => entry.outcome,
                    None => unknown("no such charge"),
                }
            };
            self.comes_back(outcome).await
        })
    }

    fn read_notification(
        &self,
        header: &dyn Fn(&str) -> Option<String>,
        body: &[u8],
        _now: Timestamp,
    ) -> Result<Notification, NotTaken> {
        if !believes(&self.banks.realm, header(SIGNATURE).as_deref(), body) {
            return Err(NotTaken::NotGenuine);
        }
        let malformed = || NotTaken::unreadable("it cannot be read");
        let told: Value = serde_json::from_slice(body).map_err(|_| malformed())?;
        let text = |name: &str| told[name].as_str().ok_or_else(malformed);
        let currency = Currency::parse(text("currency")?).ok_or_else(malformed)?;
        Ok(Notification {
            attempt: None,
            reference: None,
            connector: self.name,
            identity: String::from_utf8_lossy(body).into_owned(),
            payment_id: text("payment_id")?.parse().ok(),
            merchant_order_id: text("order_id")?.into(),
            event: Event::parse(text("event_code")?),
            success: told["success"] == true,
            amount: Money::new(told["value"].as_i64().ok_or_else(malformed)?, currency),
            body: String::from_utf8_lossy(body).into(),
        })
    }

    fn inquire<'a>(&'a self, about: &'a AttemptRef) -> Answering<'a, Inquiry> {
        Box::pin(async move {
            if self.is_silent().await {
                return Inquiry::NoAnswer;
            }
            let now = self.banks.realm.now();
            let said = self.banks.books().entries.get(&about.attempt_id).map(|entry| entry.said(now));
            let answer = said.map_or(Inquiry::NotFound, Inquiry::Found);
            self.banks.realm.reach(format!("inquiry {}", if answer == Inquiry::NotFound { "not found" } else { "found" }));
            answer
        })
    }

    fn fence<'a>(&'a self, attempt: &'a AttemptRef) -> Answering<'a, Fenced> {
        Box::pin(async move {
            if self.is_silent().await {
                return Fenced::NoAnswer;
            }
            let now = self.banks.realm.now();
            let mut books = self.banks.books();
            if let Some(entry) = books.entries.get(&attempt.attempt_id) {
                return Fenced::TooLate(entry.said(now));
            }
            if !self.fences {
                return Fenced::Unable;
            }
            #[cfg(feature = "sabotage")]
            if self.banks.realm.is_planted(crate::sabotage::Defect::FenceForgotten) {
                return Fenced::Promised;
            }
            books.fenced.insert(attempt.attempt_id);
            drop(books);
            self.banks.realm.note(format_args!("bank: {} is fenced", attempt.attempt_id));
            Fenced::Promised
        })
    }

    fn paying_out(&self) -> Option<&dyn PaysOut> {
        Some(self)
    }
}

impl PaysOut for Bank {
    fn pay_out<'a>(&'a self, ask: &'a PayoutAsk) -> Answering<'a, Outcome> {
        let mut entry = self.entry(AttemptKind::Payout, ask.account_id, &ask.merchant_reference, ask.amount);
        entry.payment = Some(PaymentId::from_uuid(ask.payout_id.uuid()));
        Box::pin(self.told(ask.attempt_id, entry))
    }
}
fn believes(realm: &Realm, signature: Option<&str>, body: &[u8]) -> bool {
    #[cfg(feature = "sabotage")]
    if realm.is_planted(crate::sabotage::Defect::ForgedNotificationBelieved) {
        return true;
    }
    let _ = realm;
    signature == Some(sign(body).as_str())
}
fn unknown(reason: &'static str) -> Outcome {
    Outcome::Unknown { reason: reason.into() }
}
