//! The draws of sampling.

/// A stream of random numbers that is the same on every platform: SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub(super) struct RandomStream {
    state: u64,
}

impl RandomStream {
    /// The increment of SplitMix64: 2^64 over the golden ratio, made odd.
    const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

    /// The stream of one of several copies.
    ///
    /// The copies' streams start at hashed, hence unrelated, places of the one sequence of length 2^64.
    pub(super) fn new(seed: u64, copy: usize) -> Self {
        let mut of_seed = Self { state: seed };
        let mut of_copy = Self {
            state: of_seed.next_u64() ^ copy as u64,
        };
        Self {
            state: of_copy.next_u64(),
        }
    }

    /// A number in [0, 1) with 53 random bits.
    pub(super) fn next_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(Self::GAMMA);
        let z = self.state;
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_that_of_splitmix64() {
        // The published first outputs for the seed 1234567.
        let mut stream = RandomStream { state: 1_234_567 };
        let got: Vec<u64> = (0..3).map(|_| stream.next_u64()).collect();
        assert_eq!(
            got,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn seeds_and_copies_have_streams_of_their_own() {
        let draw = |seed, copy| RandomStream::new(seed, copy).next_f64();
        let draws = [draw(0, 0), draw(0, 1), draw(1, 0), draw(1, 1), draw(2, 3)];
        for (index, one) in draws.iter().enumerate() {
            assert!((0.0..1.0).contains(one));
            assert!(!draws[..index].contains(one));
        }
    }
}
