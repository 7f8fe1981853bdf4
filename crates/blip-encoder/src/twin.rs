//! Cross-attention over two pictures.

use blip_nn::{BertConfig, ContextAttention, CrossKeyValue, LayerNorm, Linear, Packing, TextDropout};
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Device, Tensor};

/// Cross-attention over two contexts, merged, with its residual.
///
/// ```text
/// h ─┬─ ContextAttention over the first  ─▶ h0 ─┬─ (h0 + h1) / 2          in the lower layers
///    └─ ContextAttention over the second ─▶ h1 ─┴─ merge([h0; h1])        in the upper ones, no activation
///                                                    └─ + h ─ LayerNorm ─▶
/// ```
///
/// Source: salesforce/BLIP@056a169 `models/nlvr_encoder.py` `BertSelfOutput`.
#[derive(Module, Debug)]
pub struct TwinCrossAttention {
    first: ContextAttention,
    second: ContextAttention,
    merge: Option<Linear>,
    norm: LayerNorm,
    dropout: Dropout,
}

impl TwinCrossAttention {
    /// A layer with fresh weights, which stay unallocated until they are read or replaced; it averages unless `merges`.
    pub fn new(config: &BertConfig, merges: bool, device: &Device) -> Self {
        let width = config.hidden_size;
        Self {
            first: ContextAttention::new(config, device),
            second: ContextAttention::new(config, device),
            merge: merges.then(|| Linear::new(2 * width, width, device)),
            norm: LayerNorm::new(width, config.layer_norm_eps, device),
            dropout: DropoutConfig::new(0.0).init(),
        }
    }

    pub(crate) fn with_dropout(self, dropout: &TextDropout) -> Self {
        Self {
            first: self.first.with_dropout(dropout),
            second: self.second.with_dropout(dropout),
            dropout: dropout.hidden().clone(),
            ..self
        }
    }

    pub(crate) fn packed(self, packing: Packing) -> Self {
        Self {
            first: self.first.packed(packing),
            second: self.second.packed(packing),
            merge: self.merge.map(|merge| merge.packed(packing)),
            ..self
        }
    }

    /// Both attentions as one of a single context is.
    pub(crate) fn beginning_as(self, context: &ContextAttention, norm: LayerNorm) -> Self {
        Self {
            first: context.clone(),
            second: context.clone(),
            norm,
            ..self
        }
    }

    /// Whether it merges by a matrix rather than averaging.
    pub fn merges(&self) -> bool {
        self.merge.is_some()
    }

    /// The two attentions.
    pub(crate) fn attentions(&self) -> [&ContextAttention; 2] {
        [&self.first, &self.second]
    }

    /// Applies the layer.
    ///
    /// # Shapes
    ///
    /// - hidden, output: `[batch, tokens, hidden_size]`
    /// - contexts: each of `batch` groups
    pub fn forward(&self, hidden: Tensor<3>, contexts: [&CrossKeyValue; 2]) -> Tensor<3> {
        let first = self.first.forward(hidden.clone(), contexts[0]);
        let second = self.second.forward(hidden.clone(), contexts[1]);
        let merged = match &self.merge {
            // [batch, tokens, 2 * hidden_size]
            Some(merge) => merge.forward(Tensor::cat(vec![first, second], 2)),
            None => (first + second) / 2.0,
        };
        self.norm.forward_add(self.dropout.forward(merged), hidden)
    }
}
