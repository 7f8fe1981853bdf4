//! Vectors in memory, searched exactly.

use blip_traits::{ModelError, Neighbor, VectorIndex};

use crate::nearest::{check_vectors, search};

/// Vectors in memory.
///
/// A search reads all of them, which takes a few milliseconds for 100,000 vectors of 256.
///
/// ```
/// use blip_index::ExactIndex;
/// use blip_traits::VectorIndex;
///
/// let index = ExactIndex::new(vec![1.0, 0.0, 0.6, 0.8, 0.0, 1.0], 2)?;
/// let found = index.search(&[0.0, 1.0], 2)?;
/// assert_eq!(found.iter().map(|neighbor| neighbor.index).collect::<Vec<_>>(), [2, 1]);
/// # Ok::<(), blip_traits::ModelError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ExactIndex {
    vectors: Vec<f32>,
    embed_dim: usize,
}

impl ExactIndex {
    /// Vectors that lie one after the other.
    ///
    /// # Shapes
    ///
    /// - vectors: `[count, embed_dim]`
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`] if `embed_dim` is 0 or `vectors` is no multiple of it.
    pub fn new(vectors: Vec<f32>, embed_dim: usize) -> Result<Self, ModelError> {
        check_vectors(vectors.len(), embed_dim)?;
        Ok(Self { vectors, embed_dim })
    }

    /// All vectors, `[count, embed_dim]`.
    pub fn vectors(&self) -> &[f32] {
        &self.vectors
    }
}

impl VectorIndex for ExactIndex {
    fn search(&self, query: &[f32], top_k: usize) -> Result<Vec<Neighbor>, ModelError> {
        search(&self.vectors, self.embed_dim, query, top_k)
    }

    fn len(&self) -> usize {
        self.vectors.len() / self.embed_dim
    }

    fn embed_dim(&self) -> usize {
        self.embed_dim
    }
}
