//! Vectors on the host.

use crate::ModelError;

/// A vector for each token of a batch of sequences, on the host: what a [`Head`](crate::Head) gives, or hidden states
/// that were read.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    data: Vec<f32>,
    shape: [usize; 3],
}

impl Features {
    /// Features from a flat vector.
    ///
    /// # Shapes
    ///
    /// - data: `[batch, tokens, size]`, row-major
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`] if the vector has another length.
    pub fn new(data: Vec<f32>, shape: [usize; 3]) -> Result<Self, ModelError> {
        let expected = shape
            .iter()
            .try_fold(1_usize, |product, &axis| product.checked_mul(axis));
        if Some(data.len()) != expected {
            let [batch, tokens, size] = shape;
            let expected = format!("[{batch}, {tokens}, {size}] and as many values");
            return Err(ModelError::shape("features", expected, &[data.len()]));
        }
        Ok(Self { data, shape })
    }

    /// `[batch, tokens, size]`.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The vector of one token, `[size]`.
    ///
    /// # Panics
    ///
    /// If `row` or `token` is out of range.
    pub fn at(&self, row: usize, token: usize) -> &[f32] {
        let [batch, tokens, size] = self.shape;
        assert!(row < batch && token < tokens);
        let start = (row * tokens + token) * size;
        &self.data[start..start + size]
    }

    /// All values, row-major.
    pub fn as_slice(&self) -> &[f32] {
        &self.data
    }

    /// All values, row-major.
    pub fn into_vec(self) -> Vec<f32> {
        self.data
    }

    /// The same vectors, each divided by its length.
    ///
    /// A length of less than 1e-12 counts as 1e-12, as in PyTorch's `normalize`.
    pub fn normalized(mut self) -> Self {
        let [.., size] = self.shape;
        if size > 0 {
            self.data.chunks_exact_mut(size).for_each(normalize);
        }
        self
    }
}

/// Divides a vector by its length.
fn normalize(vector: &mut [f32]) {
    // In f64: nearer to the true length than any order of f32 sums.
    let square: f64 = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    let length = square.sqrt().max(1e-12);
    for value in vector {
        *value = (f64::from(*value) / length) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_become_unit_vectors_and_zero_stays() {
        let features = Features::new(vec![3.0, 4.0, 0.0, 0.0], [1, 2, 2])
            .unwrap()
            .normalized();
        assert_eq!(features.at(0, 0), [0.6, 0.8]);
        assert_eq!(features.at(0, 1), [0.0, 0.0]);
    }

    #[test]
    fn another_length_is_refused() {
        let error = Features::new(vec![0.0; 5], [1, 2, 3]).unwrap_err().to_string();
        assert_eq!(error, "features: expected [1, 2, 3] and as many values, got [5]");
    }
}
