//! What is prepared once for each picture.

use blip_nn::CrossKeyValue;

/// The cross-attention keys and values of some pictures, shared by all the texts that look at them.
#[derive(Clone, Debug)]
pub struct GroundedContext {
    /// One for each layer.
    pub(crate) layers: Vec<CrossKeyValue>,
    pub(crate) images: usize,
}

impl GroundedContext {
    /// The number of pictures.
    pub fn images(&self) -> usize {
        self.images
    }

    /// Some of the pictures, in another order, any of them more than once: nothing is projected again.
    ///
    /// # Panics
    ///
    /// If an index is not below the number of pictures.
    pub fn select(&self, images: &[usize]) -> Self {
        assert!(
            images.iter().all(|&image| image < self.images),
            "an index names a picture"
        );
        Self {
            layers: self.layers.iter().map(|layer| layer.select(images)).collect(),
            images: images.len(),
        }
    }
}
