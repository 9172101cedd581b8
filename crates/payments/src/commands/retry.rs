//! From one acquirer to the next: what became of the last try and the intent of the following one, in one commit.

use db::{Command, Keys, Rows};
use idempotency::HoldRefusal;
use kernel::{AttemptId, Timestamp};

use super::settle::{Ending, Settle};
use crate::attempt::Attempt;
use crate::earlier::{Earlier, EarlierTry, unreachable};
use crate::origin::Origins;
use crate::rows::PaymentRow;
use crate::types::{AttemptState, Connector};

/// Begins the next try of a first attempt that certainly came to nothing.
#[derive(Clone, Debug)]
pub(crate) struct Retry {
    /// The try that failed.
    pub(crate) failed: Attempt,
    /// How: refused, or never sent.
    pub(crate) ending: Ending,
    /// The next one's fresh id.
    pub(crate) next: AttemptId,
    /// Where it goes.
    pub(crate) connector: Connector,
}

impl Retry {
    /// The next try, to be carried out once this is committed.
    pub(crate) fn attempt(&self) -> Attempt {
        Attempt { id: self.next, charge: self.next, named: self.next, connector: self.connector, ..self.failed.clone() }
    }

    /// For when nobody knows whether this was committed: one of these ends the payment, the other finds nothing to do.
    pub(crate) fn endings(&self, origins: &Origins) -> [Settle; 2] {
        let settle = |attempt, ending| Settle { attempt, ending, asked_for: false, origins: origins.clone() };
        [settle(self.failed.clone(), self.ending.clone()), settle(self.attempt(), Ending::NeverSent)]
    }
}

impl Command for Retry {
    /// `false`: the payment does not wait for this try any more.
    type Reply = bool;
    type Refusal = HoldRefusal;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<PaymentRow>(self.failed.payment_key());
        if let Some(asked) = &self.failed.asked {
            idempotency::held_keys(keys, &asked.scope);
        }
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<bool, HoldRefusal> {
        let waits = |payment: &PaymentRow| payment.attempt_id == self.failed.id && payment.attempt == AttemptState::Sending;
        if !rows.get::<PaymentRow>(&self.failed.payment_key()).is_some_and(waits) {
            return Ok(false);
        }
        if let Some(asked) = &self.failed.asked {
            idempotency::still_held(rows, &asked.scope)?;
        }
        let payment = rows.must_mut::<PaymentRow>(&self.failed.payment_key());
        let failed = EarlierTry {
            id: payment.attempt_id,
            connector: payment.connector,
            state: self.ending.state(),
            response: self.ending.response().cloned().or_else(unreachable),
            began_at: payment.try_began_at(),
            ended_at: now,
        };
        payment.earlier = Some(Earlier::with(payment.earlier.as_ref(), failed));
        payment.attempt_id = self.next;
        payment.connector = self.connector;
        payment.touch(now);
        Ok(true)
    }
}
