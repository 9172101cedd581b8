//! A hold that nobody captured in time is let go.

use std::convert::Infallible;

use db::{Command, Keys, Rows};
use kernel::{AccountId, Currency, Money, PaymentId, Timestamp};
use ledger::Cause;
use ledger::recipes::HoldRelease;
use messaging::Family;

use crate::announce::Herald;
use crate::retries;
use crate::rows::PaymentRow;
use crate::types::Connector;

/// Ends a hold that ran out; nobody needs to be asked, because the issuer lets it lapse as well.
#[derive(Debug)]
pub(crate) struct Lapse {
    pub(crate) key: (AccountId, PaymentId),
    /// Where and in what the hold is, to name the accounts.
    pub(crate) connector: Connector,
    pub(crate) currency: Currency,
    pub(crate) charge: kernel::AttemptId,
    pub(crate) herald: Herald,
}

impl Lapse {
    fn cause(&self) -> Cause {
        Cause { account_id: self.key.0, id: self.charge.uuid(), subject: self.key.1.uuid(), request_id: None }
    }

    fn release(&self, minor: i64) -> HoldRelease {
        HoldRelease { merchant: self.key.0, connector: self.connector.owner(), amount: Money::new(minor, self.currency) }
    }
}

impl Command for Lapse {
    /// Whether there was a hold to end.
    type Reply = bool;
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<PaymentRow>(self.key);
        ledger::keys(keys, &self.cause(), &self.release(1));
        self.herald.keys(self.key.0, Family::Payment, keys);
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<bool, Infallible> {
        if rows.get::<PaymentRow>(&self.key).is_none() {
            return Ok(false);
        }
        let mut standing = retries::standing_of(rows, self.key);
        let Some(minor) = standing.lapsing(now) else { return Ok(false) };
        let retried = standing.retries;
        standing.lapse();
        rows.must_mut::<PaymentRow>(&self.key).adopt(&standing, now);
        retries::keep(rows, self.key, retried, &standing, now);
        // The posting of an authorisation's own attempt is its hold; the release under the same cause happens once, here.
        ledger::post(rows, &self.cause(), &self.release(minor), now).expect("what is released was held");
        self.herald.lapsed(rows, self.key, now);
        Ok(true)
    }
}
