//! What a decoder says of the next token.

use crate::ModelError;

/// Scores over the vocabulary before the softmax, on the host.
///
/// The search works on plain numbers, and a decoding step reads the device once: this is that read.
#[derive(Clone, Debug, PartialEq)]
pub struct Logits {
    data: Vec<f32>,
    rows: usize,
    positions: usize,
    vocab_size: usize,
}

impl Logits {
    /// Logits from a flat vector.
    ///
    /// # Shapes
    ///
    /// - data: `[rows, positions, vocab_size]`, row-major
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`] if the vector has another length.
    pub fn new(data: Vec<f32>, [rows, positions, vocab_size]: [usize; 3]) -> Result<Self, ModelError> {
        let expected = rows
            .checked_mul(positions)
            .and_then(|rows| rows.checked_mul(vocab_size));
        if Some(data.len()) != expected {
            let expected = format!("[{rows}, {positions}, {vocab_size}] and as many values");
            return Err(ModelError::shape("logits", expected, &[data.len()]));
        }
        Ok(Self {
            data,
            rows,
            positions,
            vocab_size,
        })
    }

    /// `[rows, positions, vocab_size]`.
    pub fn shape(&self) -> [usize; 3] {
        [self.rows, self.positions, self.vocab_size]
    }

    /// The scores after one position of one row, `[vocab_size]`.
    ///
    /// # Panics
    ///
    /// If `row` or `position` is out of range.
    pub fn at(&self, row: usize, position: usize) -> &[f32] {
        assert!(row < self.rows && position < self.positions);
        let start = (row * self.positions + position) * self.vocab_size;
        &self.data[start..start + self.vocab_size]
    }

    /// Those after the last position of each row alone, `[rows, 1, vocab_size]`.
    pub fn into_last(self) -> Self {
        let [rows, positions, vocab_size] = self.shape();
        if positions <= 1 {
            return self;
        }
        let data = (0..rows).flat_map(|row| self.last(row)).copied().collect();
        Self {
            data,
            rows,
            positions: 1,
            vocab_size,
        }
    }

    /// The scores of the token that comes after the last position of a row, `[vocab_size]`.
    ///
    /// # Panics
    ///
    /// If `row` is out of range, or there is no position.
    pub fn last(&self, row: usize) -> &[f32] {
        self.at(row, self.positions - 1)
    }
}
