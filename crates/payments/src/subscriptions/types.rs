//! What a subscription is and what is asked for.

use std::sync::Arc;

use kernel::{Country, Money, SubscriptionId, Timestamp};

db::codes! {
    /// How a subscription stands.
    pub enum SubscriptionState {
        /// Its first cycle is in the future.
        Created = 0,
        /// In its trial cycles, the last one until the next is billed.
        Trialing = 1,
        /// Its cycles are charged.
        Active = 2,
        /// A cycle was declined and will be tried again.
        PastDue = 3,
        /// Nothing is charged until it is resumed.
        Paused = 4,
        /// All cycles are over.
        Completed = 5,
        /// Ended before that.
        Cancelled = 6,
    }
}

impl SubscriptionState {
    /// The word of the payments API.
    pub const fn wire(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Trialing => "TRIALING",
            Self::Active => "ACTIVE",
            Self::PastDue => "PAST_DUE",
            Self::Paused => "PAUSED",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELED",
        }
    }

    /// The state with this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|state| state.wire() == word)
    }
}

db::codes! {
    /// In what a cycle is counted.
    pub enum FrequencyUnit {
        /// Days.
        Day = 0,
        /// Weeks.
        Week = 1,
        /// Calendar months.
        Month = 2,
        /// Calendar years.
        Year = 3,
    }
}

impl FrequencyUnit {
    /// The word of the payments API.
    pub const fn wire(self) -> &'static str {
        match self {
            Self::Day => "DAY",
            Self::Week => "WEEK",
            Self::Month => "MONTH",
            Self::Year => "YEAR",
        }
    }
}

/// What happens when a cycle is declined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// Try again.
    pub on_decline: bool,
    /// How often at most, 0 to 6.
    pub amount: i64,
    /// A refusal that trying again cannot mend ends the tries.
    pub stop_on_hard_decline: bool,
    /// When the tries are used up the subscription is cancelled, rather than paused.
    pub cancel_on_exhausted: bool,
}

/// A subscription to be made. The edge has judged the form of every field.
#[derive(Clone, Debug)]
pub struct CreateSubscription {
    /// Shown to people.
    pub name: Arc<str>,
    /// Where the payments are made.
    pub country: Country,
    /// How much a cycle costs.
    pub amount: Money,
    /// The stored card.
    pub vaulted_token: Arc<str>,
    /// In what a cycle is counted.
    pub unit: FrequencyUnit,
    /// How many of them are a cycle.
    pub every: i64,
    /// How many cycles there are, trial cycles included; endless when absent.
    pub total: Option<i64>,
    /// Whose card it is, if the customer is known.
    pub customer_id: Option<Arc<str>>,
    /// How many of the first cycles are a trial.
    pub trial_cycles: i64,
    /// What a trial cycle costs; perhaps nothing.
    pub trial_amount: Money,
    /// When the first cycle begins; now when absent.
    pub start_at: Option<Timestamp>,
    /// When it ends.
    pub finish_at: Option<Timestamp>,
    /// What happens when a cycle is declined.
    pub retries: Retries,
    /// Everything that is only echoed, as a JSON object.
    pub details: Option<Arc<[u8]>>,
}

/// What can be changed later; everything, as it is to be.
#[derive(Clone, Debug)]
pub struct ChangeSubscription {
    /// Shown to people.
    pub name: Arc<str>,
    /// How much a cycle costs from now on.
    pub amount: Money,
    /// The stored card.
    pub vaulted_token: Arc<str>,
    /// In what a cycle is counted, once the one that is next has begun.
    pub unit: FrequencyUnit,
    /// How many of them are a cycle then.
    pub every: i64,
    /// How many cycles there are.
    pub total: Option<i64>,
    /// When it ends.
    pub finish_at: Option<Timestamp>,
    /// What happens when a cycle is declined.
    pub retries: Retries,
    /// Everything that is only echoed, as a JSON object.
    pub details: Option<Arc<[u8]>>,
}

/// A step that is asked for by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Charge nothing until it is resumed.
    Pause,
    /// Go on with the first cycle that is due after now.
    Resume,
    /// End it.
    Cancel,
    /// Try the declined cycle again at once.
    Retry,
}

/// One try at charging one cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// Of which subscription.
    pub subscription: SubscriptionId,
    /// Its number, from 1.
    pub number: i64,
    /// How many tries were made before.
    pub attempt: i64,
}
