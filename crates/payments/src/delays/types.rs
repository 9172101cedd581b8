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
/// cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delay {
    step: DelayedStep,
    seconds: i64,
}

impl Delay {
    /// `None` unless it is between one second and [`DELAY_SECONDS_MAX`].
    pub fn new(step: DelayedStep, seconds: i64) -> Option<Self> {
        (1..=DELAY_SECONDS_MAX).contains(&seconds).then_some(Self { step, seconds })
    }

    /// What is to be done.
    pub const fn step(self) -> DelayedStep {
        self.step
    }

    /// How long after the approval.
    pub const fn seconds(self) -> i64 {
        self.seconds
    }
}

impl Column for Delay {
    const KIND: Kind = Kind::Int;
    fn to_value(&self) -> Value {
        Value::Int(self.seconds * 2 + i64::from(self.step == DelayedStep::Cancel))
    }
    fn from_value(value: Value) -> Option<Self> {
        let packed = i64::from_value(value)?;
        let step = if packed.rem_euclid(2) == 0 { DelayedStep::Capture } else { DelayedStep::Cancel };
        Self::new(step, packed.div_euclid(2))
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
            }
            for seconds in [i64::MIN, -1, 0, DELAY_SECONDS_MAX + 1, i64::MAX] {
                assert_eq!(Delay::new(step, seconds), None, "{seconds}");
            }
        }
        assert_eq!(Delay::from_value(Value::Int(-3)), None);
    }
}
