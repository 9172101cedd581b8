//! Why keys and replies are refused.

use thiserror::Error;

/// What is wrong with an idempotency key.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum KeyError {
    /// No characters.
    #[error("the idempotency key is empty")]
    Empty,
    /// More than [`crate::KEY_CHARS_MAX`] characters.
    #[error("the idempotency key is longer than {} characters", crate::KEY_CHARS_MAX)]
    TooLong,
    /// A space, control or non-ASCII character, or a comma.
    #[error("the idempotency key may hold visible ASCII characters only, and no comma")]
    Character,
    /// The header was sent more than once.
    #[error("the idempotency key was sent more than once")]
    Twice,
}

/// Why a reply cannot be stored or read back.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum CodecError {
    /// Body or a header is over its limit.
    #[error("the reply is too large to be recorded")]
    TooLarge,
    /// Packed with a dictionary this program does not have: a newer program wrote it.
    #[error("the stored reply needs dictionary {0}, which this program does not know")]
    Dictionary(u8),
    /// The bytes are not a stored reply.
    #[error("the stored reply is damaged")]
    Damaged,
    /// It is sealed, and the key is not at hand or another one.
    #[error("the stored reply is sealed and does not open")]
    Sealed,
}

/// Why a claim could not be finished, dropped or passed on. Each is a sign that somebody else took over.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum HoldRefusal {
    /// There is no such claim: it was dropped.
    #[error("there is no such claim")]
    NotClaimed,
    /// It belongs to another process, which took over while this one stood still.
    #[error("the claim belongs to another process")]
    NotOwner,
    /// It is finished already.
    #[error("the claim is finished already")]
    AlreadyDone,
    /// Only replies of status 200 to 299 are recorded.
    #[error("only success is recorded")]
    NotSuccess,
    /// The reply cannot be stored.
    #[error(transparent)]
    Reply(#[from] CodecError),
}
