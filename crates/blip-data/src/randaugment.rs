//! RandAugment: a few operations, drawn for each picture.
//!
//! ```text
//! draw `count` of the operations, with replacement ─▶ leave each out with probability 1/2 ─▶ a direction for each
//! ```
//!
//! Source: salesforce/BLIP@056a169 `transform/randaugment.py` `RandomAugment`. Distributions are the original's,
//! streams of random numbers are not.

use crate::{Augmentation, AutoContrast, DataError, Operation, Random};

/// The most operations that are drawn for a picture.
const MAX_COUNT: usize = 100;

/// Draws operations.
#[derive(Clone, Debug, PartialEq)]
#[doc(alias = "RandomAugment")]
pub struct RandAugment {
    count: usize,
    level: f64,
    operations: Vec<Operation>,
    autocontrast: AutoContrast,
}

impl RandAugment {
    /// `count` draws from `operations` at a level of 0..=10.
    ///
    /// # Errors
    ///
    /// [`DataError::Parameter`] if the level is not of 0..=10, if `operations` is empty, or if `count` is above 100.
    pub fn new(count: usize, level: f64, operations: &[Operation]) -> Result<Self, DataError> {
        let refused = |name, expected, got| Err(DataError::Parameter { name, expected, got });
        if count > MAX_COUNT {
            return refused("count", "at most 100", count.to_string());
        }
        if !(0.0..=10.0).contains(&level) {
            return refused("level", "a number of 0..=10", level.to_string());
        }
        if operations.is_empty() {
            return refused("operations", "at least one", "none".into());
        }
        Ok(Self {
            count,
            level,
            operations: operations.to_vec(),
            autocontrast: AutoContrast::default(),
        })
    }

    /// As BLIP is trained: two of all operations, at level 5. `data/__init__.py`.
    pub fn original() -> Self {
        Self {
            count: 2,
            level: 5.0,
            operations: Operation::ALL.to_vec(),
            autocontrast: AutoContrast::Original,
        }
    }

    /// With another stretch of contrast. [`AutoContrast::Original`] whitens many pictures.
    pub fn with_autocontrast(mut self, autocontrast: AutoContrast) -> Self {
        self.autocontrast = autocontrast;
        self
    }

    /// What is done to one picture: on average half of `count` changes, in this order.
    pub fn draw(&self, random: &mut Random) -> Vec<Augmentation> {
        let drawn: Vec<Operation> = (0..self.count)
            .map(|_| self.operations[random.below(self.operations.len())])
            .collect();
        let mut augmentations = Vec::new();
        for operation in drawn {
            if random.coin(0.5) {
                let negative = operation.has_direction() && random.coin(0.5);
                augmentations.push(operation.at(self.level, negative, self.autocontrast));
            }
        }
        augmentations
    }
}

impl Default for RandAugment {
    /// [`RandAugment::original`].
    fn default() -> Self {
        Self::original()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_spread_as_the_originals() {
        let randaugment = RandAugment::original();
        let mut random = Random::new(5);
        let drawn: Vec<Vec<Augmentation>> = (0..20_000).map(|_| randaugment.draw(&mut random)).collect();
        // Binomials of 20,000; bounds are six standard deviations.
        for (length, expected) in [(0, 5000), (1, 10_000), (2, 5000)] {
            let count = drawn.iter().filter(|drawn| drawn.len() == length).count();
            assert!(count.abs_diff(expected) < 430, "{length}: {count}");
        }
        // 20,000 changes on average, a tenth of them of each operation, half of those in each direction.
        let all: Vec<Augmentation> = drawn.concat();
        for operation in Operation::ALL {
            for negative in [false, true] {
                let expected = if operation.has_direction() { 1000 } else { 2000 };
                let augmentation = operation.at(5.0, negative, AutoContrast::Original);
                let count = all.iter().filter(|drawn| **drawn == augmentation).count();
                assert!(count.abs_diff(expected) < 270, "{augmentation:?}: {count}");
            }
        }
    }

    #[test]
    fn what_cannot_be_drawn_is_refused() {
        let all = &Operation::ALL;
        assert!(RandAugment::new(0, 0.0, all).is_ok());
        for (count, level, operations) in [
            (101, 5.0, &all[..]),
            (2, -0.1, all),
            (2, 10.1, all),
            (2, f64::NAN, all),
            (2, 5.0, &[]),
        ] {
            let error = RandAugment::new(count, level, operations).unwrap_err();
            assert!(matches!(error, DataError::Parameter { .. }), "{error}");
        }
    }

    #[test]
    fn the_kind_of_contrast_is_kept() {
        let randaugment = RandAugment::new(1, 5.0, &[Operation::AutoContrast])
            .unwrap()
            .with_autocontrast(AutoContrast::Pillow);
        let mut random = Random::new(1);
        let drawn: Vec<Augmentation> = (0..20).flat_map(|_| randaugment.draw(&mut random)).collect();
        assert!(!drawn.is_empty());
        assert!(
            drawn
                .iter()
                .all(|drawn| *drawn == Augmentation::AutoContrast(AutoContrast::Pillow))
        );
    }
}
