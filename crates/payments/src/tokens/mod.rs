//! One-time tokens: a card that is good for one use within fifteen minutes.
//!
//! Number and code are records of the vault. A token is *taken* by the intent that uses it and *settled* with the outcome: then both
//! records are destroyed. If it is proven that nothing left the house, the token is given back and may be used again while it lives.
//! Whatever happens, a sweeper destroys both records when the token's time is over. A token that was made for a customer is of no use
//! once he is deleted.

mod commands;
mod queries;
mod rows;
mod service;

pub(crate) use commands::{erase, settle, settle_keys, spend, spend_keys};
pub use rows::TokenRow;
pub use service::CreateToken;

/// How long a token lives (payments specification, section 2.2).
pub const TOKEN_SECONDS: i64 = 15 * 60;

/// How long the row of a token is kept after its end, its card long destroyed: longer than the recorded reply that names it.
pub(crate) const TOKEN_KEPT_SECONDS: i64 = 26 * 60 * 60;
