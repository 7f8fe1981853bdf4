//! What cannot be built.

/// A configuration that describes no Vision Transformer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VitError {
    /// A size that has to be at least 1.
    #[error("vision config: {name} is 0")]
    Zero {
        /// The config's field.
        name: &'static str,
    },

    /// The width cannot be split into heads.
    #[error("vision config: hidden_size {hidden_size} is not a multiple of num_attention_heads {heads}")]
    Heads {
        /// `hidden_size`.
        hidden_size: usize,
        /// `num_attention_heads`.
        heads: usize,
    },

    /// The picture cannot be split into patches.
    #[error("image size {height} x {width} is not a positive multiple of the patch size {patch_size}")]
    Patches {
        /// Height in pixels.
        height: usize,
        /// Width in pixels.
        width: usize,
        /// Side of a patch in pixels.
        patch_size: usize,
    },

    /// More patches than are computed with.
    #[error("image size {height} x {width} in patches of {patch_size}: expected at most {limit} patches")]
    TooManyPatches {
        /// Height in pixels.
        height: usize,
        /// Width in pixels.
        width: usize,
        /// Side of a patch in pixels.
        patch_size: usize,
        /// The most patches.
        limit: usize,
    },
}
