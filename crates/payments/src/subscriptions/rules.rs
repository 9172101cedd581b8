//! When cycles are due and what follows from their payments. Pure.

use kernel::{Money, Timestamp};
use messaging::Trigger;

use super::types::{FrequencyUnit, Retries, Step, SubscriptionState};

/// Days after the first decline of a cycle at which it is tried again (API rule).
pub const RETRY_DAYS: [i64; 6] = [1, 3, 5, 7, 10, 14];

/// How many days before a renewal receivers of webhooks are told that did not say when.
pub const RENEWAL_DAYS: i64 = 7;

/// As what a change of status is told to receivers of webhooks; `None` where nothing changed.
pub fn news(before: SubscriptionState, after: SubscriptionState) -> Option<Trigger> {
    use SubscriptionState::{Active, Cancelled, Completed, Created, PastDue, Paused, Trialing};
    if before == after {
        return None;
    }
    match after {
        Created => None,
        Trialing | Active if before == Paused => Some(Trigger::SubscriptionResume),
        Trialing | Active => Some(Trigger::SubscriptionActive),
        PastDue => Some(Trigger::SubscriptionPastDue),
        Paused => Some(Trigger::SubscriptionPause),
        Completed => Some(Trigger::SubscriptionComplete),
        Cancelled => Some(Trigger::SubscriptionCancel),
    }
}

/// What was agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// When the first cycle begins.
    pub start_at: Timestamp,
    /// In what a cycle is counted.
    pub unit: FrequencyUnit,
    /// How many of them are a cycle.
    pub every: i64,
    /// Since when.
    pub anchor: Anchor,
    /// How many cycles there are.
    pub total: Option<i64>,
    /// How many of the first ones are a trial.
    pub trial_cycles: i64,
    /// What a trial cycle costs.
    pub trial_amount: Money,
    /// What any other cycle costs.
    pub amount: Money,
    /// When it ends.
    pub finish_at: Option<Timestamp>,
    /// What happens when a cycle is declined.
    pub retries: Retries,
}

/// Where the counting of a frequency begins: at the first cycle of the subscription, or the one that was next when it was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The cycle.
    pub cycle: i64,
    /// It is due so many months after the start of the subscription.
    pub months: i64,
    /// And so many days after that.
    pub days: i64,
}

impl Anchor {
    /// The first cycle, due at the start.
    pub const START: Anchor = Anchor { cycle: 1, months: 0, days: 0 };
}

/// How far a subscription got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How it stands.
    pub state: SubscriptionState,
    /// The cycle that will be charged next, from 1.
    pub cycle: i64,
    /// Tries at charging it so far.
    pub tries: i64,
    /// Tries by the schedule after the first.
    pub retries_used: i64,
    /// When its first try was declined.
    pub declined_at: Option<Timestamp>,
    /// When the next try is due; nothing is due when absent.
    pub next_at: Option<Timestamp>,
    /// The next try was asked for by the merchant.
    pub forced: bool,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing yet.
    Nothing,
    /// The subscription went on without a payment.
    WentOn,
    /// The cycle is to be charged with this amount.
    Charge(Money),
}

/// The state does not allow the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongState;

impl Plan {
    /// When a cycle is due, of those from the anchor on. Counted from the start, so that a short month shifts no later one.
    pub fn due(&self, cycle: i64) -> Timestamp {
        let Anchor { months, days, .. } = self.anchor_at(cycle);
        self.start_at.plus_months(months).plus_days(days)
    }

    /// The same with another frequency: this cycle is due when it was, and those after it as the new one says.
    #[must_use]
    pub fn counted_anew(&self, cycle: i64, unit: FrequencyUnit, every: i64) -> Plan {
        Plan { unit, every, anchor: self.anchor_at(cycle), ..*self }
    }

    fn anchor_at(&self, cycle: i64) -> Anchor {
        let periods = (cycle - self.anchor.cycle).saturating_mul(self.every);
        let (months, days) = match self.unit {
            FrequencyUnit::Day => (0, periods),
            FrequencyUnit::Week => (0, periods.saturating_mul(7)),
            FrequencyUnit::Month => (periods, 0),
            FrequencyUnit::Year => (periods.saturating_mul(12), 0),
        };
        Anchor { cycle, months: self.anchor.months.saturating_add(months), days: self.anchor.days.saturating_add(days) }
    }

    /// The first cycle, not before `from`, that is due after `now`. Days and months are counted roughly first and exactly then.
    fn first_after(&self, from: i64, now: Timestamp) -> i64 {
        let longest_days = match self.unit {
            FrequencyUnit::Day => 1,
            FrequencyUnit::Week => 7,
            FrequencyUnit::Month => 31,
            FrequencyUnit::Year => 366,
        };
        let periods = now.seconds_since(self.due(self.anchor.cycle)) / 86_400 / (longest_days * self.every);
        let mut cycle = from.max(self.anchor.cycle - 1 + periods);
        while self.due(cycle) <= now && self.due(cycle) < Timestamp::MAX {
            cycle += 1;
        }
        cycle
    }

    fn amount_of(&self, cycle: i64) -> Money {
        if cycle <= self.trial_cycles { self.trial_amount } else { self.amount }
    }

    /// How it stands while this cycle is the next to be billed: as the one before, in which it is, had it. So a trial lasts until the
    /// first cycle that is none is billed.
    fn running(&self, next: i64) -> SubscriptionState {
        if (next - 1).max(1) <= self.trial_cycles { SubscriptionState::Trialing } else { SubscriptionState::Active }
    }
}

impl Progress {
    /// A subscription that was just made.
    pub fn begun(plan: &Plan, now: Timestamp) -> Self {
        let state = if plan.start_at > now { SubscriptionState::Created } else { plan.running(1) };
        Self { state, cycle: 1, tries: 0, retries_used: 0, declined_at: None, next_at: Some(plan.start_at), forced: false }
    }

    /// When to look at it next.
    pub fn wake_at(&self, plan: &Plan) -> Option<Timestamp> {
        let next = self.next_at?;
        Some(plan.finish_at.map_or(next, |finish| next.min(finish)))
    }

    /// When the next charge will be, as it is shown.
    pub fn shown_next(&self, plan: &Plan) -> Option<Timestamp> {
        self.next_at.filter(|next| plan.finish_at.is_none_or(|finish| *next < finish))
    }

    /// Whether a renewal is at most so many days away: a charge after the first, by the schedule of cycles.
    pub fn close_to_renewal(&self, plan: &Plan, days: i64, now: Timestamp) -> bool {
        let runs = matches!(self.state, SubscriptionState::Trialing | SubscriptionState::Active);
        let charged = self.cycle > 1 && plan.amount_of(self.cycle).is_positive();
        let near = |next: Timestamp| next > now && next <= now.plus_days(days);
        runs && charged && self.shown_next(plan).is_some_and(near)
    }

    /// What is to be done at `now`; steps that need no payment are taken.
    pub fn tick(&mut self, plan: &Plan, now: Timestamp) -> Due {
        let Some(next) = self.next_at.filter(|_| self.wake_at(plan).is_some_and(|wake| wake <= now)) else { return Due::Nothing };
        if plan.finish_at.is_some_and(|finish| finish <= next) {
            self.end(SubscriptionState::Completed);
            return Due::WentOn;
        }
        if self.state == SubscriptionState::Created {
            self.state = plan.running(self.cycle);
        }
        let amount = plan.amount_of(self.cycle);
        if amount.is_positive() {
            return Due::Charge(amount);
        }
        self.go_on(plan);
        Due::WentOn
    }

    /// The cycle was paid. A pause or an end that came while the payment was under way stands.
    pub fn paid(&mut self, plan: &Plan) {
        self.tries += 1;
        match self.state {
            SubscriptionState::Completed | SubscriptionState::Cancelled => {}
            SubscriptionState::Paused => {
                self.go_on(plan);
                if self.state != SubscriptionState::Completed {
                    (self.state, self.next_at) = (SubscriptionState::Paused, None);
                }
            }
            SubscriptionState::Created | SubscriptionState::Trialing | SubscriptionState::Active | SubscriptionState::PastDue => {
                self.go_on(plan);
            }
        }
    }

    /// A try at the cycle was declined, for good when `hard`.
    pub fn declined(&mut self, plan: &Plan, hard: bool, now: Timestamp) {
        let (first, forced) = (self.tries == 0, std::mem::take(&mut self.forced));
        self.tries += 1;
        if matches!(self.state, SubscriptionState::Paused | SubscriptionState::Completed | SubscriptionState::Cancelled) {
            return;
        }
        let retries = plan.retries;
        if !retries.on_decline || retries.amount == 0 {
            return self.go_on(plan);
        }
        let since = *self.declined_at.get_or_insert(now);
        if !first && !forced {
            self.retries_used += 1;
        }
        let again = usize::try_from(self.retries_used).ok().and_then(|used| RETRY_DAYS.get(used));
        match again {
            Some(days) if self.retries_used < retries.amount && !(hard && retries.stop_on_hard_decline) => {
                (self.state, self.next_at) = (SubscriptionState::PastDue, Some(since.plus_days(*days)));
            }
            _ if retries.cancel_on_exhausted => self.end(SubscriptionState::Cancelled),
            _ => self.end(SubscriptionState::Paused),
        }
    }

    /// There is no card to charge. That is as a hard decline where declines are tried again; elsewhere the subscription is paused
    /// instead of passing one cycle after the other that nobody sees a payment of.
    pub fn cannot_be_charged(&mut self, plan: &Plan, now: Timestamp) {
        if plan.retries.on_decline && plan.retries.amount > 0 {
            self.declined(plan, true, now);
        } else {
            self.end(SubscriptionState::Paused);
        }
    }

    /// A step that is asked for by name.
    ///
    /// # Errors
    /// [`WrongState`]; nothing has changed then.
    pub fn step(&mut self, step: Step, plan: &Plan, now: Timestamp) -> Result<(), WrongState> {
        use SubscriptionState::{Active, Cancelled, Completed, Created, PastDue, Paused, Trialing};
        match (step, self.state) {
            (Step::Pause, Active | Trialing | PastDue) => self.end(Paused),
            (Step::Resume, Paused) => {
                let cycle = plan.first_after(self.cycle, now);
                let cycle = plan.total.map_or(cycle, |total| cycle.min(total + 1)).max(self.cycle);
                let fresh = Self { cycle, tries: 0, retries_used: 0, declined_at: None, forced: false, ..*self };
                *self = if cycle == self.cycle { *self } else { fresh };
                self.aim(plan);
            }
            (Step::Cancel, Created | Active | Trialing | PastDue | Paused) => self.end(Cancelled),
            (Step::Retry, PastDue) => (self.next_at, self.forced) = (Some(now), true),
            (Step::Pause, Created | Paused | Completed | Cancelled)
            | (Step::Resume, Created | Active | Trialing | PastDue | Completed | Cancelled)
            | (Step::Cancel, Completed | Cancelled)
            | (Step::Retry, Created | Active | Trialing | Paused | Completed | Cancelled) => return Err(WrongState),
        }
        Ok(())
    }

    /// To the next cycle, or the end.
    fn go_on(&mut self, plan: &Plan) {
        *self = Self { cycle: self.cycle + 1, tries: 0, retries_used: 0, declined_at: None, forced: false, ..*self };
        self.aim(plan);
    }

    fn aim(&mut self, plan: &Plan) {
        if plan.total.is_some_and(|total| self.cycle > total) {
            return self.end(SubscriptionState::Completed);
        }
        (self.state, self.next_at) = (plan.running(self.cycle), Some(plan.due(self.cycle)));
    }

    fn end(&mut self, state: SubscriptionState) {
        (self.state, self.next_at, self.forced) = (state, None, false);
    }
}

#[cfg(test)]
mod tests;
