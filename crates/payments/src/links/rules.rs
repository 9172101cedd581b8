//! Whether a link may be paid.

use kernel::Timestamp;

use super::rows::LinkRow;
use super::types::LinkState;

/// Whether a link may be paid, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Openness {
    /// It may.
    Open,
    /// Its time has not come.
    NotYet(Timestamp),
    /// Its time is over.
    Expired,
    /// It is paid.
    Used,
    /// It was taken back.
    Cancelled,
}

impl LinkRow {
    /// Whether it may be paid at `now`. The end of its time is the first moment at which it may not.
    pub fn openness(&self, now: Timestamp) -> Openness {
        match (self.state, self.start_at, self.finish_at) {
            (LinkState::Used, _, _) => Openness::Used,
            (LinkState::Cancelled, _, _) => Openness::Cancelled,
            (LinkState::Created, _, Some(finish)) if now >= finish => Openness::Expired,
            (LinkState::Created, Some(start), _) if now < start => Openness::NotYet(start),
            (LinkState::Created, _, _) => Openness::Open,
        }
    }

    /// The link's `status`.
    pub fn status(&self, now: Timestamp) -> &'static str {
        match self.openness(now) {
            Openness::Open | Openness::NotYet(_) => "CREATED",
            Openness::Expired => "EXPIRED",
            Openness::Used => "USED",
            Openness::Cancelled => "CANCELED",
        }
    }
}
