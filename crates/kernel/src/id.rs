//! Typed ids: a UUID that knows what it names, so that an account's id cannot be passed where a payment's is meant.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use thiserror::Error;
use uuid::Uuid;

use crate::keyed_hash::sha256;
use crate::source::Source;
use crate::time::Timestamp;

/// Characters of an id in text: 32 hexadecimal digits and four hyphens (RFC 9562 section 4).
pub const ID_TEXT_CHARS: usize = 36;

/// The 16-byte id of a `K`; in text lower-case and hyphenated.
pub struct Id<K>(Uuid, PhantomData<fn() -> K>);

/// What an id names; `Debug` shows the name.
pub trait Kind {
    /// The kind's name in English, for logs.
    const NAME: &'static str;
}

/// Declares the kinds of ids, with one alias each: the registry of everything that has an id.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident => $alias:ident;)+) => {
        /// One type without values for each kind of thing that has an id.
        pub mod kind {
            $($(#[$doc])* #[derive(Debug)] pub enum $kind {}
            impl super::Kind for $kind { const NAME: &'static str = stringify!($kind); })+
        }
        $($(#[$doc])* pub type $alias = Id<kind::$kind>;)+
    };
}

kinds! {
    /// An access key: token, secret and permission.
    AccessKey => AccessKeyId;
    /// A tenant.
    Account => AccountId;
    /// One try at one acquirer.
    Attempt => AttemptId;
    /// One start of one process, the owner of what it has begun.
    Boot => BootId;
    /// A checkout session.
    CheckoutSession => CheckoutSessionId;
    /// Something that receivers of webhooks are told about.
    Event => EventId;
    /// Somebody who pays a merchant.
    Customer => CustomerId;
    /// A customer's session on the payment page.
    CustomerSession => CustomerSessionId;
    /// A card that a merchant may charge again.
    PaymentMethod => PaymentMethodId;
    /// A one-time token for a card.
    Token => TokenId;
    /// A payment.
    Payment => PaymentId;
    /// A payment link.
    PaymentLink => PaymentLinkId;
    /// Money sent to somebody's bank account.
    Payout => PayoutId;
    /// A report.
    Report => ReportId;
    /// An acquirer's file that says what it settled.
    Settlement => SettlementId;
    /// A subscription.
    Subscription => SubscriptionId;
    /// A receiver of webhooks.
    Webhook => WebhookId;
}

/// The text is not an id in its one accepted form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an id is a lower-case hyphenated UUID")]
pub struct IdError;

/// A UUID that is the same for the same name everywhere and for ever: version 8 over SHA-256 (RFC 9562 section 5.8).
///
/// For the few things that exist once in every installation, such as the platform's own ledger accounts.
pub fn uuid_of_name(name: &str) -> Uuid {
    let digest = sha256(&[b"guichet name\0", name.as_bytes()]);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

impl<K> Id<K> {
    /// A fresh id: UUID version 7, later ids greater than earlier ones of the same source.
    pub fn new(source: &Source) -> Self {
        Self::from_uuid(source.uuid())
    }

    /// The id of the one thing of this kind with that name; see [`uuid_of_name`].
    pub fn of_name(name: &str) -> Self {
        Self::from_uuid(uuid_of_name(name))
    }

    /// When it was made, to the millisecond; `None` for an id that says nothing of it, such as one [`Id::of_name`].
    pub fn made_at(self) -> Option<Timestamp> {
        let (seconds, nanoseconds) = self.0.get_timestamp().filter(|_| self.0.get_version_num() == 7)?.to_unix();
        let whole = Timestamp::from_seconds(i64::try_from(seconds).ok()?);
        Some(whole.plus_micros(i64::from(nanoseconds / 1_000)))
    }

    /// Takes a UUID for an id of this kind.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Id(uuid, PhantomData)
    }

    /// Takes 16 bytes, big-endian, for an id of this kind.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Id(Uuid::from_bytes(bytes), PhantomData)
    }

    /// The id without its kind.
    pub const fn uuid(self) -> Uuid {
        self.0
    }

    /// The id as 16 bytes, big-endian.
    pub const fn bytes(self) -> [u8; 16] {
        *self.0.as_bytes()
    }

    /// Writes the text into `buffer` and gives it back, without allocating.
    pub fn encode(self, buffer: &mut [u8; ID_TEXT_CHARS]) -> &mut str {
        self.0.as_hyphenated().encode_lower(buffer)
    }
}

impl<K> FromStr for Id<K> {
    type Err = IdError;

    /// Exactly the form that `Display` writes: 36 characters, lower case, hyphenated; any UUID version.
    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.len() != ID_TEXT_CHARS || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(IdError);
        }
        Uuid::try_parse(text).map(Self::from_uuid).map_err(|_| IdError)
    }
}

impl<K> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.encode(&mut [0; ID_TEXT_CHARS]))
    }
}

impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", K::NAME, self.encode(&mut [0; ID_TEXT_CHARS]))
    }
}

impl<K> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.encode(&mut [0; ID_TEXT_CHARS]))
    }
}

// By hand, because `derive` would demand the same of `K`, which has no values.
impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Id<K> {}

impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<K> Eq for Id<K> {}

impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        // As one number: the same order as byte by byte, without a call.
        self.0.as_u128().cmp(&other.0.as_u128())
    }
}

impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    #[test]
    fn text_goes_both_ways_and_only_in_one_form() {
        let (source, _) = Source::seeded(1, Timestamp::from_seconds(1_790_000_000));
        let id = PaymentId::new(&source);
        let text = id.to_string();
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(PaymentId::from_bytes(id.bytes()), id);
        assert_eq!(format!("{id:?}"), format!("Payment({text})"));
        let others =
            [text.to_uppercase(), text.replace('-', ""), format!("{{{text}}}"), format!("urn:uuid:{text}"), format!("{text} ")];
        for other in others {
            assert_eq!(other.parse::<PaymentId>(), Err(IdError), "{other}");
        }
        assert_eq!("01981a3c-7e5d-7000-8000-00000000000g".parse::<PaymentId>(), Err(IdError));
        assert_eq!("01981a3c-7e5d-7000-8000-0000000000é".parse::<PaymentId>(), Err(IdError));
    }

    #[test]
    fn a_name_gives_one_uuid_of_version_8() {
        let id = AccountId::of_name("platform");
        assert_eq!(id, AccountId::of_name("platform"));
        assert_ne!(id, AccountId::of_name("sandbox"));
        assert_eq!(id.uuid().get_version_num(), 8);
        assert_eq!(id.made_at(), None);
    }
}
