//! `PATCH /v1/subscriptions/{subscription}`: changes what counts from the next cycle on.

use std::borrow::Cow;

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use kernel::{Money, SubscriptionId};
use payments::subscriptions::{ChangeSubscription, Retries, SubscriptionRow};

use super::create_subscription::{CYCLES_MAX, Frequency, NO_RETRIES, StoredMethod, TrialPeriod, unit};
use super::details::{SubscriptionDetails, packed, raw, unpacked};
use super::parts::{CustomerPayer, Metadata, Moment, Reference, Until, must_be_positive};
use super::{SUBSCRIPTIONS, answer, subscription_reply};
use crate::caller::{Caller, Write};
use crate::envelope::{Code, Problem};
use crate::extract::At;
use crate::object::{self, Body, Kept, Land, Patch, Prose, Reader, Text, Whole, object};
use crate::once::{Once, Optional, refused};
use crate::refusal::problem_of_fault;
use crate::route::Guarded;
use crate::state::Web;

object! {
    /// A change of a subscription: what is absent stays, `null` takes off what need not be there.
    pub(super) struct ChangeSubscriptionBody {
        /// The account of the key, for those who want to say it.
        account_id: Option<object::Account>,
        /// Shown to people; cannot be taken off.
        name: Kept<Prose<3, 255>>,
        /// Where the payments are made; stays as it is, and may be sent as it is.
        country: Patch<Land>,
        /// What a cycle costs from now on; cannot be taken off.
        amount: Kept<object::Amount>,
        /// The stored card that is charged; cannot be taken off.
        payment_method: Kept<StoredMethod>,
        /// How long a cycle is, once the one that is next has begun; cannot be taken off.
        frequency: Kept<Frequency>,
        /// The first cycles; stay as they are, and may be sent as they are.
        trial_period: Patch<TrialPeriod>,
        /// Who pays; stays as it is, and may be sent as it is.
        customer_payer: Patch<CustomerPayer>,
        /// In your words.
        description: Patch<Prose<0, 255>>,
        /// Your own name for it.
        merchant_reference: Patch<Reference>,
        /// What the payer reads on his statement.
        soft_descriptor: Patch<Prose<0, 255>>,
        /// How many cycles there are.
        billing_cycles: Patch<CyclesChange>,
        /// When it ends; the start stays.
        availability: Patch<AvailabilityChange>,
        /// What happens when a cycle is declined.
        retries: Patch<RetriesChange>,
        /// Your own notes, at most 50, each key once.
        metadata: Patch<Metadata>,
    }
}

object! {
    /// How many cycles there are.
    pub(super) struct CyclesChange {
        /// How many, trial cycles included; `null` for no end.
        total: Patch<Whole<1, CYCLES_MAX>>,
    }
}

object! {
    /// Until when something counts.
    pub(super) struct AvailabilityChange {
        /// When it begins; stays as it is, and may be sent as it is.
        start_at: Option<Moment>,
        /// From when on not any more; `null` for never. A date alone means that all of its day in UTC still counts.
        finish_at: Patch<Until>,
    }
}

object! {
    /// What happens when a cycle is declined.
    pub(super) struct RetriesChange {
        /// Try again after 1, 3, 5, 7, 10 and 14 days.
        retry_on_decline: Option<bool>,
        /// How often at most; 6 where cycles were not tried again before.
        amount: Option<Whole<0, RETRIES_MAX>>,
        /// A refusal that trying again cannot mend ends the tries.
        stop_on_hard_decline: Option<bool>,
        /// When the tries are used up, cancel rather than pause.
        cancel_on_exhausted_retries: Option<bool>,
    }
}

/// Most tries after the first.
const RETRIES_MAX: i64 = 6;

impl RetriesChange {
    fn applied(&self, now: Retries) -> Retries {
        let amount = if now.on_decline || now.amount > 0 { now.amount } else { RETRIES_MAX };
        Retries {
            on_decline: self.retry_on_decline.unwrap_or(now.on_decline),
            amount: self.amount.map_or(amount, |Whole(amount)| amount),
            stop_on_hard_decline: self.stop_on_hard_decline.unwrap_or(now.stop_on_hard_decline),
            cancel_on_exhausted: self.cancel_on_exhausted_retries.unwrap_or(now.cancel_on_exhausted),
        }
    }
}

impl Body for ChangeSubscriptionBody {
    type Ask = ChangeSubscriptionBody;

    fn name() -> &'static str {
        "ChangeSubscriptionBody"
    }

    fn judge(self, reader: &mut Reader) -> Option<Self> {
        self.name.judge("name", reader);
        self.amount.judge("amount", reader);
        self.payment_method.judge("payment_method", reader);
        self.frequency.judge("frequency", reader);
        if let Some(object::Amount(amount)) = self.amount.as_set() {
            must_be_positive(*amount, reader);
        }
        Some(self)
    }
}

impl ChangeSubscriptionBody {
    /// Refuses what it says of fields that stay as they are, unless they are so.
    fn judge_fixed(&self, row: &SubscriptionRow) -> Result<(), Problem> {
        let trial = self.trial_period.as_ref().map(|trial| {
            let amount = trial.amount.map_or(Money::zero(row.trial_currency), |amount| amount.0);
            (trial.billing_cycles.0, amount) == (row.trial_cycles, row.trial_money())
        });
        let start_at = self.availability.as_ref().member(|times| times.start_at.map_or(Patch::Unchanged, Patch::Set));
        let fixed = [
            ("country", self.country.as_ref().map(|Land(country)| *country == row.country), true),
            ("trial_period", trial, row.trial_cycles > 0),
            ("customer_payer", self.customer_payer.as_ref().map(|payer| is_payer(payer, row)), row.customer_id.is_some()),
            // Taken off with the whole, it stays: only the end can go.
            ("availability.start_at", start_at.map(|Moment(start)| start == row.start_at), false),
        ];
        let wrong = fixed.iter().filter(|(_, said, is_there)| match said {
            Patch::Unchanged => false,
            Patch::Cleared => *is_there,
            Patch::Set(is_so) => !is_so,
        });
        let wrong: Vec<Cow<'static, str>> = wrong.map(|(name, ..)| Cow::Owned(format!("{name}: cannot be changed"))).collect();
        if wrong.is_empty() { Ok(()) } else { Err(Problem::of(Code::InvalidParameters, wrong)) }
    }

    /// What is to be of what is there.
    fn applied(&self, row: &SubscriptionRow) -> ChangeSubscription {
        let mut details: SubscriptionDetails<'_> = unpacked(row.details.as_deref());
        if let Some(text) = self.description.as_ref().change() {
            details.description = text.map(|Prose(text)| Cow::Borrowed(&**text));
        }
        if let Some(text) = self.merchant_reference.as_ref().change() {
            details.merchant_reference = text.map(|Text(text)| Cow::Borrowed(&**text));
        }
        if let Some(text) = self.soft_descriptor.as_ref().change() {
            details.soft_descriptor = text.map(|Prose(text)| Cow::Borrowed(&**text));
        }
        if let Some(metadata) = self.metadata.as_ref().change() {
            details.metadata = metadata.map(raw);
        }
        let total = self.billing_cycles.as_ref().member(|cycles| cycles.total.as_ref());
        let finish_at = self.availability.as_ref().member(|times| times.finish_at.as_ref());
        let frequency = self.frequency.as_set().map_or((row.unit, row.every), |every| (unit(every.kind), every.value.0));
        ChangeSubscription {
            name: self.name.as_set().map_or_else(|| row.name.clone(), |Prose(name)| name.clone()),
            amount: self.amount.as_set().map_or_else(|| row.money(), |amount| amount.0),
            vaulted_token: match self.payment_method.as_set() {
                Some(method) => method.vaulted_token.0.clone(),
                None => row.vaulted_token.clone(),
            },
            unit: frequency.0,
            every: frequency.1,
            total: total.change().map_or(row.total, |total| total.map(|Whole(total)| *total)),
            finish_at: finish_at.change().map_or(row.finish_at, |time| time.map(|Until(time)| *time)),
            retries: match &self.retries {
                Patch::Unchanged => row.retries(),
                Patch::Cleared => NO_RETRIES,
                Patch::Set(change) => change.applied(row.retries()),
            },
            details: packed(&details),
        }
    }
}

/// Whether these are the payer's data that the subscription was made with: the customer's id where there is one, else all of them.
fn is_payer(payer: &CustomerPayer, row: &SubscriptionRow) -> bool {
    let details: SubscriptionDetails<'_> = unpacked(row.details.as_deref());
    let is_same = || details.customer_payer.is_some_and(|there| there.get() == payer.kept().get());
    payer.customer() == row.customer_id && (row.customer_id.is_some() || is_same())
}

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::PATCH, "/v1/subscriptions/{subscription}", change_subscription).about(|route| {
        route
            .named(SUBSCRIPTIONS, "change-subscription", "Change a subscription")
            .text("What is absent stays as it is, `null` takes off. A change of frequency leaves the next due date as it is and counts from there. Country, payer, trial and start cannot be changed.")
            .params(&[("subscription", "Id of the subscription.")])
            .replies(StatusCode::OK, "The subscription.", subscription_reply())
            .refusals(&[
                (Code::SubscriptionNotFound, "There is no such subscription, or it is somebody else's."),
                (Code::InvalidState, "It is completed or cancelled."),
                (Code::InvalidAmount, "The amount is zero or negative, or in another currency than the trial."),
                (Code::CurrencyNotAllowed, "There is no such currency."),
                (Code::InvalidDate, "The end is not in the future, or not a time."),
                (Code::PaymentMethodNotFound, "There is no such stored card, or it is somebody else's."),
                (Code::PaymentMethodStatusInvalid, "The stored card cannot be charged."),
            ])
    })
}

async fn change_subscription(
    caller: Caller<Write>,
    At(subscription): At<Option<SubscriptionId>>,
    State(web): State<Web>,
    once: Once<Optional, ChangeSubscriptionBody>,
) -> Response {
    match web.wiring.subscriptions.get(caller.account_id(), subscription).await {
        Ok(Some(row)) => {
            if let Err(problem) = once.ask.judge_fixed(&row) {
                return refused(&web, once.key, problem).await;
            }
        }
        Ok(None) => {}
        Err(fault) => return problem_of_fault(&fault).into_response(),
    }
    let change = |row: &SubscriptionRow| once.ask.applied(row);
    let answered = web.wiring.subscriptions.change(caller.account_id(), subscription, change, once.key.clone()).await;
    answer(&web, once.key.as_ref(), answered)
}
