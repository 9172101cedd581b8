//! What a payment is made for, where it is not made for its own sake.

use db::{Keys, Rows};
use kernel::{PaymentLinkId, Timestamp};

use crate::commands::Charge;
use crate::error::Refusal;
use crate::links;
use crate::subscriptions::{self, Cycle};
use crate::types::OriginKind;

/// What a payment is made for. Its part of the decision runs in the commit that writes the payment's intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadeFor {
    /// Itself: the request asked for a payment.
    Itself,
    /// Somebody pays a link.
    Link(PaymentLinkId),
    /// A subscription's cycle is due.
    Cycle(Cycle),
}

impl MadeFor {
    /// Who finishes its own object when the payment ends.
    pub(crate) const fn origin(self) -> OriginKind {
        match self {
            Self::Itself => OriginKind::Api,
            Self::Link(_) => OriginKind::Link,
            Self::Cycle(_) => OriginKind::Subscription,
        }
    }

    pub(crate) fn begin_keys(self, keys: &mut Keys<'_>, charge: &Charge) {
        match self {
            Self::Itself => {}
            Self::Link(link) => links::begin_keys(keys, link, charge),
            Self::Cycle(cycle) => subscriptions::begin_keys(keys, &cycle, charge),
        }
    }

    pub(crate) fn begin(self, rows: &mut Rows, charge: &Charge, now: Timestamp) -> Result<(), Refusal> {
        match self {
            Self::Itself => Ok(()),
            Self::Link(link) => links::begin(rows, link, charge, now),
            Self::Cycle(cycle) => subscriptions::begin(rows, &cycle, charge, now),
        }
    }
}
