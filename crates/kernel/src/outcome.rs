//! What became of a request to an outside system that moves money, and when to ask again while nobody knows.

use std::borrow::Cow;

/// The answer of an acquirer, or what we know without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Approved(Approval),
    /// Refused; nothing happened at the acquirer.
    Declined(Decline),
    /// The acquirer says that it failed while working on it; nothing happened there. Shown as an error, not as a
    /// refusal by the payer's bank.
    Failed {
        /// Our word for it, upper snake case.
        code: Cow<'static, str>,
    },
    /// The payer must prove at the acquirer that the card is his; until then nothing has happened.
    ActionRequired {
        /// The acquirer's name for the attempt.
        reference: Cow<'static, str>,
    },
    /// The acquirer has it and will tell later; to be asked about like an unknown outcome.
    Pending,
    /// It is proven that the acquirer never got the request: refused connection, name not found, TLS failure before
    /// the request was written.
    NotSent {
        /// For the log.
        reason: Cow<'static, str>,
    },
    /// Anything else: time-out, reset, 5xx, an answer that cannot be read. The money may have moved.
    Unknown {
        /// For the log.
        reason: Cow<'static, str>,
    },
}

/// What an acquirer says when it has done what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// The acquirer's name for it.
    pub reference: Cow<'static, str>,
    /// Our response code, upper snake case; `SUCCEEDED` as a rule.
    pub code: Cow<'static, str>,
    /// The ISO 8583 response code (field 39), where the acquirer gives one.
    pub iso: Option<Cow<'static, str>>,
    /// The issuer's approval code (ISO 8583 field 38), where the acquirer passes it on.
    pub authorization_code: Option<Cow<'static, str>>,
    /// How the payer was authenticated on the way (3-D Secure's electronic commerce indicator), where he was.
    pub eci: Option<Cow<'static, str>>,
}

/// What an acquirer says when it refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decline {
    /// The acquirer's name for the attempt, where it gives one.
    pub reference: Option<Cow<'static, str>>,
    /// Our response code, upper snake case, such as `INSUFFICIENT_FUNDS`.
    pub code: Cow<'static, str>,
    /// Whether trying again can never help (stolen card), as opposed to perhaps (no funds today).
    pub hard: bool,
    /// The ISO 8583 response code (field 39), where the acquirer gives one.
    pub iso: Option<Cow<'static, str>>,
}

impl Outcome {
    /// Whether what happened is certain, so that there is nothing to ask about.
    pub fn is_known(&self) -> bool {
        match self {
            Outcome::Approved(_)
            | Outcome::Declined(_)
            | Outcome::Failed { .. }
            | Outcome::ActionRequired { .. }
            | Outcome::NotSent { .. } => true,
            Outcome::Pending | Outcome::Unknown { .. } => false,
        }
    }
}

/// Seconds to wait before the first, second … question about an unknown outcome (payments family, section 3.6).
pub const ASKING_SCHEDULE_SECONDS: [u32; 7] = [2, 5, 10, 30, 60, 120, 300];
/// Seconds to wait before each later question.
pub const ASKING_LATER_SECONDS: u32 = 600;

/// Seconds to wait before the next question, after so many that found nothing out.
pub fn next_ask(asks: u32) -> u32 {
    usize::try_from(asks).ok().and_then(|asks| ASKING_SCHEDULE_SECONDS.get(asks)).copied().unwrap_or(ASKING_LATER_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_become_rarer_and_never_stop() {
        let waits: Vec<u32> = (0..9).map(next_ask).collect();
        assert_eq!(waits, [2, 5, 10, 30, 60, 120, 300, 600, 600]);
        assert_eq!(next_ask(u32::MAX), 600);
    }
}
