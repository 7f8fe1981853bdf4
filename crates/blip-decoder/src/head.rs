//! From a token's vector to scores over the vocabulary.

use blip_nn::{BertConfig, LayerNorm, Linear, Packing};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// `decoder(LayerNorm(gelu(dense(x))))`.
///
/// The last matrix is the word embeddings' transpose in published checkpoints. It is held a second time, as it is
/// multiplied: a transposed view of the embeddings would be copied at every step.
#[derive(Module, Debug)]
pub struct LmHead {
    dense: Linear,
    norm: LayerNorm,
    decoder: Linear,
}

impl LmHead {
    pub(crate) fn new(config: &BertConfig, device: &Device) -> Self {
        let width = config.hidden_size;
        Self {
            dense: Linear::new(width, width, device),
            norm: LayerNorm::new(width, config.layer_norm_eps, device),
            decoder: Linear::new(width, config.vocab_size, device),
        }
    }

    /// The last matrix, `[hidden_size, vocab_size]`.
    pub(crate) fn weight(&self) -> Tensor<2> {
        self.decoder.weight()
    }

    /// The same head with another last matrix, `[hidden_size, vocab_size]`, contiguous.
    pub(crate) fn with_weight(mut self, weight: Tensor<2>) -> Self {
        self.decoder = self.decoder.with_weight(weight);
        self
    }

    pub(crate) fn packed(self, packing: Packing) -> Self {
        Self {
            dense: self.dense.packed(packing),
            decoder: self.decoder.packed(packing),
            ..self
        }
    }

    /// Applies the head.
    ///
    /// # Shapes
    ///
    /// - hidden: `[rows, tokens, hidden_size]`
    /// - output: `[rows, tokens, vocab_size]`
    pub fn forward(&self, hidden: Tensor<3>) -> Tensor<3> {
        self.decoder
            .forward(self.norm.forward(self.dense.forward_gelu(hidden)))
    }
}
