//! Ids are ordered by time, so a list of some time is a range of ids: the key is walked, and no index of times is needed.
//!
//! An id is made on the machine's clock a moment before its row is written, while the row's own time is the platform's: the database's
//! clock, ahead by the sandbox's offset. So a range of ids is wider than the times it is for, and whoever walks it looks at the
//! rows' own times besides. A row whose time came too late for its id is not written ([`db::Rows::in_time`]).

use db::PlatformClock;
use kernel::{Id, Timestamp};
use uuid::Uuid;

/// How far the clocks of two machines may be apart, in seconds.
const CLOCKS_APART_SECONDS: i64 = 1_800;
/// How far the time in an id and its row's may be apart, in seconds.
const APART_SECONDS: i64 = db::IN_TIME_SECONDS + CLOCKS_APART_SECONDS;
/// Bits of an id after its milliseconds (RFC 9562 section 5.7).
const BITS_AFTER_TIME: u32 = 80;

/// The ids between two, both left out.
pub(crate) struct Ids<K> {
    /// Less than all of them.
    pub(crate) after: Id<K>,
    /// Greater than all of them.
    pub(crate) before: Id<K>,
}

impl<K> Clone for Ids<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Ids<K> {}

impl<K> Ids<K> {
    /// At least all ids of rows that say they were made between the two times.
    pub(crate) fn of(clock: &PlatformClock, from: Option<Timestamp>, to: Option<Timestamp>) -> Self {
        let ahead = clock.now().micros_since(clock.database_time()).max(0);
        Self::ahead_by(ahead, from, to)
    }

    fn ahead_by(micros: i64, from: Option<Timestamp>, to: Option<Timestamp>) -> Self {
        // A row may have been written before the offset grew, or after.
        let first = from.map_or(0, |from| at(from.plus_micros(-micros).plus_seconds(-APART_SECONDS)));
        let last = to.map_or(u128::MAX, |to| at(to.plus_seconds(APART_SECONDS)) | ((1 << BITS_AFTER_TIME) - 1));
        Self { after: Id::from_uuid(Uuid::from_u128(first)), before: Id::from_uuid(Uuid::from_u128(last)) }
    }
}

/// The least id of this time.
fn at(time: Timestamp) -> u128 {
    u128::try_from(time.micros() / 1_000).map_or(0, |millis| millis << BITS_AFTER_TIME)
}

#[cfg(test)]
mod tests {
    use kernel::{PaymentId, Source};

    use super::*;

    #[test]
    fn ids_of_a_time_lie_in_its_range_and_others_do_not() {
        let noon = Timestamp::from_seconds(1_790_000_000);
        let (source, clock) = Source::seeded(1, noon);
        let id = PaymentId::new(&source);
        let holds = |ids: Ids<kernel::id::kind::Payment>| ids.after < id && id < ids.before;
        assert!(holds(Ids::ahead_by(0, Some(noon), Some(noon))));
        assert!(holds(Ids::ahead_by(0, None, None)));
        assert!(!holds(Ids::ahead_by(0, Some(noon.plus_seconds(2 * APART_SECONDS)), None)));
        assert!(!holds(Ids::ahead_by(0, None, Some(noon.plus_seconds(-2 * APART_SECONDS)))));
        // The sandbox's clock is ten days ahead: the row says so, its id does not.
        let ten_days = 10 * kernel::time::MICROS_PER_DAY;
        let row = noon.plus_micros(ten_days);
        assert!(holds(Ids::ahead_by(ten_days, Some(row), Some(row))));
        clock.advance_seconds(1);
        assert!(PaymentId::new(&source) > id);
    }
}
