//! The tables of payouts: one row per payout with its attempt, one per name that is taken.

use std::sync::Arc;

use kernel::{AccountId, AttemptId, Country, Currency, Money, PayoutId, Timestamp};

use crate::types::{AttemptState, Connector, Response, Said};

db::row! {
    /// A payout and its attempt.
    pub struct PayoutRow: "payout" {
        key { /// The tenant.
              account_id: AccountId,
              /// Its id.
              id: PayoutId }
        once { /// Its attempt; the acquirer's idempotency key.
               attempt_id: AttemptId,
               /// The merchant's name for it.
               merchant_reference: Arc<str>,
               /// Where it was asked for.
               country: Country,
               /// Of the amounts.
               currency: Currency,
               /// What arrives, in minor units.
               amount: i64,
               /// What it costs the merchant on top, in minor units.
               fee: i64,
               /// Where it was sent.
               connector: Connector,
               /// Everything that is only echoed: a JSON object that this crate never looks into.
               details: Option<Arc<[u8]>>,
               /// When the intent was written.
               created_at: Timestamp }
        state { /// How far it got.
                state: AttemptState,
                /// What the acquirer said, or why none was asked.
                response: Option<Response>,
                /// When it last changed.
                updated_at: Timestamp }
    }
}

impl PayoutRow {
    /// What arrives.
    pub fn money(&self) -> Money {
        Money::new(self.amount, self.currency)
    }

    /// What the acquirer said; `None` while it has said nothing.
    pub fn said(&self) -> Option<Said<'_>> {
        self.response.as_ref().and_then(Response::parts)
    }
}

db::row! {
    /// A name that an account has given to a payout.
    pub struct PayoutReferenceRow: "payout_reference" {
        key { /// The tenant.
              account_id: AccountId,
              /// The merchant's name for it.
              merchant_reference: Arc<str> }
        once { /// The payout.
               payout_id: PayoutId }
        state {}
    }
}
