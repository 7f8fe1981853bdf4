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
}
