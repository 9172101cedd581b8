//! Random choices that a seed repeats.

use std::hash::{BuildHasher, Hasher, RandomState};

/// `SplitMix64`: small, and good enough to choose faults and amounts. Source: Steele, Lea, Flood, "Fast splittable
/// pseudorandom number generators", 2014.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The choices of this seed.
    pub fn of(seed: u64) -> Random {
        Random(seed)
    }

    /// A seed nobody chose.
    pub fn any_seed() -> u64 {
        RandomState::new().build_hasher().finish() >> 32
    }

    /// Choices of its own for somebody who works at the same time.
    #[must_use]
    pub fn split(&mut self) -> Random {
        Random(self.any())
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From `least` to `most`, both included.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.any() % (most - least + 1)
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.between(1, 100) <= percent
    }

    /// One of them.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        let last = of.len() as u64 - 1;
        of[usize::try_from(self.between(0, last)).unwrap_or_default()]
    }
}
