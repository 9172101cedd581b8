//! The platform's side of the line to the sandbox acquirer: delays, lost answers and refused connections happen here.

use db::{Command, Fault};
use kernel::{Outcome, PaymentId, Timestamp};
use payments::payouts::BankAccountNumber;
use payments::{
    Acquirer, Answering, AttemptRef, ChargeAsk, Connector, Fenced, FollowUpAsk, Inquiry, NotTaken, Notification, PayoutAsk,
    PaysOut, Proof,
};

use super::Sandbox;
use super::behaviour::{Behaviour, GIVES_UP_AFTER, Weather};
use super::cards::Verdict;
use super::commands::{Answer, Fence, ReceiveCharge, ReceiveFollowUp, ReceiveProof};
use super::notification::{self, SIGNATURE_HEADER};
use super::queries;
use super::rows::{Operation, ReceivedRow};

/// The sandbox acquirer under one of its names.
pub(crate) struct SandboxConnector {
    sandbox: Sandbox,
    name: Connector,
}

impl SandboxConnector {
    pub(crate) fn new(sandbox: Sandbox, name: Connector) -> Self {
        Self { sandbox, name }
    }

    fn behaviour(&self) -> Behaviour {
        self.sandbox.behaviour(self.name)
    }

    fn charge_row(&self, ask: &ChargeAsk) -> ReceivedRow {
        let verdict = Verdict::of_card(&ask.card.number, &ask.description, self.name);
        let operation = Operation::from(ask.kind);
        ReceivedRow {
            attempt_id: ask.attempt_id,
            id: self.sandbox.0.source.uuid(),
            account_id: ask.account_id,
            payment_id: Some(ask.payment_id),
            charge: None,
            connector: self.name,
            operation,
            merchant_order_id: Some(ask.merchant_order_id.clone()),
            currency: Some(ask.amount.currency()),
            amount: ask.amount.minor(),
            last4: Some(ask.card.number.last4().into()),
            verdict,
            after_challenge: verdict
                .after_challenge(&ask.description)
                .or_else(|| Verdict::after_silent_authentication(&ask.card.number)),
            created_at: Timestamp::EPOCH, // the command enters the time
            calls: 1,
            captured: if verdict.approved() && operation == Operation::Purchase { ask.amount.minor() } else { 0 },
            refunded: 0,
            voided: 0,
        }
    }

    fn payout_row(&self, ask: &PayoutAsk) -> ReceivedRow {
        let number = ask.bank_account.as_ref().map(BankAccountNumber::expose);
        ReceivedRow {
            attempt_id: ask.attempt_id,
            id: self.sandbox.0.source.uuid(),
            account_id: ask.account_id,
            payment_id: Some(PaymentId::from_uuid(ask.payout_id.uuid())),
            charge: None,
            connector: self.name,
            operation: Operation::Payout,
            merchant_order_id: Some(ask.merchant_reference.clone()),
            currency: Some(ask.amount.currency()),
            amount: ask.amount.minor(),
            last4: ask.bank_account.as_ref().map(|number| number.masked().trim_start_matches('*').into()),
            verdict: Verdict::of_bank_account(number, &ask.description, self.name),
            after_challenge: None,
            created_at: Timestamp::EPOCH, // the command enters the time
            calls: 1,
            captured: 0,
            refunded: 0,
            voided: 0,
        }
    }

    /// Sends a request that makes the acquirer act.
    async fn send<C: Command<Reply = Answer>>(&self, request: C) -> Outcome {
        let behaviour = self.behaviour();
        if behaviour.weather == Weather::Down {
            return Outcome::NotSent { reason: "connection refused".into() };
        }
        pause(behaviour).await;
        let acted = match behaviour.weather {
            Weather::TimeoutBeforeCharge => None,
            Weather::Normal | Weather::TimeoutAfterCharge | Weather::ErrorAfterCharge | Weather::Down => {
                Some(self.sandbox.0.store.writer().run(request).await)
            }
        };
        pause(behaviour).await;
        if !behaviour.answers() {
            tokio::time::sleep(GIVES_UP_AFTER).await;
            return Outcome::Unknown { reason: "no answer in time".into() };
        }
        if behaviour.weather == Weather::ErrorAfterCharge {
            return Outcome::Unknown { reason: "answered with a server error".into() };
        }
        match acted {
            Some(Ok(Ok((id, verdict, three_d)))) => verdict.outcome(id, three_d),
            Some(Err(Fault::Busy | Fault::Closing)) => {
                Outcome::NotSent { reason: "the sandbox acquirer takes no requests".into() }
            }
            Some(Ok(Err(_)) | Err(_)) | None => Outcome::Unknown { reason: "the sandbox acquirer's store failed".into() },
        }
    }

    async fn inquire(&self, about: &AttemptRef) -> Inquiry {
        if !self.reaches().await {
            return Inquiry::NoAnswer;
        }
        match queries::received(self.sandbox.0.store.reader(), about.attempt_id).await {
            Ok(Some(row)) if row.verdict == Verdict::Fenced => Inquiry::NotFound,
            Ok(Some(row)) => Inquiry::Found(row.verdict.outcome(row.id, row.after_challenge.is_some())),
            Ok(None) => Inquiry::NotFound,
            Err(_) => Inquiry::NoAnswer,
        }
    }

    async fn fence(&self, attempt: &AttemptRef) -> Fenced {
        if !self.reaches().await {
            return Fenced::NoAnswer;
        }
        let fence = Fence { id: self.sandbox.0.source.uuid(), connector: self.name, attempt: attempt.clone() };
        match self.sandbox.0.store.writer().run(fence).await {
            Ok(Ok((_, Verdict::Fenced, _))) => Fenced::Promised,
            Ok(Ok((id, verdict, three_d))) => Fenced::TooLate(verdict.outcome(id, three_d)),
            Ok(Err(_)) | Err(_) => Fenced::NoAnswer,
        }
    }

    /// Whether a question gets an answer; when not, waits as long as one would wait for it.
    async fn reaches(&self) -> bool {
        let behaviour = self.behaviour();
        if behaviour.answers() {
            return true;
        }
        if behaviour.weather != Weather::Down {
            tokio::time::sleep(GIVES_UP_AFTER).await;
        }
        false
    }
}

/// Half the delay, once before it acts and once after.
async fn pause(behaviour: Behaviour) {
    if behaviour.slow_ms > 0 {
        tokio::time::sleep(behaviour.half()).await;
    }
}

impl Acquirer for SandboxConnector {
    fn connector(&self) -> Connector {
        self.name
    }

    fn charge<'a>(&'a self, ask: &'a ChargeAsk) -> Answering<'a, Outcome> {
        Box::pin(self.send(ReceiveCharge { row: self.charge_row(ask) }))
    }

    fn judge_code(&self, code: &str) -> Proof {
        Verdict::proof(code)
    }

    fn read_notification(
        &self,
        header: &dyn Fn(&str) -> Option<String>,
        body: &[u8],
        _now: Timestamp,
    ) -> Result<Notification, NotTaken> {
        notification::read(&self.sandbox.0.seal, self.name, header(SIGNATURE_HEADER).as_deref(), body)
    }

    fn proven<'a>(&'a self, attempt: &'a AttemptRef, _proof: Proof) -> Answering<'a, Outcome> {
        Box::pin(self.send(ReceiveProof { attempt: attempt.attempt_id }))
    }

    fn follow_up<'a>(&'a self, ask: &'a FollowUpAsk) -> Answering<'a, Outcome> {
        let id = self.sandbox.0.source.uuid();
        Box::pin(self.send(ReceiveFollowUp { id, connector: self.name, ask: ask.clone() }))
    }

    fn inquire<'a>(&'a self, about: &'a AttemptRef) -> Answering<'a, Inquiry> {
        Box::pin(SandboxConnector::inquire(self, about))
    }

    fn fence<'a>(&'a self, attempt: &'a AttemptRef) -> Answering<'a, Fenced> {
        Box::pin(SandboxConnector::fence(self, attempt))
    }

    fn paying_out(&self) -> Option<&dyn PaysOut> {
        Some(self)
    }
}

impl PaysOut for SandboxConnector {
    fn pay_out<'a>(&'a self, ask: &'a PayoutAsk) -> Answering<'a, Outcome> {
        Box::pin(self.send(ReceiveCharge { row: self.payout_row(ask) }))
    }
}
