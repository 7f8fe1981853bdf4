//! Self-attention over image tokens; nothing is masked.

use blip_nn::{Linear, Packing, attend, merge_heads, split_fused};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::VitConfig;

/// Multi-head self-attention with one matrix for queries, keys and values.
#[derive(Module, Debug)]
pub struct Attention {
    qkv: Linear,
    proj: Linear,
    pub(crate) heads: usize,
}

impl Attention {
    pub(crate) fn new(config: &VitConfig, device: &Device) -> Self {
        let width = config.hidden_size;
        Self {
            qkv: Linear::new(width, 3 * width, device),
            proj: Linear::new(width, width, device),
            heads: config.num_attention_heads,
        }
    }

    pub(crate) fn packed(self, packing: Packing) -> Self {
        Self {
            qkv: self.qkv.packed(packing),
            proj: self.proj.packed(packing),
            heads: self.heads,
        }
    }

    /// Applies the layer.
    ///
    /// # Shapes
    ///
    /// - input, output: `[batch, tokens, hidden_size]`
    pub fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        self.proj.forward(self.attended(input))
    }

    /// Applies the layer, and adds a residual to what it gives.
    ///
    /// # Shapes
    ///
    /// - input, residual, output: `[batch, tokens, hidden_size]`
    pub fn forward_add(&self, input: Tensor<3>, residual: Tensor<3>) -> Tensor<3> {
        self.proj.forward_add(self.attended(input), residual)
    }

    fn attended(&self, input: Tensor<3>) -> Tensor<3> {
        // Queries, then keys, then values; inside each, heads are contiguous blocks.
        let [query, key, value] = split_fused(self.qkv.forward(input), self.heads);
        merge_heads(attend(query, key, value, None, false, self.qkv.precision()))
    }
}
