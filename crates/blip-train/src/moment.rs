//! Where a run stands, and what chance gives there.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

/// A step of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The epoch, from 0.
    pub epoch: usize,
    /// The step in the epoch, from 0.
    pub step: usize,
    /// The steps of an epoch.
    pub steps_per_epoch: usize,
    /// The run's seed.
    pub seed: u64,
}

impl Moment {
    /// The step in the whole run, from 0.
    pub fn total(&self) -> usize {
        self.epoch * self.steps_per_epoch + self.step
    }

    /// The randomness of this step for one purpose: the same whenever it is asked for.
    pub fn rng(&self, purpose: u64) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        // A stream of its own for each purpose, and a place of its own in it for each step.
        rng.set_stream(purpose);
        rng.set_word_pos((self.total() as u128) << 32);
        rng
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn chance_depends_on_the_step_and_the_purpose_and_nothing_else() {
        let moment = |step| Moment {
            epoch: 1,
            step,
            steps_per_epoch: 10,
            seed: 7,
        };
        let draw = |step, purpose| moment(step).rng(purpose).next_u64();
        assert_eq!(draw(3, 0), draw(3, 0));
        assert_ne!(draw(3, 0), draw(4, 0));
        assert_ne!(draw(3, 0), draw(3, 1));
        assert_eq!(moment(3).total(), 13);
    }
}
