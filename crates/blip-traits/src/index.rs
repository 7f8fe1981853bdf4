//! Finding stored vectors.

use std::sync::Arc;

use crate::ModelError;

/// A stored vector, as a search found it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbor {
    /// The vector's place in the index, from 0.
    pub index: usize,
    /// Its dot product with the query: the cosine, as both are of length 1.
    pub similarity: f32,
}

/// Finds the stored vectors that are nearest to a query.
///
/// `blip-index` searches exactly, in memory and in mapped files; an approximate index, or a database elsewhere, takes its
/// place by implementing this.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be searched for vectors by BLIP",
    note = "use `blip_index::ExactIndex`, or implement `blip_traits::VectorIndex` for your own index"
)]
pub trait VectorIndex: Send + Sync {
    /// The `top_k` vectors with the greatest dot product with the query, greatest first; fewer if it holds fewer.
    ///
    /// # Shapes
    ///
    /// - query: `[embed_dim]`
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`] if the query has another length; [`ModelError::Foreign`] if the index fails.
    fn search(&self, query: &[f32], top_k: usize) -> Result<Vec<Neighbor>, ModelError>;

    /// The number of vectors.
    fn len(&self) -> usize;

    /// The length of a vector.
    fn embed_dim(&self) -> usize;

    /// Whether it holds no vector.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

macro_rules! forward_index {
    ($($pointer:ty),+) => {$(
        impl<T: VectorIndex + ?Sized> VectorIndex for $pointer {
            fn search(&self, query: &[f32], top_k: usize) -> Result<Vec<Neighbor>, ModelError> {
                (**self).search(query, top_k)
            }
            fn len(&self) -> usize {
                (**self).len()
            }
            fn embed_dim(&self) -> usize {
                (**self).embed_dim()
            }
        }
    )+};
}

forward_index!(&T, Box<T>, Arc<T>);
