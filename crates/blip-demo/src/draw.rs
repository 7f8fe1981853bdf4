//! Random choices that stay the same for ever.
//!
//! How `rand` maps random bits to a range may change with its version; these maps are a line each and do not.

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// A generator for the texts of a scene: ChaCha8, whose key is the seed.
pub fn seeded(seed: u64) -> ChaCha8Rng {
    keyed(seed, *b"text")
}

/// A generator for one purpose: equal seeds of two purposes are unrelated.
pub(crate) fn keyed(seed: u64, purpose: [u8; 4]) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..12].copy_from_slice(&purpose);
    ChaCha8Rng::from_seed(key)
}

/// Mixes 64 bits so that each depends on all.
///
/// Source: the finaliser of SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) fn mix(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Draws from any generator.
pub(crate) trait Draw: Rng {
    /// A whole number in `0..limit`; 0 if `limit` is 0. Its bias, `limit` in 2^32, is of no matter here.
    fn below(&mut self, limit: usize) -> usize {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        ((u64::from(self.next_u32()) * u64::from(limit)) >> 32) as usize
    }

    /// A number in `0.0..1.0`, of 24 bits.
    fn unit(&mut self) -> f32 {
        (self.next_u32() >> 8) as f32 / (1 << 24) as f32
    }

    /// A number in `low..high`.
    fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// True with this probability.
    fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// One of the values, each as likely; `None` of none.
    fn pick<T: Clone>(&mut self, values: &[T]) -> Option<T> {
        values.get(self.below(values.len())).cloned()
    }

    /// Puts the values in random order.
    fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            let other = self.below(last + 1);
            values.swap(last, other);
        }
    }
}

impl<R: Rng + ?Sized> Draw for R {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_the_same_and_in_range() {
        let mut rng = seeded(1);
        let drawn: Vec<usize> = (0..8).map(|_| rng.below(10)).collect();
        assert_eq!(drawn, [9, 7, 4, 0, 3, 2, 6, 7]);
        assert!((0..1000).all(|_| (2.0..3.0).contains(&rng.between(2.0, 3.0))));
        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.pick::<u8>(&[]), None);
        let mut values: Vec<usize> = (0..20).collect();
        rng.shuffle(&mut values);
        assert!(!values.is_sorted());
        values.sort_unstable();
        assert_eq!(values, (0..20).collect::<Vec<_>>());
    }
}
