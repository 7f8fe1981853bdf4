//! What training asks of data.

use crate::DataError;

/// Samples by number, so that training can shuffle them and take up where it stopped.
///
/// # Examples
///
/// An epoch from step 2 on, two samples a step:
///
/// ```
/// use blip_data::{DataError, Dataset, epoch_order};
///
/// struct Squares;
///
/// impl Dataset for Squares {
///     type Sample = usize;
///     fn len(&self) -> usize {
///         10
///     }
///     fn sample(&self, index: usize) -> Result<usize, DataError> {
///         Ok(index * index)
///     }
/// }
///
/// let (seed, epoch, step) = (42, 0, 2);
/// for batch in epoch_order(seed, epoch, Squares.len()).chunks(2).skip(step) {
///     for index in batch {
///         match Squares.sample(*index) {
///             Ok(sample) => assert_eq!(sample, index * index),
///             Err(broken) => eprintln!("{broken}"),
///         }
///     }
/// }
/// ```
pub trait Dataset: Send + Sync {
    /// What a sample is: mostly a [`Sample`](crate::Sample).
    type Sample;

    /// How many samples there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Loads a sample. Many threads may do so at once.
    ///
    /// # Errors
    ///
    /// [`DataError::Index`] if there is none of that number, and what is wrong with the sample, which is no reason not
    /// to go on with another.
    fn sample(&self, index: usize) -> Result<Self::Sample, DataError>;

    /// All samples in their order, broken ones as errors.
    fn samples(&self) -> impl Iterator<Item = Result<Self::Sample, DataError>>
    where
        Self: Sized,
    {
        (0..self.len()).map(|index| self.sample(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Odd;

    impl Dataset for Odd {
        type Sample = usize;

        fn len(&self) -> usize {
            4
        }

        fn sample(&self, index: usize) -> Result<usize, DataError> {
            match index % 2 {
                1 => Ok(index),
                _ => Err(DataError::Index { index, len: 4 }),
            }
        }
    }

    #[test]
    fn a_data_set_is_an_object_and_goes_on_after_broken_samples() {
        let object: Box<dyn Dataset<Sample = usize>> = Box::new(Odd);
        assert!(!object.is_empty());
        assert_eq!(object.sample(3).unwrap(), 3);
        let good: Vec<usize> = Odd.samples().filter_map(Result::ok).collect();
        assert_eq!(good, [1, 3]);
    }
}
