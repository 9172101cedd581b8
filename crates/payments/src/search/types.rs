//! Which payments are looked for, and what is found.

use kernel::{Currency, PaymentId, Timestamp};

use crate::codes::Codes;
use crate::facts::PaymentRead;
use crate::types::PaymentState;

/// Which payments to list.
#[derive(Clone, Copy, Debug)]
pub struct PaymentFilter {
    /// Only those in one of these states.
    pub states: Codes<PaymentState>,
    /// Only those in this currency.
    pub currency: Option<Currency>,
    /// Only those made at this time or later.
    pub created_from: Option<Timestamp>,
    /// Only those made at this time or before.
    pub created_to: Option<Timestamp>,
}

/// Part of a list.
#[derive(Clone, Debug)]
pub struct PaymentPage {
    /// What is on the page.
    pub items: Vec<PaymentRead>,
    /// Where the next page begins: after this one, which need not be on the list itself. `None`: there is nothing more.
    pub next: Option<PaymentId>,
}
