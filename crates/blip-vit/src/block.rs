//! One block of the Vision Transformer, pre-norm.

use blip_nn::{LayerNorm, Mlp, Packing, drop_path};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::{Attention, VitConfig};

/// `x + attn(norm1(x))`, then `x + mlp(norm2(x))`.
#[derive(Module, Debug)]
pub struct Block {
    norm1: LayerNorm,
    pub(crate) attn: Attention,
    norm2: LayerNorm,
    mlp: Mlp,
    /// How often a branch is left out in training.
    drop_path_rate: f64,
}

impl Block {
    pub(crate) fn new(config: &VitConfig, device: &Device) -> Self {
        let (width, epsilon) = (config.hidden_size, config.layer_norm_eps);
        Self {
            norm1: LayerNorm::new(width, epsilon, device),
            attn: Attention::new(config, device),
            norm2: LayerNorm::new(width, epsilon, device),
            mlp: Mlp::new(width, config.intermediate_size, device),
            drop_path_rate: 0.0,
        }
    }

    pub(crate) fn with_drop_path(mut self, rate: f64) -> Self {
        self.drop_path_rate = rate;
        self
    }

    pub(crate) fn packed(self, packing: Packing) -> Self {
        Self {
            attn: self.attn.packed(packing),
            mlp: self.mlp.packed(packing),
            ..self
        }
    }

    /// Applies the block.
    ///
    /// # Shapes
    ///
    /// - input, output: `[batch, tokens, hidden_size]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let normed = self.norm1.forward(x.clone());
        if self.drop_path_rate == 0.0 {
            let x = self.attn.forward_add(normed, x);
            return self.mlp.forward_add(self.norm2.forward(x.clone()), x);
        }
        let drop = |branch| drop_path(branch, self.drop_path_rate);
        let x = x + drop(self.attn.forward(normed));
        x.clone() + drop(self.mlp.forward(self.norm2.forward(x)))
    }
}
