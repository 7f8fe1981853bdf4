//! The sizes of a Vision Transformer.

use blip_nn::check_sizes;

use crate::VitError;

/// The sizes of a [`VisionTransformer`](crate::VisionTransformer), named as in Hugging Face's `config.json`.
#[derive(Clone, Debug, PartialEq)]
pub struct VitConfig {
    /// Width of a token's vector.
    pub hidden_size: usize,
    /// Width inside a block's feed-forward part.
    pub intermediate_size: usize,
    /// Number of blocks.
    pub num_hidden_layers: usize,
    /// Number of attention heads; divides `hidden_size`.
    pub num_attention_heads: usize,
    /// Side of the square picture that the position table was trained for, in pixels.
    pub image_size: usize,
    /// Side of a patch, in pixels; divides `image_size`.
    pub patch_size: usize,
    /// Added to the variance in every LayerNorm: 1e-6 in the original, 1e-5 in Hugging Face's configs.
    pub layer_norm_eps: f64,
}

impl VitConfig {
    /// ViT-B/16 at 384 pixels, with the original's epsilon.
    pub fn base() -> Self {
        Self {
            hidden_size: 768,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            image_size: 384,
            patch_size: 16,
            layer_norm_eps: 1e-6,
        }
    }

    /// ViT-L/16 at 384 pixels, with the original's epsilon.
    pub fn large() -> Self {
        Self {
            hidden_size: 1024,
            intermediate_size: 4096,
            num_hidden_layers: 24,
            num_attention_heads: 16,
            ..Self::base()
        }
    }

    /// Two narrow blocks at 32 pixels, for tests and examples.
    pub fn tiny() -> Self {
        Self {
            hidden_size: 32,
            intermediate_size: 64,
            num_hidden_layers: 2,
            num_attention_heads: 4,
            image_size: 32,
            patch_size: 8,
            layer_norm_eps: 1e-6,
        }
    }

    /// The most patches that a picture is cut into: 2048 x 2048 pixels in patches of 16. Attention takes memory and time
    /// by their square.
    pub const MAX_PATCHES: usize = 16_384;

    /// Rows and columns of patches for a picture of the given height and width.
    ///
    /// # Errors
    ///
    /// [`VitError::Patches`] if a side is not a positive multiple of the patch size; [`VitError::TooManyPatches`] above
    /// [`MAX_PATCHES`](Self::MAX_PATCHES).
    pub fn grid(&self, size: [usize; 2]) -> Result<[usize; 2], VitError> {
        grid(size, self.patch_size)
    }

    pub(crate) fn check(&self) -> Result<(), VitError> {
        check_sizes(
            "vision config",
            self.hidden_size,
            self.num_attention_heads,
            &[
                ("intermediate_size", self.intermediate_size),
                ("num_hidden_layers", self.num_hidden_layers),
                ("image_size", self.image_size),
                ("patch_size", self.patch_size),
            ],
        )?;
        self.grid([self.image_size; 2]).map(|_| ())
    }
}

pub(crate) fn grid([height, width]: [usize; 2], patch_size: usize) -> Result<[usize; 2], VitError> {
    let whole = |side: usize| side > 0 && side.is_multiple_of(patch_size);
    if !whole(height) || !whole(width) {
        return Err(VitError::Patches {
            height,
            width,
            patch_size,
        });
    }
    let grid = [height / patch_size, width / patch_size];
    match grid[0].checked_mul(grid[1]) {
        Some(patches) if patches <= VitConfig::MAX_PATCHES => Ok(grid),
        _ => Err(VitError::TooManyPatches {
            height,
            width,
            patch_size,
            limit: VitConfig::MAX_PATCHES,
        }),
    }
}
