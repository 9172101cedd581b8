//! The decisions about subscriptions.

use std::convert::Infallible;

use db::{Command, Keys, Rows};
use idempotency::Reply;
use kernel::{AccountId, SubscriptionId, Timestamp};
use messaging::Family;

use super::rows::{SubscriptionPaymentRow, SubscriptionRow};
use super::rules::{Anchor, Due, Plan, Progress};
use super::types::{ChangeSubscription, CreateSubscription, Cycle, Step, SubscriptionState};
use crate::announce::Herald;
use crate::commands::{Charge, Decision};
use crate::customers;
use crate::error::{AmountRefusal, Refusal};
use crate::facts::Faces;
use crate::origin::JSON;

/// How far in the past a start may be: clocks differ.
const START_TOLERANCE_SECONDS: i64 = 300;
/// For how long whoever takes a due subscription has it for itself.
const LEASE_SECONDS: i64 = 30;

type Key = (AccountId, SubscriptionId);

fn reply(row: &SubscriptionRow, faces: &Faces) -> Reply {
    Reply { status: 200, content_type: JSON.into(), location: None, body: (faces.subscription)(row).into() }
}

/// Lets a subscription go on, tells of it and draws the reply.
fn go_on(rows: &mut Rows, key: Key, progress: &Progress, herald: &Herald, now: Timestamp) -> Reply {
    if rows.must_mut::<SubscriptionRow>(&key).adopt(progress, now) {
        herald.went_on(rows, key, now);
    }
    reply(rows.must::<SubscriptionRow>(&key), &herald.faces)
}

/// `POST /v1/subscriptions`.
#[derive(Debug)]
pub(crate) struct Create {
    pub(crate) account_id: AccountId,
    /// The subscription's fresh id.
    pub(crate) id: SubscriptionId,
    pub(crate) ask: CreateSubscription,
    pub(crate) herald: Herald,
}

impl Create {
    fn row(&self, now: Timestamp) -> SubscriptionRow {
        let ask = self.ask.clone();
        let start_at = ask.start_at.unwrap_or(now);
        let mut row = SubscriptionRow {
            account_id: self.account_id,
            id: self.id,
            country: ask.country,
            start_at,
            trial_cycles: ask.trial_cycles,
            trial_amount: ask.trial_amount.minor(),
            trial_currency: ask.trial_amount.currency(),
            customer_id: ask.customer_id,
            created_at: now,
            name: ask.name,
            currency: ask.amount.currency(),
            amount: ask.amount.minor(),
            vaulted_token: ask.vaulted_token,
            unit: ask.unit,
            every: ask.every,
            anchor_cycle: Anchor::START.cycle,
            anchor_months: Anchor::START.months,
            anchor_days: Anchor::START.days,
            total: ask.total,
            finish_at: ask.finish_at,
            retry_on_decline: ask.retries.on_decline,
            retry_amount: ask.retries.amount,
            stop_on_hard_decline: ask.retries.stop_on_hard_decline,
            cancel_on_exhausted: ask.retries.cancel_on_exhausted,
            details: ask.details,
            state: SubscriptionState::Created,
            cycle: 1,
            tries: 0,
            retries_used: 0,
            declined_at: None,
            next_at: None,
            forced: false,
            wake_at: None,
            paying: None,
            change_id: None,
            changed_at: None,
            changed_to: None,
            updated_at: now,
        };
        row.adopt(&Progress::begun(&row.plan(), now), now);
        row
    }
}

impl Decision for Create {
    fn keys(&self, keys: &mut Keys<'_>) {
        keys.fresh::<SubscriptionRow>((self.account_id, self.id));
        customers::payer_keys(keys, self.account_id, self.ask.customer_id.as_deref());
        self.herald.keys(self.account_id, Family::Subscription, keys);
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Reply, Refusal> {
        if self.ask.start_at.is_some_and(|start| start < now.plus_seconds(-START_TOLERANCE_SECONDS)) {
            return Err(Refusal::InvalidDate("availability.start_at: must not be in the past"));
        }
        customers::payer(rows, self.account_id, self.ask.customer_id.as_deref())?;
        let row = self.row(now);
        judge_finish(row.finish_at, row.start_at, now)?;
        let reply = reply(&row, &self.herald.faces);
        rows.append(row);
        let key = (self.account_id, self.id);
        self.herald.subscribed(rows, key, now);
        self.herald.went_on(rows, key, now);
        Ok(reply)
    }
}

fn judge_finish(finish: Option<Timestamp>, start: Timestamp, now: Timestamp) -> Result<(), Refusal> {
    match finish {
        Some(finish) if finish <= start || finish <= now => {
            Err(Refusal::InvalidDate("availability.finish_at: must be in the future and after the start"))
        }
        _ => Ok(()),
    }
}

/// `PATCH /v1/subscriptions/{id}`: everything that can be changed, as it is to be.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) key: Key,
    /// When it last changed, as the caller read it: another time means that the change was made of something outdated.
    pub(crate) read_at: Timestamp,
    pub(crate) to: ChangeSubscription,
    pub(crate) herald: Herald,
}

impl Decision for Change {
    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<SubscriptionRow>(self.key);
        self.herald.keys(self.key.0, Family::Subscription, keys);
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Reply, Refusal> {
        let row = rows.get_mut::<SubscriptionRow>(&self.key).ok_or(Refusal::SubscriptionNotFound)?;
        if row.updated_at != self.read_at {
            return Err(Refusal::Outdated);
        }
        if matches!(row.state, SubscriptionState::Completed | SubscriptionState::Cancelled) {
            return Err(Refusal::InvalidState);
        }
        let change = self.to.clone();
        if change.finish_at != row.finish_at {
            judge_finish(change.finish_at, row.start_at, now)?;
        }
        if row.trial_cycles > 0 && change.amount.currency() != row.trial_currency {
            return Err(AmountRefusal::NotTheTrials(row.trial_currency).into());
        }
        row.name = change.name;
        (row.amount, row.currency) = (change.amount.minor(), change.amount.currency());
        row.vaulted_token = change.vaulted_token;
        row.count_anew(change.unit, change.every);
        (row.total, row.finish_at) = (change.total, change.finish_at);
        row.retry_on_decline = change.retries.on_decline;
        row.retry_amount = change.retries.amount;
        row.stop_on_hard_decline = change.retries.stop_on_hard_decline;
        row.cancel_on_exhausted = change.retries.cancel_on_exhausted;
        row.details = change.details;
        let mut progress = row.progress();
        progress.keep_within(&row.plan());
        Ok(go_on(rows, self.key, &progress, &self.herald, now))
    }
}

/// `POST /v1/subscriptions/{id}/pause` and its sisters.
#[derive(Debug)]
pub(crate) struct TakeStep {
    pub(crate) key: Key,
    pub(crate) step: Step,
    pub(crate) herald: Herald,
}

impl Decision for TakeStep {
    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<SubscriptionRow>(self.key);
        self.herald.keys(self.key.0, Family::Subscription, keys);
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Reply, Refusal> {
        let row = rows.get_mut::<SubscriptionRow>(&self.key).ok_or(Refusal::SubscriptionNotFound)?;
        let (plan, mut progress) = (row.plan(), row.progress());
        if self.step == Step::Retry && row.paying.is_some() {
            return Err(Refusal::InvalidState);
        }
        progress.step(self.step, &plan, now).map_err(|_| Refusal::InvalidState)?;
        Ok(go_on(rows, self.key, &progress, &self.herald, now))
    }
}

/// Takes a subscription that is due: of several processes one does. What needs no payment is done here.
#[derive(Debug)]
pub(crate) struct Take {
    pub(crate) key: Key,
    /// When it was due, as the scheduler read it: another time means that somebody else was quicker.
    pub(crate) due: Timestamp,
    pub(crate) herald: Herald,
}

/// A cycle to be charged.
#[derive(Debug)]
pub(crate) struct ToCharge {
    pub(crate) row: SubscriptionRow,
    pub(crate) cycle: Cycle,
    pub(crate) amount: kernel::Money,
}

impl Command for Take {
    type Reply = Option<ToCharge>;
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<SubscriptionRow>(self.key);
        self.herald.keys(self.key.0, Family::Subscription, keys);
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Option<ToCharge>, Infallible> {
        let row = rows.get_mut::<SubscriptionRow>(&self.key).filter(|row| row.wake_at == Some(self.due) && row.paying.is_none());
        let Some(row) = row else { return Ok(None) };
        let (plan, mut progress) = (row.plan(), row.progress());
        let due = progress.tick(&plan, now);
        let differs = progress != row.progress() || row.wake_at != progress.wake_at(&plan);
        if differs && row.adopt(&progress, now) {
            self.herald.went_on(rows, self.key, now);
        }
        let Due::Charge(amount) = due else { return Ok(None) };
        let row = rows.must_mut::<SubscriptionRow>(&self.key);
        row.wake_at = Some(now.plus_seconds(LEASE_SECONDS));
        let cycle = Cycle { subscription: row.id, number: row.cycle, attempt: row.tries };
        Ok(Some(ToCharge { row: row.clone(), cycle, amount }))
    }
}

/// A cycle that could not even be sent to an acquirer, because there is no card to charge.
#[derive(Debug)]
pub(crate) struct CannotCharge {
    pub(crate) account_id: AccountId,
    pub(crate) cycle: Cycle,
    pub(crate) herald: Herald,
}

impl Command for CannotCharge {
    type Reply = ();
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<SubscriptionRow>((self.account_id, self.cycle.subscription));
        self.herald.keys(self.account_id, Family::Subscription, keys);
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<(), Infallible> {
        if let Some(row) = expecting(rows, self.account_id, &self.cycle) {
            let (plan, mut progress) = (row.plan(), row.progress());
            progress.cannot_be_charged(&plan, now);
            if row.adopt(&progress, now) {
                self.herald.went_on(rows, (self.account_id, self.cycle.subscription), now);
            }
        }
        Ok(())
    }
}

/// The subscription, if this try at this cycle is what it waits for.
fn expecting<'a>(rows: &'a mut Rows, account_id: AccountId, cycle: &Cycle) -> Option<&'a mut SubscriptionRow> {
    let runs = |state| matches!(state, SubscriptionState::Trialing | SubscriptionState::Active | SubscriptionState::PastDue);
    rows.get_mut::<SubscriptionRow>(&(account_id, cycle.subscription))
        .filter(|row| runs(row.state) && row.paying.is_none() && (row.cycle, row.tries) == (cycle.number, cycle.attempt))
}

/// Names the rows that [`begin`] touches.
pub(crate) fn begin_keys(keys: &mut Keys<'_>, cycle: &Cycle, charge: &Charge) {
    keys.row::<SubscriptionRow>((charge.account_id, cycle.subscription));
    keys.fresh::<SubscriptionPaymentRow>((charge.account_id, charge.payment_id));
}

/// Notes the payment under way, in the commit that writes its intent.
///
/// # Errors
/// [`Refusal::InvalidState`] when the subscription does not wait for this try.
pub(crate) fn begin(rows: &mut Rows, cycle: &Cycle, charge: &Charge, now: Timestamp) -> Result<(), Refusal> {
    let row = expecting(rows, charge.account_id, cycle).ok_or(Refusal::InvalidState)?;
    row.paying = Some(charge.payment_id);
    row.wake_at = None;
    row.updated_at = now;
    let forced = row.forced;
    rows.append(SubscriptionPaymentRow {
        account_id: charge.account_id,
        payment_id: charge.payment_id,
        subscription_id: cycle.subscription,
        cycle: cycle.number,
        attempt: cycle.attempt,
        forced,
    });
    Ok(())
}

impl Progress {
    /// After the plan has changed: what lies behind its end is over.
    fn keep_within(&mut self, plan: &Plan) {
        if self.next_at.is_some() && plan.total.is_some_and(|total| self.cycle > total) {
            (self.state, self.next_at, self.forced) = (SubscriptionState::Completed, None, false);
        }
    }
}
