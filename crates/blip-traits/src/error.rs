//! The one error of the contract.

/// What can go wrong between two parts of BLIP.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The caller's value has another shape than the model takes.
    #[error("{name}: expected {expected}, got {got:?}")]
    Shape {
        /// What the value is called, as in the docs.
        name: &'static str,
        /// The shape that is taken, as text, with names for the free axes: `[batch, 3, 384, 384]`.
        expected: String,
        /// The shape that came.
        got: Vec<usize>,
    },

    /// A sequence is longer than the model has positions for.
    #[error("{name}: {length} tokens do not fit the model's {limit} positions")]
    TooLong {
        /// What the sequence is called.
        name: &'static str,
        /// Tokens asked for, those already in the cache included.
        length: usize,
        /// Positions that the model has.
        limit: usize,
    },

    /// A token id that the model's vocabulary does not have.
    #[error("token id {id} is outside the model's vocabulary of {vocab_size}")]
    Token {
        /// The id.
        id: u32,
        /// The number of ids, from 0.
        vocab_size: usize,
    },

    /// Two parts that do not fit each other.
    #[error("{left} gives {name} {left_value}, but {right} takes {right_value}")]
    Incompatible {
        /// What does not match: `hidden_size`, `vocab_size`.
        name: &'static str,
        /// The part that gives.
        left: &'static str,
        /// What it gives.
        left_value: usize,
        /// The part that takes.
        right: &'static str,
        /// What it takes.
        right_value: usize,
    },

    /// The device could not compute or hand back a result.
    #[error("the device failed: {0}")]
    Device(String),

    /// A part from elsewhere (an engine, a server) failed in its own way.
    #[error(transparent)]
    Foreign(Box<dyn std::error::Error + Send + Sync>),
}

impl ModelError {
    /// A [`ModelError::Shape`] from both shapes.
    pub fn shape(name: &'static str, expected: impl Into<String>, got: &[usize]) -> Self {
        Self::Shape {
            name,
            expected: expected.into(),
            got: got.to_vec(),
        }
    }

    /// Wraps the error of an engine that is not ours.
    pub fn foreign(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Foreign(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_error_states_both_sides() {
        let error = ModelError::shape("pixel_values", "[batch, 3, 384, 384]", &[1, 3, 384, 512]);
        assert_eq!(
            error.to_string(),
            "pixel_values: expected [batch, 3, 384, 384], got [1, 3, 384, 512]"
        );
    }
}
