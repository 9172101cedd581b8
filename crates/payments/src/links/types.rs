//! What a link is and what is asked for.

use std::sync::Arc;

use kernel::{Country, Money, Timestamp};

use super::queries::PaidThrough;
use super::rows::LinkRow;

db::codes! {
    /// How far a link got. That its time is over follows from the clock and is not stored.
    pub enum LinkState {
        /// It may be paid.
        Created = 0,
        /// It was for one use and is paid.
        Used = 1,
        /// The merchant has taken it back.
        Cancelled = 2,
    }
}

/// A link to be made.
#[derive(Clone, Debug)]
pub struct CreateLink {
    /// Where the payment is made.
    pub country: Country,
    /// How much.
    pub amount: Money,
    /// What the payer pays for.
    pub description: Option<Arc<str>>,
    /// What the merchant calls the order.
    pub merchant_order_id: Option<Arc<str>>,
    /// Take the money at once rather than hold it.
    pub capture: bool,
    /// It is paid once.
    pub one_time_use: bool,
    /// Where the payer goes afterwards.
    pub callback_url: Option<Arc<str>>,
    /// Whom it is for, if the customer is known.
    pub customer_id: Option<Arc<str>>,
    /// From when on it may be paid.
    pub start_at: Option<Timestamp>,
    /// From when on it may not be paid any more.
    pub finish_at: Option<Timestamp>,
    /// Everything that is only echoed, as a JSON object.
    pub details: Option<Arc<[u8]>>,
    /// Where the product is reached: part of the address that the reply shows.
    pub base_url: Arc<str>,
}

/// A link as it is shown.
#[derive(Clone, Copy, Debug)]
pub struct LinkFacts<'a> {
    /// The link.
    pub link: &'a LinkRow,
    /// The payments made through it, oldest first.
    pub payments: &'a [PaidThrough],
    /// Where the product is reached.
    pub base_url: &'a str,
    /// When it is looked at.
    pub now: Timestamp,
}
