//! Random choices that can be made again.
//!
//! ```text
//! (seed, epoch, index) ─ ChaCha8 ─▶ 64-bit words ─▶ shares in 0..1, numbers below a bound, coins
//! ```
//!
//! What is made of the words is written here and not taken from a library, so that a seed gives the same choices with
//! every version of every dependency.

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// What a stream of words is for: equal seeds of different purposes share no word.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Free = 0,
    Sample = 1,
    Order = 2,
}

/// A seeded source of choices, the same on every machine.
///
/// # Examples
///
/// ```
/// use blip_data::Random;
///
/// let mut first = Random::of_sample(42, 3, 17);
/// let mut again = Random::of_sample(42, 3, 17);
/// assert_eq!(first.share(), again.share());
/// assert!(first.below(6) < 6);
/// ```
#[derive(Debug)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// A source that depends on a seed alone.
    pub fn new(seed: u64) -> Self {
        Self::of([seed, 0, 0], Purpose::Free)
    }

    /// The source for one sample of one epoch. A run that begins in the middle, or that loads samples on many threads,
    /// draws the same numbers for it.
    pub fn of_sample(seed: u64, epoch: u64, index: usize) -> Self {
        Self::of([seed, epoch, index as u64], Purpose::Sample)
    }

    pub(crate) fn of([first, second, third]: [u64; 3], purpose: Purpose) -> Self {
        let mut bytes = [0; 32];
        let words = [first, second, third, purpose as u64];
        for (bytes, word) in bytes.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(bytes))
    }

    /// A number of 0..1, 1 excluded, in steps of 2^-53.
    pub fn share(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number between two others.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + self.share() * (high - low)
    }

    /// True with a probability.
    pub fn coin(&mut self, probability: f64) -> bool {
        self.share() < probability
    }

    /// A number below a bound, each as likely as the others; 0 if the bound is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = (bound as u64).max(1);
        // Words of the last, incomplete run of `bound` would favour its first numbers.
        let accepted = u64::MAX - u64::MAX % bound;
        loop {
            let word = self.0.next_u64();
            if word < accepted {
                return (word % bound) as usize;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_never_change() {
        // As a ChaCha8 written down anew in Python gives them.
        let mut random = Random::new(7);
        let numbers: Vec<usize> = (0..8).map(|_| random.below(1000)).collect();
        assert_eq!(numbers, [99, 117, 310, 144, 515, 116, 477, 756]);
        let mut random = Random::of_sample(7, 1, 2);
        let numbers: Vec<usize> = (0..8).map(|_| random.below(1000)).collect();
        assert_eq!(numbers, [958, 797, 164, 87, 621, 738, 403, 487]);
    }

    #[test]
    fn every_part_of_the_seed_counts() {
        let first = |mut random: Random| random.below(usize::MAX);
        let all = [
            first(Random::new(1)),
            first(Random::of_sample(1, 0, 0)),
            first(Random::of_sample(0, 1, 0)),
            first(Random::of_sample(0, 0, 1)),
            first(Random::of_sample(1, 1, 0)),
            first(Random::of([1, 0, 0], Purpose::Order)),
        ];
        for (index, number) in all.iter().enumerate() {
            assert!(!all[..index].contains(number));
        }
    }

    #[test]
    fn numbers_are_spread_evenly() {
        let mut random = Random::new(3);
        let mut counts = [0_usize; 7];
        for _ in 0..7000 {
            counts[random.below(7)] += 1;
        }
        // Six standard deviations of a binomial.
        assert!(
            counts.iter().all(|count| count.abs_diff(1000) < 176),
            "{counts:?}"
        );
        let mean = (0..10_000).map(|_| random.between(2.0, 4.0)).sum::<f64>() / 10_000.0;
        assert!((mean - 3.0).abs() < 6.0 * 0.006, "{mean}");
        let heads = (0..10_000).filter(|_| random.coin(0.3)).count();
        assert!(heads.abs_diff(3000) < 6 * 46, "{heads}");
        assert_eq!(random.below(0), 0);
        assert_eq!(random.below(1), 0);
    }
}
