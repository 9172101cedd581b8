//! Good and bad days: how the sandbox acquirer behaves at the moment.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use payments::Connector;

/// The longest delay that can be set, in milliseconds.
pub const SLOW_MS_MAX: u32 = 60_000;
/// For how long after the expected reply the platform's side still listens.
pub(crate) const GIVES_UP_AFTER: Duration = Duration::from_millis(500);

/// What goes wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weather {
    /// Nothing.
    #[default]
    Normal,
    /// It acts, and its answer is lost. Questions are not answered either.
    TimeoutAfterCharge,
    /// It does not act, and does not answer. Questions are not answered either.
    TimeoutBeforeCharge,
    /// It acts, and its answer is an error that proves nothing. Questions are answered.
    ErrorAfterCharge,
    /// It cannot be reached: proven that nothing happened.
    Down,
}

impl Weather {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Normal, Self::TimeoutAfterCharge, Self::TimeoutBeforeCharge, Self::ErrorAfterCharge, Self::Down];

    /// The word of `/dev/acquirer`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::TimeoutAfterCharge => "timeout_after_charge",
            Self::TimeoutBeforeCharge => "timeout_before_charge",
            Self::ErrorAfterCharge => "error_after_charge",
            Self::Down => "down",
        }
    }

    /// The one with this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|weather| weather.word() == word)
    }
}

/// How it behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Behaviour {
    /// What goes wrong.
    pub weather: Weather,
    /// How long an answer takes, in milliseconds, at most [`SLOW_MS_MAX`]: half of it passes before it acts, half after.
    pub slow_ms: u32,
}

impl Behaviour {
    /// Half of its delay.
    pub(crate) fn half(self) -> Duration {
        Duration::from_millis(u64::from(self.slow_ms.min(SLOW_MS_MAX))) / 2
    }

    /// Whether any answer arrives.
    pub(crate) const fn answers(self) -> bool {
        matches!(self.weather, Weather::Normal | Weather::ErrorAfterCharge)
    }
}

/// The names it is called by.
pub const NAMES: [Connector; 2] = [Connector::Sandbox, Connector::SandboxB];

/// The behaviour towards each name; forgotten at a restart.
#[derive(Debug, Default)]
pub(crate) struct Behaviours(RwLock<[Behaviour; NAMES.len()]>);

impl Behaviours {
    pub(crate) fn get(&self, connector: Connector) -> Behaviour {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        position(connector).map_or_else(Behaviour::default, |position| all[position])
    }

    pub(crate) fn set(&self, connector: Option<Connector>, behaviour: Behaviour) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match connector.map(position) {
            Some(Some(position)) => all[position] = behaviour,
            Some(None) => {} // no name of the sandbox's
            None => all.fill(behaviour),
        }
    }
}

fn position(connector: Connector) -> Option<usize> {
    NAMES.iter().position(|name| *name == connector)
}
