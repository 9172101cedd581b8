//! Forgetting what is kept of a deleted customer elsewhere: recorded replies that show him, and what his payments say of his device.
//!
//! Recorded replies go on being repeated, with what is left: a repeat must not make the customer anew. A customer may have very many
//! payments, so they are forgotten page by page, each a command of its own; the customer's row says how far that has come, and whoever
//! finds it unfinished goes on. No payment is made for a customer any more once he is deleted, and replies are drawn from rows, so of
//! each page first the rows are changed and then the replies that were recorded before. What another process remembers of a payment's
//! reply it gave or repeated itself stays in its memory until the key's time is over.

mod commands;
pub(super) mod queries;
mod service;
pub(crate) mod verify;

use idempotency::{Recorded, Scope};
use kernel::PaymentId;

pub(super) use commands::{note, note_keys, replies, replies_keys};

/// Before all payments.
pub(super) const NO_PAYMENT: PaymentId = PaymentId::from_bytes([0; 16]);

/// Replies that were recorded anew: what this process remembers of them is to be replaced.
pub(crate) type Amended = Vec<(Scope, Recorded)>;
