//! `POST /v1/subscriptions`: has a stored card charged once per cycle.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use kernel::Money;
use payments::subscriptions::{CreateSubscription, FrequencyUnit, Retries};

use super::details::{SubscriptionDetails, packed, raw};
use super::parts::{Availability, CustomerPayer, Metadata, Reference, must_be_positive};
use super::{SUBSCRIPTIONS, answer, subscription_reply};
use crate::caller::{Caller, MoneyIn};
use crate::envelope::Code;
use crate::object::{self, Body, Land, Prose, Reader, Text, Whole, object, words};
use crate::once::{Once, Optional};
use crate::route::Guarded;
use crate::state::Web;

/// Most cycles that can be asked for.
pub(super) const CYCLES_MAX: i64 = 100_000;

object! {
    /// A subscription to be made.
    pub(super) struct CreateSubscriptionBody {
        /// The account of the key.
        account_id: object::Account,
        /// Shown to people.
        name: Prose<3, 255>,
        /// Where the payments are made: ISO 3166-1 alpha-2.
        country: Land,
        /// What a cycle costs.
        amount: object::Amount,
        /// The stored card that is charged.
        payment_method: StoredMethod,
        /// In your words.
        description: Option<Prose<0, 255>>,
        /// Your own name for it.
        merchant_reference: Option<Reference>,
        /// What the payer reads on his statement.
        soft_descriptor: Option<Prose<0, 255>>,
        /// How long a cycle is; a month when absent.
        frequency: Option<Frequency>,
        /// How many cycles there are; endless when absent.
        billing_cycles: Option<BillingCycles>,
        /// Who pays.
        customer_payer: Option<CustomerPayer>,
        /// The first cycles.
        trial_period: Option<TrialPeriod>,
        /// When it begins and ends.
        availability: Option<Availability>,
        /// What happens when a cycle is declined.
        retries: Option<RetriesBody>,
        /// Your own notes, at most 50, each key once.
        metadata: Option<Metadata>,
    }
}

object! {
    /// A stored card.
    pub(super) struct StoredMethod {
        /// Only `CARD` is offered.
        kind as "type": StoredKind,
        /// The card in the vault.
        vaulted_token: Text<1, 64>,
    }
}

words! {
    /// What can be charged again and again.
    pub(super) enum StoredKind {
        /// A card.
        Card = "CARD",
    }
}

object! {
    /// How long a cycle is.
    pub(super) struct Frequency {
        /// In what it is counted.
        kind as "type": FrequencyWord,
        /// How many of them.
        value: Whole<1, 365> = Whole(1),
    }
}

words! {
    /// In what a cycle is counted.
    pub(super) enum FrequencyWord {
        /// Days.
        Day = "DAY",
        /// Weeks.
        Week = "WEEK",
        /// Calendar months; the day is the start's, or the month's last.
        Month = "MONTH",
        /// Calendar years.
        Year = "YEAR",
    }
}

object! {
    /// How many cycles there are.
    pub(super) struct BillingCycles {
        /// How many, trial cycles included.
        total: Option<Whole<1, CYCLES_MAX>>,
    }
}

object! {
    /// The first cycles.
    pub(super) struct TrialPeriod {
        /// How many.
        billing_cycles: Whole<1, CYCLES_MAX> = Whole(1),
        /// What each of them costs; nothing when absent.
        amount: Option<object::Amount>,
    }
}

object! {
    /// What happens when a cycle is declined.
    pub(super) struct RetriesBody {
        /// Try again after 1, 3, 5, 7, 10 and 14 days.
        retry_on_decline: bool = false,
        /// How often at most.
        amount: Whole<0, 6> = Whole(6),
        /// A refusal that trying again cannot mend ends the tries.
        stop_on_hard_decline: bool = false,
        /// When the tries are used up, cancel rather than pause.
        cancel_on_exhausted_retries: bool = false,
    }
}

impl RetriesBody {
    /// The domain's form.
    pub(super) fn domain(&self) -> Retries {
        Retries {
            on_decline: self.retry_on_decline,
            amount: self.amount.0,
            stop_on_hard_decline: self.stop_on_hard_decline,
            cancel_on_exhausted: self.cancel_on_exhausted_retries,
        }
    }
}

/// What happens when nothing was said about it.
pub(super) const NO_RETRIES: Retries =
    Retries { on_decline: false, amount: 0, stop_on_hard_decline: false, cancel_on_exhausted: false };

pub(super) fn unit(word: FrequencyWord) -> FrequencyUnit {
    match word {
        FrequencyWord::Day => FrequencyUnit::Day,
        FrequencyWord::Week => FrequencyUnit::Week,
        FrequencyWord::Month => FrequencyUnit::Month,
        FrequencyWord::Year => FrequencyUnit::Year,
    }
}

impl Body for CreateSubscriptionBody {
    type Ask = CreateSubscription;

    fn name() -> &'static str {
        "CreateSubscriptionBody"
    }

    fn judge(self, reader: &mut Reader) -> Option<CreateSubscription> {
        let amount = self.amount.0;
        must_be_positive(amount, reader);
        let details = self.details();
        let trial = self.trial_period.as_ref();
        let trial_amount = trial.and_then(|trial| trial.amount).map_or(Money::zero(amount.currency()), |amount| amount.0);
        if trial_amount.currency() != amount.currency() {
            reader.wrong_at(&["trial_period", "amount", "currency"], Code::InvalidAmount, "must be that of the amount");
        }
        let (start_at, finish_at) = Availability::times(self.availability.as_ref());
        let frequency = self.frequency.map_or((FrequencyUnit::Month, 1), |every| (unit(every.kind), every.value.0));
        let customer = self.customer_payer.as_ref().and_then(CustomerPayer::customer);
        Some(CreateSubscription {
            name: self.name.0,
            country: self.country.0,
            amount,
            vaulted_token: self.payment_method.vaulted_token.0,
            unit: frequency.0,
            every: frequency.1,
            total: self.billing_cycles.and_then(|cycles| cycles.total).map(|total| total.0),
            customer_id: customer,
            trial_cycles: trial.map_or(0, |trial| trial.billing_cycles.0),
            trial_amount,
            start_at,
            finish_at,
            retries: self.retries.as_ref().map_or(NO_RETRIES, RetriesBody::domain),
            details,
        })
    }
}

impl CreateSubscriptionBody {
    fn details(&self) -> Option<Arc<[u8]>> {
        let prose = |text: &Option<Prose<0, 255>>| text.as_ref().map(|Prose(text)| Cow::Owned(text.to_string()));
        packed(&SubscriptionDetails {
            description: prose(&self.description),
            merchant_reference: self.merchant_reference.as_ref().map(|Text(text)| Cow::Borrowed(&**text)),
            soft_descriptor: prose(&self.soft_descriptor),
            customer_payer: self.customer_payer.as_ref().map(CustomerPayer::kept),
            metadata: self.metadata.as_ref().map(raw),
        })
    }
}

/// A body that works, for the reference.
const EXAMPLE: &str = r#"{"account_id": "01936b1a-0000-7000-8000-00000000a001", "name": "Magazine", "country": "FR",
 "amount": {"currency": "EUR", "value": 9}, "frequency": {"type": "MONTH", "value": 1},
 "payment_method": {"type": "CARD", "vaulted_token": "01936b1a-0000-7000-8000-00000000c001"},
 "retries": {"retry_on_decline": true, "amount": 3}}"#;

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::POST, "/v1/subscriptions", create_subscription).about(|route| {
        route
            .named(SUBSCRIPTIONS, "create-subscription", "Subscribe a stored card")
            .text("The first cycle is charged at `availability.start_at`, or at once. Each cycle is charged once.")
            .example(EXAMPLE)
            .replies(StatusCode::OK, "The subscription.", subscription_reply())
            .drawn(super::views::sample::subscription_reply)
            .refusals(&[
                (Code::PaymentMethodNotFound, "There is no such stored card."),
                (Code::PaymentMethodStatusInvalid, "The stored card cannot be charged."),
                (Code::CustomerNotFound, "There is no such customer, or it is somebody else's."),
                (Code::InvalidDate, "It would begin in the past, or end before it began."),
                (Code::CustomerNotFound, "`customer_payer.id` is no customer of yours, or one that was deleted."),
                (Code::InvalidCustomerForToken, "The stored card is another customer's than `customer_payer.id`."),
            ])
    })
}

async fn create_subscription(
    caller: Caller<MoneyIn>,
    State(web): State<Web>,
    once: Once<Optional, CreateSubscriptionBody>,
) -> Response {
    let answered = web.wiring.subscriptions.create(caller.account_id(), once.ask, once.key.clone()).await;
    answer(&web, once.key.as_ref(), answered)
}
