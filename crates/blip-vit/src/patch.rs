//! Patch embedding: one vector for each 16 x 16 patch.
//!
//! ```text
//! [batch, 3, 384, 384] ─ cut into patches ─▶ [batch, 576, 3 * 16 * 16] ─ linear ─▶ [batch, 576, 768]
//! ```
//!
//! The references write it as a convolution whose stride is its kernel. That is a linear layer over each patch's
//! pixels, and as one matrix product it uses all cores. Patches go row by row.
//!
//! Source: timm 0.4.12 `PatchEmbed`; transformers 5.23 `BlipVisionEmbeddings`.

use blip_nn::{Packed, Packing, Precision, Then};
use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};

use crate::VitConfig;

/// The linear map from a patch's pixels to its vector.
#[derive(Module, Debug)]
pub struct PatchProjection {
    /// `[3, patch, patch, hidden_size]`: a convolution's `[hidden_size, 3, patch, patch]`, as it is multiplied.
    weight: Param<Tensor<4>>,
    bias: Param<Tensor<1>>,
    packed: Packed,
}

/// Cuts pictures into patches and embeds each.
#[derive(Module, Debug)]
pub struct PatchEmbed {
    proj: PatchProjection,
}

impl PatchEmbed {
    pub(crate) fn new(config: &VitConfig, device: &Device) -> Self {
        let (patch, width) = (config.patch_size, config.hidden_size);
        let normal = Initializer::Normal { mean: 0.0, std: 0.02 };
        Self {
            proj: PatchProjection {
                weight: normal.init([3, patch, patch, width], device),
                bias: Initializer::Zeros.init([width], device),
                packed: Packed::default(),
            },
        }
    }

    /// The same for inference on a CPU: see [`blip_nn::Linear::packed`]. Pixels meet weights of `f32` always.
    pub(crate) fn packed(self, packing: Packing) -> Self {
        if self.proj.packed.is_some() {
            return self;
        }
        let (weight, packed) = Packed::new(self.proj.weight, packing.with_precision(Precision::F32));
        let bias = self.proj.bias;
        Self {
            proj: PatchProjection { weight, bias, packed },
        }
    }

    /// Embeds the patches of a batch of pictures.
    ///
    /// # Shapes
    ///
    /// - pixel_values: `[batch, 3, height, width]`, multiples of the patch size
    /// - output: `[batch, patches, hidden_size]`
    pub fn forward(&self, pixel_values: Tensor<4>) -> Tensor<3> {
        let [batch, channels, height, width] = pixel_values.dims();
        let [_, patch, _, hidden_size] = self.proj.weight.lazy_shape().dims();
        let (rows, columns) = (height / patch, width / patch);
        let inside = channels * patch * patch;

        let patches = pixel_values
            // [batch, channels, rows, patch, columns, patch]
            .reshape([batch, channels, rows, patch, columns, patch])
            // [batch, rows, columns, channels, patch, patch]
            .permute([0, 2, 4, 1, 3, 5])
            .reshape([batch, rows * columns, inside]);
        if let Some(embedded) = self
            .proj
            .packed
            .forward(&patches, &self.proj.bias.val(), Then::Nothing)
        {
            return embedded;
        }
        let patches = patches.reshape([batch * rows * columns, inside]);
        let weight = self.proj.weight.val().reshape([inside, hidden_size]);
        let embedded = patches.matmul(weight) + self.proj.bias.val().unsqueeze();
        embedded.reshape([batch, rows * columns, hidden_size])
    }

    pub(crate) fn device(&self) -> Device {
        self.proj.weight.lazy_device()
    }
}

#[cfg(test)]
impl PatchEmbed {
    pub(crate) fn weight(&self) -> Tensor<4> {
        self.proj.weight.val()
    }
}
