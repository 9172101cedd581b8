//! The words every domain shares: ids, money, time, secrets, card data, outcomes. No I/O.
//!
//! Invariants of this crate:
//! - Nothing here reads a file, a socket, a clock or the machine's randomness, except [`Source::system`], the one
//!   place where time and randomness enter the product.
//! - Money is an integer number of minor units; there is no float and no rounding outside [`FeeRate`] and [`split`].
//! - A type that holds a secret or card data masks itself in `Debug` and is wiped when dropped.
//!
//! ```
//! use kernel::{Currency, Money};
//!
//! let price = Money::from_decimal_text("19.99", Currency::EUR).expect("a good amount");
//! assert_eq!(price.minor(), 1_999);
//! assert_eq!(price.to_string(), "19.99 EUR");
//! ```

pub mod card;
pub mod country;
pub mod currency;
pub mod data_key;
pub mod id;
pub mod json;
pub mod keyed_hash;
pub mod master_key;
pub mod money;
pub mod outcome;
pub mod sabotage;
pub mod seal;
pub mod secret;
pub mod share;
pub mod source;
pub mod text;
pub mod time;
pub mod verify;

pub use card::{Brand, CardExpiry, CardNumber, SecurityCode, contains_card_number};
pub use country::Country;
pub use currency::Currency;
pub use data_key::{DataKey, KeyWrap};
pub use id::{
    AccessKeyId, AccountId, AttemptId, BootId, CheckoutSessionId, CustomerId, CustomerSessionId, EventId, Id, PaymentId,
    PaymentLinkId, PaymentMethodId, PayoutId, ReportId, SettlementId, SubscriptionId, TokenId, WebhookId, kind,
};
pub use keyed_hash::{KeyedHash, RunningHash, equal_in_constant_time, sha256};
pub use master_key::{MasterKey, MasterKeyError};
pub use money::{AMOUNT_MINOR_MAX, Money, MoneyError};
pub use outcome::{Approval, Decline, Outcome};
pub use seal::{PlatformKey, SealError, Sealer};
pub use secret::{Secret, SecretText};
pub use share::{FeeRate, SplitError, split};
pub use source::{Clock, ManualClock, Random, Source};
pub use time::Timestamp;
