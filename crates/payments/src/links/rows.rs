//! The tables of links: one row per link, one per payment made through one.

use std::sync::Arc;

use kernel::{AccountId, Country, Currency, Money, PaymentId, PaymentLinkId, Timestamp};

use super::types::LinkState;

db::row! {
    /// A payment link.
    pub struct LinkRow: "payment_link" {
        key { /// The tenant.
              account_id: AccountId,
              /// Its id, which is its public code.
              id: PaymentLinkId }
        once { /// Where the payment is made.
               country: Country,
               /// Of the amount.
               currency: Currency,
               /// How much, in minor units.
               amount: i64,
               /// What the payer pays for.
               description: Option<Arc<str>>,
               /// What the merchant calls the order.
               merchant_order_id: Option<Arc<str>>,
               /// Take the money at once rather than hold it.
               capture: bool,
               /// It is paid once.
               one_time_use: bool,
               /// Where the payer goes afterwards.
               callback_url: Option<Arc<str>>,
               /// From when on it may be paid.
               start_at: Option<Timestamp>,
               /// From when on it may not be paid any more.
               finish_at: Option<Timestamp>,
               /// Everything that is only echoed: a JSON object that this crate never looks into.
               details: Option<Arc<[u8]>>,
               /// When it was made.
               created_at: Timestamp }
        state { /// How far it got.
                state: LinkState,
                /// Payments through it that went through.
                payments_number: i64,
                /// Of a link for one use: the payment under way.
                paying: Option<PaymentId>,
                /// When it last changed.
                updated_at: Timestamp }
    }
}

impl LinkRow {
    /// How much is to be paid.
    pub fn money(&self) -> Money {
        Money::new(self.amount, self.currency)
    }
}

db::row! {
    /// Through which link a payment was made.
    pub struct LinkPaymentRow: "payment_link_payment" {
        key { /// The tenant.
              account_id: AccountId,
              /// The payment.
              payment_id: PaymentId }
        once { /// The link.
               link_id: PaymentLinkId }
        state {}
    }
}
