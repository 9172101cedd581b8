//! Sets of codes, as filters name them: statuses, types.

use std::marker::PhantomData;

use db::{Column, Kind, Value};

/// Something that is stored as a small code.
pub trait Coded: Copy + 'static {
    /// Every one there is.
    const EVERY: &'static [Self];
    /// Its code, from 0 to 62.
    fn stored(self) -> i64;
}

macro_rules! coded {
    ($($name:ty),+) => {$(
        impl Coded for $name {
            const EVERY: &'static [Self] = <$name>::ALL;
            fn stored(self) -> i64 {
                self.code()
            }
        }
    )+};
}
coded!(crate::types::PaymentState, crate::types::AttemptKind, crate::types::AttemptState);

/// A status of payments, transactions and payouts that none of them has yet: refused by our own rules (payments specification, sections
/// 2.6 and 3.4). Whoever asks for it finds nothing.
pub const REJECTED: &str = "REJECTED";

/// A set of them, one bit for each code.
#[derive(Debug, PartialEq, Eq)]
pub struct Codes<T>(i64, PhantomData<fn() -> T>);

impl<T: Coded> Codes<T> {
    /// All, also those that later versions add.
    pub const ALL: Self = Self(i64::MAX, PhantomData);

    /// Those that `wanted` says yes to.
    pub fn where_(wanted: impl Fn(T) -> bool) -> Self {
        let chosen = T::EVERY.iter().filter(|one| wanted(**one));
        Self(chosen.fold(0, |bits, one| bits | 1 << one.stored()), PhantomData)
    }

    /// Those that one of the words, separated by commas, means; `None` when some word means none. No word at all means all. What
    /// `vacant` says are words too, which nothing has.
    pub fn of_words(list: &str, word: impl Fn(T) -> &'static str, vacant: &[&str]) -> Option<Self> {
        let mut words = list.split(',').map(str::trim).filter(|one| !one.is_empty()).peekable();
        if words.peek().is_none() {
            return Some(Self::ALL);
        }
        words.try_fold(Self(0, PhantomData), |all, one| {
            let meant = Self::where_(|coded| word(coded) == one);
            (meant.0 != 0 || vacant.contains(&one)).then_some(Self(all.0 | meant.0, PhantomData))
        })
    }

    /// All words that [`Codes::of_words`] knows, in the order of the alphabet, with blanks between them.
    pub fn words(word: impl Fn(T) -> &'static str, vacant: &[&'static str]) -> String {
        let mut words: Vec<_> = T::EVERY.iter().map(|one| word(*one)).chain(vacant.iter().copied()).collect();
        words.retain(|word| !word.is_empty());
        words.sort_unstable();
        words.dedup();
        words.join(" ")
    }

    /// Whether `one` is in it.
    pub fn contains(self, one: T) -> bool {
        self.0 >> one.stored() & 1 == 1
    }

    /// What is in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0, PhantomData)
    }

    /// Whether nothing is in it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

// By hand, because `derive` would demand the same of `T`.
impl<T> Clone for Codes<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Codes<T> {}

impl<T: 'static> Column for Codes<T> {
    const KIND: Kind = Kind::Int;
    fn to_value(&self) -> Value {
        Value::Int(self.0)
    }
    fn from_value(value: Value) -> Option<Self> {
        i64::from_value(value).map(|bits| Self(bits, PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{AttemptState, PaymentState};

    #[test]
    fn every_code_has_a_bit_of_its_own() {
        for one in PaymentState::ALL {
            assert!((0..63).contains(&one.code()), "{one:?}");
            let set = Codes::where_(|other: PaymentState| other == *one);
            for other in PaymentState::ALL {
                assert_eq!(set.contains(*other), one == other);
            }
            assert!(Codes::<PaymentState>::ALL.contains(*one));
        }
    }

    #[test]
    fn words_mean_all_that_are_shown_so() {
        let read = |list| Codes::of_words(list, PaymentState::status, &[REJECTED]);
        let pending = read("PENDING, REFUNDED").expect("words");
        for (state, there) in [
            (PaymentState::Authorised, true),
            (PaymentState::AwaitingPayer, true),
            (PaymentState::Refunded, true),
            (PaymentState::Approved, false),
        ] {
            assert_eq!(pending.contains(state), there, "{state:?}");
        }
        assert_eq!(read(" , "), Some(Codes::ALL));
        assert_eq!(read("PENDING,pending"), None);
        assert_eq!(Codes::of_words("NOBODY", AttemptState::wire, &[REJECTED]), None);
        assert_eq!(Codes::of_words(REJECTED, AttemptState::wire, &[]), None);
        assert!(read("REJECTED").is_some_and(Codes::is_empty), "nobody is meant, not everybody");
        assert_eq!(read("REJECTED, REFUNDED"), read("REFUNDED"));
        assert!(!pending.and(read("REFUNDED").expect("a word")).contains(PaymentState::Authorised));
    }
}
