//! The flow of a payout: intent, acquirer, outcome, each a commit of its own with the call between them.

use std::sync::Arc;

use db::Fault;
use idempotency::{BodyHash, IdempotencyKey, Scope, Working, meter};
use kernel::{AccountId, AttemptId, PayoutId, Timestamp};

use super::commands::BeginPayout;
use super::queries;
use super::rows::PayoutRow;
use super::types::CreatePayout;
use crate::acquirer::PayoutAsk;
use crate::asks::{Answer, Once};
use crate::attempt::Asked;
use crate::commands::Begun;
use crate::error::{AmountRefusal, PaymentsError, Refusal};
use crate::service::{Inner, Payments, Work};
use crate::types::{AttemptState, Connector};

/// What a payout costs the merchant, in minor units.
const FEE_MINOR: i64 = 0;
/// Where the claims of payouts count that were asked for without a key.
const UNKEYED_PATH: &str = "internal/payouts";

impl Payments {
    /// Sends money of the account to a bank account.
    ///
    /// Without a key the payout gets a claim of its own all the same, by which recovery finds it should this process die.
    ///
    /// # Errors
    /// [`PaymentsError`]; after [`Refusal::OutcomeUnknown`] the money stays set aside until the outcome is known.
    pub async fn create_payout(
        &self,
        account_id: AccountId,
        ask: CreatePayout,
        once: Option<Once>,
    ) -> Result<Answer, PaymentsError> {
        let inner = &self.0;
        let id = PayoutId::new(&inner.source);
        let once = once.unwrap_or_else(|| unkeyed(account_id, id, &ask));
        let Some(connector) = inner.acquirers.preferred_for_payouts().map(crate::Acquirer::connector) else {
            return inner.known_or(&once, Refusal::NotSent).await;
        };
        if !ask.amount.is_positive() {
            return inner.known_or(&once, AmountRefusal::NotPositive.into()).await;
        }
        let working = inner.enter(&once)?;
        let (payout, ask) = parts(account_id, id, AttemptId::new(&inner.source), connector, ask);
        let begin = BeginPayout { claim: once.claim(id.uuid()), payout, herald: inner.origins.herald().clone() };
        let flow = inner.clone().begin_payout(begin, ask, working);
        self.0.clone().detached(once.scope, flow).await
    }

    /// One payout; `None` when the account has none of that id.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn get_payout(&self, account: AccountId, id: PayoutId) -> Result<Option<PayoutRow>, Fault> {
        queries::payout(self.0.store.reader(), account, id).await
    }

    /// The account's payout of this name; `None` when there is none.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn payout_by_reference(&self, account: AccountId, reference: &str) -> Result<Option<PayoutRow>, Fault> {
        queries::by_reference(self.0.store.reader(), account, reference).await
    }
}

impl Inner {
    async fn begin_payout(
        self: Arc<Self>,
        payout: BeginPayout,
        ask: PayoutAsk,
        working: Working,
    ) -> Result<Answer, PaymentsError> {
        let (attempt, subject, claimed) = (payout.attempt(), payout.claim.subject, Asked::by(&payout.claim));
        match self.store.writer().run(payout).await {
            Ok(begun) => match begun? {
                Begun::Taken(known) => self.taken(working.scope(), known),
                Begun::Done(finished) => self.finished(&working, finished),
                Begun::Go(()) => {
                    meter::claimed();
                    let outcome = self.pay_out(attempt.connector, &ask).await;
                    drop(ask); // the account's number is not needed any more
                    self.conclude(Work { attempt, working }, outcome).await
                }
            },
            Err(fault) => Err(self.intent_failed(subject, claimed, working, fault)),
        }
    }
}

/// What is written down and what is told to the acquirer, which alone learns the account's number.
fn parts(
    account_id: AccountId,
    id: PayoutId,
    attempt_id: AttemptId,
    connector: Connector,
    ask: CreatePayout,
) -> (PayoutRow, PayoutAsk) {
    let payout = PayoutRow {
        account_id,
        id,
        attempt_id,
        merchant_reference: ask.merchant_reference.clone(),
        country: ask.country,
        currency: ask.amount.currency(),
        amount: ask.amount.minor(),
        fee: FEE_MINOR,
        connector,
        details: ask.details,
        created_at: Timestamp::EPOCH, // the command enters the time
        state: AttemptState::Sending,
        response: None,
        updated_at: Timestamp::EPOCH,
    };
    let told = PayoutAsk {
        account_id,
        payout_id: id,
        attempt_id,
        amount: ask.amount,
        merchant_reference: ask.merchant_reference,
        description: ask.description,
        bank_account: ask.bank_account,
    };
    (payout, told)
}

fn unkeyed(account_id: AccountId, id: PayoutId, ask: &CreatePayout) -> Once {
    let key = IdempotencyKey::parse(id.to_string().as_bytes()).expect("an id is visible ASCII of 36 characters");
    Once {
        scope: Scope::of(account_id, "POST", UNKEYED_PATH, &key),
        key: key.as_str().into(),
        body_hash: BodyHash::of(&[]),
        request_id: ask.request_id.clone(),
        strict: false,
    }
}
