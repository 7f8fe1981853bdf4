//! Vectors of pictures and texts in the space that they share.

use blip_traits::{Features, ModelError};

/// Unit vectors, one for each picture or text: `[rows, embed_dim]`, on the host.
///
/// The dot product of two of them is their cosine, BLIP's `itc_similarity`.
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    values: Vec<f32>,
    embed_dim: usize,
}

impl Embeddings {
    /// Embeddings from a flat vector, each of which is made one of length 1.
    ///
    /// # Shapes
    ///
    /// - values: `[rows, embed_dim]`, row-major
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`] if the number of values is no multiple of `embed_dim`, or that is 0.
    pub fn new(values: Vec<f32>, embed_dim: usize) -> Result<Self, ModelError> {
        if embed_dim == 0 || !values.len().is_multiple_of(embed_dim) {
            let expected = format!("[rows, {embed_dim}] and as many values");
            return Err(ModelError::shape("embeddings", expected, &[values.len()]));
        }
        let rows = values.len() / embed_dim;
        let unit = Features::new(values, [rows, 1, embed_dim])?.normalized();
        Ok(Self {
            values: unit.into_vec(),
            embed_dim,
        })
    }

    /// The number of vectors.
    pub fn len(&self) -> usize {
        self.values.len() / self.embed_dim
    }

    /// Whether there is no vector.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The length of a vector.
    pub fn embed_dim(&self) -> usize {
        self.embed_dim
    }

    /// One vector, `[embed_dim]`.
    ///
    /// # Panics
    ///
    /// If `row` is not below [`len`](Self::len).
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.embed_dim..(row + 1) * self.embed_dim]
    }

    /// All values, row-major.
    pub fn as_slice(&self) -> &[f32] {
        &self.values
    }

    /// The cosines with other vectors, `[self.len()][other.len()]`.
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`] if the others have another length.
    pub fn similarities(&self, other: &Self) -> Result<Vec<Vec<f32>>, ModelError> {
        if self.embed_dim != other.embed_dim {
            let expected = format!("[rows, {}]", self.embed_dim);
            return Err(ModelError::shape(
                "embeddings",
                expected,
                &[other.len(), other.embed_dim],
            ));
        }
        let with_all = |row: usize| {
            let row = self.row(row);
            (0..other.len())
                .map(|column| dot(row, other.row(column)))
                .collect()
        };
        Ok((0..self.len()).map(with_all).collect())
    }

    /// The mean of all vectors, made one of length 1: of a prompt's variants, say.
    pub(crate) fn mean(&self) -> Result<Self, ModelError> {
        let mut sum = vec![0.0; self.embed_dim];
        for row in self.values.chunks_exact(self.embed_dim) {
            for (sum, value) in sum.iter_mut().zip(row) {
                *sum += value;
            }
        }
        Self::new(sum, self.embed_dim)
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let products = a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b));
    products.sum::<f64>() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_made_units_and_compared_by_cosine() {
        let pictures = Embeddings::new(vec![3.0, 4.0, 0.0, 2.0], 2).unwrap();
        let texts = Embeddings::new(vec![5.0, 0.0], 2).unwrap();
        assert_eq!(pictures.similarities(&texts).unwrap(), [[0.6], [0.0]]);
        assert_eq!((pictures.len(), pictures.embed_dim()), (2, 2));
    }

    #[test]
    fn other_lengths_are_refused() {
        assert!(Embeddings::new(vec![1.0; 3], 2).is_err());
        assert!(Embeddings::new(vec![], 0).is_err());
        let (two, three) = (
            Embeddings::new(vec![1.0; 2], 2).unwrap(),
            Embeddings::new(vec![1.0; 3], 3).unwrap(),
        );
        let error = two.similarities(&three).unwrap_err().to_string();
        assert_eq!(error, "embeddings: expected [rows, 2], got [1, 3]");
    }
}
