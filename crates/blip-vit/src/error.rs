//! What cannot be built.

use blip_nn::SizeError;

/// A configuration that describes no Vision Transformer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VitError {
    /// A size that is 0, or heads that do not divide the width.
    #[error(transparent)]
    Size(#[from] SizeError),

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

    /// A rate that is no probability of leaving something out.
    #[error("drop path rate: expected at least 0 and below 1, got {rate}")]
    DropPath {
        /// The rate.
        rate: f64,
    },
}
