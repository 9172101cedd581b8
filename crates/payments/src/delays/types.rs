//! What is to be done later, and when.

use db::{Column, Kind, Value};

use super::rules::DELAY_SECONDS_MAX;

db::codes! {
    /// What is to be done.
    pub enum DelayedStep {
        /// Take what is still held.
        Capture = 0,
        /// Let the hold go.
        Cancel = 1,
    }
}

/// What is to be done with an authorisation, so long after it was approved. Stored as one number: the seconds, doubled, and one more for a
/// cancel; below zero for a capture that is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delay {
    step: DelayedStep,
    seconds: i64,
    retried: bool,
}

impl Delay {
    /// `None` unless it is between one second and [`DELAY_SECONDS_MAX`].
    pub fn new(step: DelayedStep, seconds: i64) -> Option<Self> {
        (1..=DELAY_SECONDS_MAX).contains(&seconds).then_some(Self { step, seconds, retried: false })
    }

    /// The same, to be tried again where it fails for now; of a cancel it means nothing.
    #[must_use]
    pub const fn tried_again(self) -> Self {
        Self { retried: matches!(self.step, DelayedStep::Capture), ..self }
    }

    /// What is to be done.
    pub const fn step(self) -> DelayedStep {
        self.step
    }

    /// How long after the approval.
    pub const fn seconds(self) -> i64 {
        self.seconds
    }

    /// Whether it is tried again where it fails for now.
    pub const fn is_tried_again(self) -> bool {
        self.retried
    }
}

impl Column for Delay {
    const KIND: Kind = Kind::Int;
    fn to_value(&self) -> Value {
        let packed = self.seconds * 2 + i64::from(self.step == DelayedStep::Cancel);
        Value::Int(if self.retried { -packed } else { packed })
    }
    fn from_value(value: Value) -> Option<Self> {
        let stored = i64::from_value(value)?;
        let packed = stored.checked_abs()?;
        let step = if packed % 2 == 0 { DelayedStep::Capture } else { DelayedStep::Cancel };
        let delay = Self::new(step, packed / 2)?;
        match (step, stored < 0) {
            (_, false) => Some(delay),
            (DelayedStep::Capture, true) => Some(delay.tried_again()),
            (DelayedStep::Cancel, true) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_read_as_it_was_written() {
        for step in [DelayedStep::Capture, DelayedStep::Cancel] {
            for seconds in [1, 2, 3_600, DELAY_SECONDS_MAX] {
                let delay = Delay::new(step, seconds).expect("within bounds");
                assert_eq!(Delay::from_value(delay.to_value()), Some(delay));
                let again = delay.tried_again();
                assert_eq!(Delay::from_value(again.to_value()), Some(again));
                assert_eq!((delay.is_tried_again(), again.is_tried_again()), (false, step == DelayedStep::Capture));
            }
            for seconds in [i64::MIN, -1, 0, DELAY_SECONDS_MAX + 1, i64::MAX] {
                assert_eq!(Delay::new(step, seconds), None, "{seconds}");
            }
        }
        for stored in [-3, -1, 0, i64::MIN] {
            assert_eq!(Delay::from_value(Value::Int(stored)), None, "{stored}");
        }
    }
}
