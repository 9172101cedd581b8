//! Refusals: why a proof fails, why a key or account is not made or changed.

use db::Fault;
use thiserror::Error;

use crate::address::AllowListError;
use crate::rate::Rate;

/// Why a request is not let in. The texts are safe to show.
#[derive(Debug, Clone, Error)]
pub enum Refused {
    /// Missing, malformed, unknown or wrong: one answer for all of them.
    #[error("the access key could not be proved")]
    InvalidCredentials,
    /// The right secret of a key that is disabled or has expired, or a secret that was replaced.
    #[error("the access key is disabled or has expired")]
    ExpiredCredentials,
    /// The right secret from an address the key may not be used from.
    #[error("the access key may not be used from this address")]
    UnknownIpAddress,
    /// The key's rate is used up.
    #[error("too many requests with this access key")]
    TooManyRequests(Rate),
    /// The address has failed too often.
    #[error("too many failed attempts from this address")]
    TooManyFailures {
        /// Seconds until it may try again.
        retry_in_seconds: u32,
    },
    /// The key could not be looked up.
    #[error("access keys cannot be checked at the moment")]
    Fault(#[from] Fault),
}

/// Why an account or key is not made or changed. The texts are safe to show.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AccessRefusal {
    /// There is no such account.
    #[error("there is no such account")]
    NoSuchAccount,
    /// There is no such key.
    #[error("there is no such access key")]
    NoSuchKey,
    /// The name is empty, blank, too long or has control characters.
    #[error("a name has 1 to {NAME_CHARS_MAX} characters, not only spaces, and no control characters")]
    Name,
    /// The address does not look like one.
    #[error("an e-mail address has 3 to {EMAIL_CHARS_MAX} characters and one @ inside")]
    Email,
    /// A rate outside 1 to [`REQUESTS_PER_MINUTE_MAX`].
    #[error("a rate is 1 to {REQUESTS_PER_MINUTE_MAX} requests a minute")]
    RequestsPerMinute,
    /// A fee or limit below zero or unreasonably large.
    #[error("a fee is at most 10000 basis points, and neither fee nor limit is negative or above the largest amount")]
    Fee,
    /// Too long an overlap.
    #[error("the old secret can stay valid for at most {} seconds", crate::service::OVERLAP_SECONDS_MAX)]
    Overlap,
    /// The expiry lies in the past.
    #[error("the expiry must lie in the future")]
    ExpiryInThePast,
    /// The platform key is wrapped under another master key.
    #[error("this is not the master key of the database, or not any more")]
    OtherMasterKey,
    /// Not a list of addresses.
    #[error(transparent)]
    AllowedAddresses(#[from] AllowListError),
}

/// Most characters of an account's or key's name (key API, section 2.2).
pub(crate) const NAME_CHARS_MAX: usize = 100;
/// Most characters of an e-mail address.
pub(crate) const EMAIL_CHARS_MAX: usize = 255;
/// The highest rate a key of its own can have.
pub(crate) const REQUESTS_PER_MINUTE_MAX: u32 = 6_000_000;

/// Why an operation on accounts or keys did not happen.
#[derive(Debug, Clone, Error)]
pub enum AccessError {
    /// By a rule.
    #[error(transparent)]
    Refused(#[from] AccessRefusal),
    /// The store failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// A sealed value does not open: its row was tampered with.
    #[error("a sealed value in table {table} does not open: {why}")]
    Sealed {
        /// Where it lies.
        table: &'static str,
        /// Why it does not open.
        why: kernel::SealError,
    },
}
