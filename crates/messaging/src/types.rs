//! What things are: events, who wants them, what became of their deliveries.

use std::fmt;

use db::{Column, Kind, Value};

/// To which object an event belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// A payment.
    Payment,
    /// A stored payment method.
    Enrollment,
    /// A subscription.
    Subscription,
    /// A payout.
    Payout,
}

impl Family {
    /// All of them.
    pub const ALL: [Family; 4] = [Self::Payment, Self::Enrollment, Self::Subscription, Self::Payout];

    /// The `type` of its events.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::Enrollment => "enrollment",
            Self::Subscription => "subscription",
            Self::Payout => "payout",
        }
    }

    /// The member of `data` that carries the object.
    pub const fn member(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::Enrollment => "payment_method",
            Self::Subscription => "subscription",
            Self::Payout => "payout",
        }
    }
}

macro_rules! triggers {
    ($(#[doc = $doc:literal] $name:ident = $code:literal, $family:ident $word:literal $event:literal;)+) => {
        db::codes! {
            /// What a receiver can be told about.
            pub enum Trigger { $(#[doc = $doc] $name = $code,)+ }
        }

        impl Trigger {
            /// The object it is about.
            pub const fn family(self) -> Family {
                match self { $(Self::$name => Family::$family,)+ }
            }

            /// Its word in a configuration.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// Its `type_event`.
            pub const fn event(self) -> &'static str {
                match self { $(Self::$name => $event,)+ }
            }

            /// It in a few words.
            pub fn about(self) -> &'static str {
                match self { $(Self::$name => $doc,)+ }.trim()
            }
        }
    };
}

triggers! {
    /// A hold.
    PaymentAuthorize = 0, Payment "AUTHORIZE" "payment.authorize";
    /// A hold let go.
    PaymentCancel = 1, Payment "CANCEL" "payment.cancel";
    /// A capture of a hold.
    PaymentCapture = 2, Payment "CAPTURE" "payment.capture";
    /// A dispute.
    PaymentChargeback = 3, Payment "CHARGEBACK" "payment.chargeback";
    /// A purchase.
    PaymentPurchase = 4, Payment "PURCHASE" "payment.purchase";
    /// Money given back.
    PaymentRefund = 5, Payment "REFUND" "payment.refund";
    /// A card check.
    PaymentVerify = 6, Payment "VERIFY" "payment.verify";
    /// A payment method was stored.
    EnrollmentEnroll = 7, Enrollment "ENROLL" "enrollment.enroll";
    /// A stored payment method was removed.
    EnrollmentUnenroll = 8, Enrollment "UNENROLL" "enrollment.unenroll";
    /// A subscription was made.
    SubscriptionCreate = 9, Subscription "CREATE" "subscription.create";
    /// A subscription became active.
    SubscriptionActive = 10, Subscription "ACTIVE" "subscription.active";
    /// A subscription was paused.
    SubscriptionPause = 11, Subscription "PAUSE" "subscription.pause";
    /// A subscription was resumed.
    SubscriptionResume = 12, Subscription "RESUME" "subscription.resume";
    /// A subscription was cancelled.
    SubscriptionCancel = 13, Subscription "CANCEL" "subscription.cancel";
    /// A subscription has run its course.
    SubscriptionComplete = 14, Subscription "COMPLETE" "subscription.complete";
    /// A subscription is about to be billed.
    SubscriptionCloseToRenewal = 15, Subscription "CLOSE_TO_RENEWAL" "subscription.close_to_renewal";
    /// A cycle could not be billed.
    SubscriptionPastDue = 16, Subscription "PAST_DUE" "subscription.past_due";
    /// A payout.
    PayoutPayout = 17, Payout "PAYOUT" "payout.payout";
}

impl Trigger {
    /// The trigger of this family with this word.
    pub fn parse(family: Family, word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|trigger| trigger.family() == family && trigger.word() == word)
    }
}

/// A set of triggers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Triggers(u32);

impl Triggers {
    /// No trigger.
    pub const NONE: Triggers = Triggers(0);

    /// The set of these.
    pub fn of(triggers: impl IntoIterator<Item = Trigger>) -> Self {
        Self(triggers.into_iter().fold(0, |bits, trigger| bits | Self::bit(trigger)))
    }

    const fn bit(trigger: Trigger) -> u32 {
        1 << trigger.code()
    }

    /// Whether it is one of them.
    pub const fn contain(self, trigger: Trigger) -> bool {
        self.0 & Self::bit(trigger) != 0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those in either set.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those in both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those of one family, in the order of their codes.
    pub fn in_family(self, family: Family) -> impl Iterator<Item = Trigger> {
        self.iter().filter(move |trigger| trigger.family() == family)
    }

    /// All of them, in the order of their codes.
    pub fn iter(self) -> impl Iterator<Item = Trigger> {
        Trigger::ALL.iter().copied().filter(move |trigger| self.contain(*trigger))
    }

    /// The set without those of one family.
    #[must_use]
    pub fn without(self, family: Family) -> Self {
        Self::of(self.iter().filter(|trigger| trigger.family() != family))
    }

    pub(crate) const fn bits(self) -> u32 {
        self.0
    }

    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }
}

impl Column for Triggers {
    const KIND: Kind = Kind::Int;
    fn to_value(&self) -> Value {
        Value::Int(i64::from(self.0))
    }
    fn from_value(value: Value) -> Option<Self> {
        let stored = Self(u32::from_value(value)?);
        (Self::of(stored.iter()) == stored).then_some(stored)
    }
}

db::codes! {
    /// Whether a receiver is told anything.
    pub enum WebhookState {
        /// It is told what it wants to hear.
        Active = 0,
        /// It is told nothing.
        Inactive = 1,
        /// It was deleted: shown to nobody.
        Deleted = 2,
    }
}

impl WebhookState {
    /// As the API spells it; a deleted one is last seen inactive.
    pub const fn wire(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Inactive | Self::Deleted => "INACTIVE",
        }
    }
}

db::codes! {
    /// How far a delivery got.
    pub enum DeliveryState {
        /// It is to be sent, now or later.
        Due = 0,
        /// The receiver confirmed it.
        Delivered = 1,
        /// The last try failed; it is sent again only when somebody asks for it.
        GivenUp = 2,
        /// Its receiver was deleted or switched off before it was confirmed.
        Dropped = 3,
    }
}

impl DeliveryState {
    /// As the API spells it.
    pub const fn wire(self) -> &'static str {
        match self {
            Self::Due => "PENDING",
            Self::Delivered => "DELIVERED",
            Self::GivenUp => "FAILED",
            Self::Dropped => "DROPPED",
        }
    }

    /// The state of that name.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|state| state.wire() == word)
    }
}

db::codes! {
    /// Why a request brought no confirmation, where there was no status to say so.
    pub enum Trouble {
        /// The address is not one that may be called.
        Unsafe = 0,
        /// The name does not resolve.
        Unresolved = 1,
        /// Nobody took the connection, or TLS failed.
        Unreachable = 2,
        /// No answer within the limit.
        Timeout = 3,
        /// The connection ended before the answer.
        BrokenOff = 4,
        /// The receiver's secrets do not open: they were sealed under another master key.
        Sealed = 5,
    }
}

impl Trouble {
    /// In a few words, for the delivery log.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unsafe => "ADDRESS_NOT_ALLOWED",
            Self::Unresolved => "NAME_NOT_RESOLVED",
            Self::Unreachable => "UNREACHABLE",
            Self::Timeout => "TIMEOUT",
            Self::BrokenOff => "CONNECTION_BROKEN",
            Self::Sealed => "SECRETS_UNREADABLE",
        }
    }
}

/// What one request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// The receiver answered with this status.
    Status(u16),
    /// It did not answer.
    Nothing(Trouble),
}

impl fmt::Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::Nothing(trouble) => f.write_str(trouble.word()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_named_after_family_and_word() {
        for trigger in Trigger::ALL {
            let expected = format!("{}.{}", trigger.family().word(), trigger.word().to_lowercase());
            assert_eq!(trigger.event(), expected);
            assert_eq!(Trigger::parse(trigger.family(), trigger.word()), Some(*trigger));
        }
        assert_eq!(Trigger::parse(Family::Payment, "PAUSE"), None);
    }

    #[test]
    fn sets_are_kept_as_numbers_and_unknown_bits_are_refused() {
        let set = Triggers::of([Trigger::PaymentRefund, Trigger::PayoutPayout]);
        assert!(set.contain(Trigger::PaymentRefund) && !set.contain(Trigger::PaymentVerify));
        assert_eq!(Triggers::from_value(set.to_value()), Some(set));
        assert_eq!(Triggers::from_value(Value::Int(1 << 18)), None);
        assert_eq!(set.without(Family::Payout), Triggers::of([Trigger::PaymentRefund]));
        assert!(set.and(Triggers::of([Trigger::PaymentVerify])).is_empty());
    }
}
