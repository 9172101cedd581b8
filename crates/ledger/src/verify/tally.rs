use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What all entries of one ledger account add up to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    debits: i128,
    credits: i128,
    entries: i64,
    /// Hashes of the states reached less hashes of the states left, modulo 2^64.
    links: u64,
}

impl Tally {
    pub(super) fn debit(&mut self, amount: i64, sequence: i64, balance: i64) {
        self.debits += i128::from(amount);
        self.entry(-i128::from(amount), sequence, balance);
    }

    pub(super) fn credit(&mut self, amount: i64, sequence: i64, balance: i64) {
        self.credits += i128::from(amount);
        self.entry(i128::from(amount), sequence, balance);
    }

    fn entry(&mut self, change: i128, sequence: i64, balance: i64) {
        self.entries += 1;
        let (number, reached) = (i128::from(sequence), i128::from(balance));
        self.links = self.links.wrapping_add(state(number, reached)).wrapping_sub(state(number - 1, reached - change));
    }

    pub(super) fn entries(&self) -> i64 {
        self.entries
    }

    pub(super) fn sums_to(&self, debits: i64, credits: i64) -> bool {
        (self.debits, self.credits) == (i128::from(debits), i128::from(credits))
    }

    /// Whether the entries lead from nothing, step by step, to the sum of all of them.
    pub(super) fn is_chain(&self) -> bool {
        let last = state(i128::from(self.entries), self.credits - self.debits);
        self.links == last.wrapping_sub(state(0, 0))
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "debits {}, credits {}", self.debits, self.credits)
    }
}

/// The same in every run of one program, which is all that is needed: hashes are compared, never stored.
fn state(number: i128, balance: i128) -> u64 {
    let mut hasher = DefaultHasher::new();
    (number, balance).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Changes as (sequence, change, balance after).
    fn chain(changes: &[i64]) -> Vec<(i64, i64, i64)> {
        let mut balance = 0;
        (1..)
            .zip(changes)
            .map(|(sequence, change)| {
                balance += change;
                (sequence, *change, balance)
            })
            .collect()
    }

    fn tally(entries: &[(i64, i64, i64)]) -> Tally {
        let mut tally = Tally::default();
        for (sequence, change, balance) in entries {
            if *change < 0 {
                tally.debit(-change, *sequence, *balance);
            } else {
                tally.credit(*change, *sequence, *balance);
            }
        }
        tally
    }

    fn changes() -> impl Strategy<Value = Vec<i64>> {
        prop::collection::vec(prop_oneof![-1_000..=-1_i64, 1..=1_000_i64], 1..30)
    }

    proptest! {
        #[test]
        fn a_chain_is_one_in_any_order(changes in changes(), seed in any::<prop::sample::Index>()) {
            let mut entries = chain(&changes);
            entries.rotate_left(seed.index(changes.len()));
            prop_assert!(tally(&entries).is_chain());
        }

        #[test]
        fn one_wrong_number_or_balance_breaks_it(changes in changes(), which in any::<prop::sample::Index>(), by in 1..100_i64, number: bool) {
            let mut entries = chain(&changes);
            let entry = &mut entries[which.index(changes.len())];
            if number { entry.0 += by } else { entry.2 += by }
            prop_assert!(!tally(&entries).is_chain());
        }

        #[test]
        fn a_missing_entry_breaks_it(changes in changes(), which in any::<prop::sample::Index>()) {
            let mut entries = chain(&changes);
            entries.remove(which.index(changes.len()));
            // Without its last entry a chain is a shorter chain: then the account's own number tells.
            prop_assert!(!tally(&entries).is_chain() || which.index(changes.len()) == changes.len() - 1);
        }

        #[test]
        fn an_entry_counted_twice_breaks_it(changes in changes(), which in any::<prop::sample::Index>()) {
            let mut entries = chain(&changes);
            entries.push(entries[which.index(changes.len())]);
            prop_assert!(!tally(&entries).is_chain());
        }
    }
}
