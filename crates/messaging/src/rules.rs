//! Pure decisions: when to try again, what an answer means, who wants what.

use std::sync::Arc;

use kernel::{Timestamp, WebhookId};

use crate::types::{Answered, Triggers};

/// Most receivers an account may have.
pub const WEBHOOKS_MAX: usize = 50;
/// How often one delivery is tried by itself (payments specification, section 3.11).
pub const TRIES_MAX: u32 = 7;
/// When each try is due, in seconds after the first one: 5 min, 50 min, 6 h, 24 h, 48 h, 96 h.
pub const TRY_OFFSETS_SECONDS: [i64; TRIES_MAX as usize] = [0, 300, 3_000, 21_600, 86_400, 172_800, 345_600];
/// Least time between two tries, in seconds, so that a process that was away for days does not make up for it all at once.
const GAP_SECONDS: i64 = 300;
/// How long a former signing secret goes on signing beside its successor, in seconds (payments specification, section 7).
pub const FORMER_SIGNING_SECONDS: i64 = 24 * 3_600;
/// The one answer that confirms.
const CONFIRMED: u16 = 200;
/// The answer of a receiver that wants nothing any more.
const GONE: u16 = 410;

/// What an answer means for its delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is done.
    Confirmed,
    /// It is tried again then.
    Again(Timestamp),
    /// It was the last try.
    GivenUp,
    /// The receiver is there no more: it is switched off.
    Gone,
}

/// Judges the answer to try number `tries` (from 1) of a round that began at `first`.
pub fn judge(answered: Answered, tries: u32, first: Timestamp, now: Timestamp) -> Verdict {
    match answered {
        Answered::Status(CONFIRMED) => Verdict::Confirmed,
        Answered::Status(GONE) => Verdict::Gone,
        Answered::Status(_) | Answered::Nothing(_) => match TRY_OFFSETS_SECONDS.get(usize::try_from(tries).unwrap_or(usize::MAX))
        {
            Some(offset) => Verdict::Again(first.plus_seconds(*offset).max(now.plus_seconds(GAP_SECONDS))),
            None => Verdict::GivenUp,
        },
    }
}

/// Bytes of one receiver in the stored form: its id and the set of its triggers.
const RECEIVER_BYTES: usize = 16 + 4;

/// The receivers of an account that want anything, packed: 16 bytes of id, 4 bytes of triggers (little-endian), in the order of ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receivers(Vec<(WebhookId, Triggers)>);

impl Receivers {
    /// Those in a stored form; a form that nobody can have written counts as none.
    pub fn unpack(stored: &[u8]) -> Self {
        let one = |bytes: &[u8]| {
            let (id, triggers) = bytes.split_first_chunk::<16>()?;
            Some((WebhookId::from_bytes(*id), Triggers::from_bits(u32::from_le_bytes(triggers.try_into().ok()?))))
        };
        Self(stored.chunks(RECEIVER_BYTES).map_while(one).collect())
    }

    /// The stored form.
    pub fn pack(&self) -> Arc<[u8]> {
        self.0.iter().flat_map(|(id, triggers)| id.bytes().into_iter().chain(triggers.bits().to_le_bytes())).collect()
    }

    /// What this receiver wants from now on; nothing takes it off the list.
    pub fn set(&mut self, id: WebhookId, triggers: Triggers) {
        self.0.retain(|(known, _)| *known != id);
        if !triggers.is_empty() {
            self.0.push((id, triggers));
            self.0.sort_unstable_by_key(|(id, _)| *id);
        }
    }

    /// All receivers with what they want.
    pub fn iter(&self) -> impl Iterator<Item = (WebhookId, Triggers)> + '_ {
        self.0.iter().copied()
    }

    /// What any of them wants.
    pub fn wanted(&self) -> Triggers {
        self.0.iter().fold(Triggers::NONE, |all, (_, triggers)| all.or(*triggers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Trigger, Trouble};

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    #[test]
    fn seven_tries_at_the_times_of_the_specification() {
        let (mut now, mut at) = (NOW, vec![0]);
        for tries in 1..=TRIES_MAX {
            match judge(Answered::Status(500), tries, NOW, now) {
                Verdict::Again(next) => {
                    now = next;
                    at.push(next.seconds_since(NOW));
                }
                verdict => assert_eq!((verdict, tries), (Verdict::GivenUp, TRIES_MAX)),
            }
        }
        assert_eq!(at, TRY_OFFSETS_SECONDS);
    }

    #[test]
    fn tries_that_were_missed_are_not_made_up_for_at_once() {
        let late = NOW.plus_seconds(10 * 86_400);
        let again = judge(Answered::Nothing(Trouble::Timeout), 2, NOW, late);
        assert_eq!(again, Verdict::Again(late.plus_seconds(GAP_SECONDS)));
    }

    #[test]
    fn only_200_confirms() {
        assert_eq!(judge(Answered::Status(200), 7, NOW, NOW), Verdict::Confirmed);
        assert_eq!(judge(Answered::Status(410), 1, NOW, NOW), Verdict::Gone);
        for status in [201, 202, 204, 301, 302, 307, 400, 404, 500] {
            assert!(matches!(judge(Answered::Status(status), 1, NOW, NOW), Verdict::Again(_)), "{status}");
        }
    }

    #[test]
    fn receivers_are_read_back() {
        let id = |number| WebhookId::from_bytes([number; 16]);
        let mut all = Receivers::default();
        all.set(id(2), Triggers::of([Trigger::PaymentRefund]));
        all.set(id(1), Triggers::of([Trigger::PaymentPurchase, Trigger::PayoutPayout]));
        assert_eq!(Receivers::unpack(&all.pack()), all);
        assert!(all.wanted().contain(Trigger::PaymentRefund));
        all.set(id(2), Triggers::NONE);
        assert_eq!(all.iter().map(|(id, _)| id).collect::<Vec<_>>(), [id(1)]);
        all.set(id(1), Triggers::NONE);
        assert!(all.pack().is_empty() && all.wanted().is_empty());
    }
}
