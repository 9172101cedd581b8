//! Seeded chance: everything a run leaves open is drawn from here.

/// `SplitMix64` (Steele, Lea and Flood 2014): the same draws for the same seed, on every machine and in every version.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// Draws of this seed, apart from those of the same seed for another purpose.
    pub fn of(seed: u64, purpose: u64) -> Chance {
        let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ purpose.wrapping_mul(0xd1b5_4a32_d192_ed03));
        chance.word();
        chance
    }

    /// Sixty-four bits.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number below `end`; 0 when there is none.
    pub fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.word() % end }
    }

    /// A number from `first` to `last`, both possible.
    pub fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last.saturating_sub(first) + 1)
    }

    /// As [`Chance::between`], for amounts.
    pub fn amount(&mut self, first: i64, last: i64) -> i64 {
        first + i64::try_from(self.below(u64::try_from(last - first).unwrap_or(0) + 1)).unwrap_or(0)
    }

    /// True in so many of a thousand cases.
    pub fn hits(&mut self, per_mille: u32) -> bool {
        self.below(1_000) < u64::from(per_mille)
    }

    /// A place in a list of this length.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(u64::try_from(length).unwrap_or(u64::MAX))).unwrap_or(0)
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, among: &'a [T]) -> Option<&'a T> {
        if among.is_empty() { None } else { among.get(self.index(among.len())) }
    }

    /// One of these, each as often as its weight says.
    pub fn weighted<T: Copy>(&mut self, among: &[(u32, T)]) -> Option<T> {
        let mut left = self.below(among.iter().map(|(weight, _)| u64::from(*weight)).sum());
        among.iter().find_map(|(weight, one)| {
            let weight = u64::from(*weight);
            if left < weight {
                return Some(*one);
            }
            left -= weight;
            None
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_for_ever_and_weights_are_kept() {
        let draws: Vec<u64> = (0..3).map(|_| Chance::of(7, 1).below(1_000)).collect();
        assert_eq!(draws[0], draws[1]);
        assert_ne!(Chance::of(7, 1).word(), Chance::of(7, 2).word());
        let mut chance = Chance::of(1, 1);
        let often = (0..1_000).filter(|_| chance.weighted(&[(9, true), (1, false)]) == Some(true)).count();
        assert!((850..950).contains(&often), "{often}");
        assert_eq!(chance.weighted::<bool>(&[]), None);
    }
}
