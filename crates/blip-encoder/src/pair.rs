//! The encoder of a text that compares two pictures (NLVR2).

use blip_nn::{
    BertConfig, BertEmbeddings, CrossKeyValue, LayerNorm, Mlp, Packing, SelfAttention, Sight, SizeError,
    TextDropout, check_context, hide_mask,
};
use blip_traits::{HiddenStates, ModelError, TokenBatch};
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Bool, Device, Tensor};

use crate::encoder::padding;
use crate::{TextEncoder, TwinCrossAttention};

/// Where the parameters stand in published checkpoints under `text_encoder`: `(here, there)`, `*` a layer's index.
pub const PAIR_KEYS: &[(&str, &str)] = &[
    ("embeddings.norm", "embeddings.LayerNorm"),
    (
        "layers.*.attention.qkv",
        "encoder.layer.*.attention.self.{query,key,value}",
    ),
    (
        "layers.*.attention.dense",
        "encoder.layer.*.attention.output.dense",
    ),
    (
        "layers.*.attention.norm",
        "encoder.layer.*.attention.output.LayerNorm",
    ),
    (
        "layers.*.cross_attention.first.query",
        "encoder.layer.*.crossattention.self0.query",
    ),
    (
        "layers.*.cross_attention.first.key_value",
        "encoder.layer.*.crossattention.self0.{key,value}",
    ),
    (
        "layers.*.cross_attention.first.dense",
        "encoder.layer.*.crossattention.output.dense0",
    ),
    (
        "layers.*.cross_attention.second.query",
        "encoder.layer.*.crossattention.self1.query",
    ),
    (
        "layers.*.cross_attention.second.key_value",
        "encoder.layer.*.crossattention.self1.{key,value}",
    ),
    (
        "layers.*.cross_attention.second.dense",
        "encoder.layer.*.crossattention.output.dense1",
    ),
    (
        "layers.*.cross_attention.merge",
        "encoder.layer.*.crossattention.output.merge_layer",
    ),
    (
        "layers.*.cross_attention.norm",
        "encoder.layer.*.crossattention.output.LayerNorm",
    ),
    ("layers.*.mlp.fc1", "encoder.layer.*.intermediate.dense"),
    ("layers.*.mlp.fc2", "encoder.layer.*.output.dense"),
    ("layers.*.norm", "encoder.layer.*.output.LayerNorm"),
];

/// One layer: self-attention, cross-attention over both pictures, feed-forward; post-norm.
#[derive(Module, Debug)]
pub struct PairLayer {
    attention: SelfAttention,
    cross_attention: TwinCrossAttention,
    mlp: Mlp,
    norm: LayerNorm,
    dropout: Dropout,
}

impl PairLayer {
    fn new(config: &BertConfig, index: usize, device: &Device) -> Self {
        let merges = index >= PairEncoder::FIRST_MERGING_LAYER;
        Self {
            attention: SelfAttention::new(config, device),
            cross_attention: TwinCrossAttention::new(config, merges, device),
            mlp: Mlp::new(config.hidden_size, config.intermediate_size, device),
            norm: LayerNorm::new(config.hidden_size, config.layer_norm_eps, device),
            dropout: DropoutConfig::new(0.0).init(),
        }
    }

    fn with_dropout(self, dropout: &TextDropout) -> Self {
        Self {
            attention: self.attention.with_dropout(dropout),
            cross_attention: self.cross_attention.with_dropout(dropout),
            dropout: dropout.hidden().clone(),
            ..self
        }
    }

    fn packed(self, packing: Packing) -> Self {
        Self {
            attention: self.attention.packed(packing),
            cross_attention: self.cross_attention.packed(packing),
            mlp: self.mlp.packed(packing),
            ..self
        }
    }

    fn forward(
        &self,
        hidden: Tensor<3>,
        hide: Option<&Tensor<4, Bool>>,
        contexts: [&CrossKeyValue; 2],
    ) -> Tensor<3> {
        let hidden = self.attention.forward(hidden, hide, Sight::Whole);
        let hidden = self.cross_attention.forward(hidden, contexts);
        let output = self.dropout.forward(self.mlp.forward(hidden.clone()));
        self.norm.forward_add(output, hidden)
    }
}

/// BLIP's text encoder that looks at two pictures: BERT whose every layer has two cross-attentions.
#[doc(alias = "BLIP_NLVR")]
#[derive(Module, Debug)]
pub struct PairEncoder {
    embeddings: BertEmbeddings,
    layers: Vec<PairLayer>,
    context_size: usize,
    hidden_size: usize,
}

impl PairEncoder {
    /// The first layer that merges what it sees of the pictures by a matrix; those below average.
    ///
    /// salesforce/BLIP@056a169 models/nlvr_encoder.py `BertLayer`: `layer_num>=6`.
    pub const FIRST_MERGING_LAYER: usize = 6;

    /// An encoder with fresh weights, which stay unallocated until they are read or replaced.
    ///
    /// # Errors
    ///
    /// [`SizeError`] if the configuration describes no encoder.
    pub fn new(config: &BertConfig, device: &Device) -> Result<Self, SizeError> {
        config.check()?;
        Ok(Self {
            embeddings: BertEmbeddings::new(config, device),
            layers: (0..config.num_hidden_layers)
                .map(|index| PairLayer::new(config, index, device))
                .collect(),
            context_size: config.encoder_hidden_size,
            hidden_size: config.hidden_size,
        })
    }

    /// An encoder whose weights are those of an encoder of one picture: both cross-attentions begin as its one. What it
    /// does not have, the matrices that merge, is fresh. How training begins.
    ///
    /// Source: salesforce/BLIP@056a169 `models/blip_nlvr.py` `load_checkpoint`.
    ///
    /// # Errors
    ///
    /// [`SizeError`] if the configuration describes no encoder, or one of another depth.
    pub fn of_text_encoder(
        encoder: &TextEncoder,
        config: &BertConfig,
        device: &Device,
    ) -> Result<Self, SizeError> {
        let fresh = Self::new(config, device)?;
        let (embeddings, layers) = encoder.bert().clone().into_parts();
        if layers.len() != fresh.layers.len() {
            return Err(SizeError::Depth {
                expected: layers.len(),
                got: fresh.layers.len(),
            });
        }
        let layers = layers.into_iter().zip(fresh.layers).map(|(layer, fresh)| {
            let (attention, cross_attention, mlp, norm) = layer.into_parts();
            let (context, context_norm) = cross_attention.into_parts();
            PairLayer {
                attention,
                cross_attention: fresh.cross_attention.beginning_as(&context, context_norm),
                mlp,
                norm,
                dropout: fresh.dropout,
            }
        });
        Ok(Self {
            embeddings,
            layers: layers.collect(),
            context_size: fresh.context_size,
            hidden_size: fresh.hidden_size,
        })
    }

    /// The same encoder with dropout while it is trained: on an autodiff device, and nowhere else.
    pub fn with_dropout(self, dropout: &TextDropout) -> Self {
        let layers = self.layers.into_iter();
        Self {
            embeddings: self.embeddings.with_dropout(dropout),
            layers: layers.map(|layer| layer.with_dropout(dropout)).collect(),
            ..self
        }
    }

    /// The same encoder for inference on a CPU: see [`Linear::packed`](blip_nn::Linear::packed).
    pub fn packed<'a>(self, packing: impl Into<Packing<'a>>) -> Self {
        let packing = packing.into();
        let layers = self.layers.into_iter();
        Self {
            embeddings: self.embeddings.packed(packing),
            layers: layers.map(|layer| layer.packed(packing)).collect(),
            ..self
        }
    }

    /// Where the weights are.
    pub fn device(&self) -> Device {
        self.embeddings.device()
    }

    /// What comes out of each layer, for looking inside and for checking against a reference.
    ///
    /// # Shapes
    ///
    /// - text: `[batch, length]`
    /// - first, second: `[batch, tokens, context_size]`
    /// - output: each `[batch, length, hidden_size]`
    ///
    /// # Errors
    ///
    /// As [`PairEncoder::encode`](blip_traits::PairEncoder::encode).
    pub fn hidden_states(
        &self,
        text: &TokenBatch,
        first: &HiddenStates,
        second: &HiddenStates,
    ) -> Result<Vec<Tensor<3>>, ModelError> {
        let [batch, _] = text.shape();
        for image in [first, second] {
            check_context(image, self.context_size)?;
            if image.shape()[0] != batch {
                let expected = format!("[{batch} as the texts, tokens, {}]", self.context_size);
                return Err(ModelError::shape("context", expected, &image.shape()));
            }
        }
        let device = self.device();
        let input_ids = self.embeddings.read_ids(text, 0)?;
        let hide = padding(text.attention_mask(), &device);
        let hide_images = [first, second].map(|image| image.mask().map(|mask| hide_mask(mask, &device)));
        let mut hidden = self.embeddings.forward(input_ids, 0);
        let mut states = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            let [one, two] = layer.cross_attention.attentions();
            let contexts = [
                one.project(first.states(), hide_images[0].as_ref()),
                two.project(second.states(), hide_images[1].as_ref()),
            ];
            hidden = layer.forward(hidden, hide.as_ref(), [&contexts[0], &contexts[1]]);
            states.push(hidden.clone());
        }
        Ok(states)
    }
}

impl blip_traits::PairEncoder for PairEncoder {
    fn encode(
        &self,
        text: &TokenBatch,
        first: &HiddenStates,
        second: &HiddenStates,
    ) -> Result<HiddenStates, ModelError> {
        let last = self.hidden_states(text, first, second)?.pop();
        let last = last.expect("a checked configuration has at least one layer");
        HiddenStates::with_mask(last, text.attention_mask().clone())
    }

    fn context_size(&self) -> usize {
        self.context_size
    }

    fn hidden_size(&self) -> usize {
        self.hidden_size
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use blip_traits::PairEncoder as _;
    use burn::tensor::Distribution;

    fn deep() -> (PairEncoder, Device) {
        let device = Device::flex();
        let config = BertConfig {
            num_hidden_layers: 8,
            ..BertConfig::tiny()
        };
        (PairEncoder::new(&config, &device).unwrap(), device)
    }

    fn pictures(count: usize, device: &Device) -> HiddenStates {
        HiddenStates::new(Tensor::random(
            [count, 5, 32],
            Distribution::Normal(0.0, 1.0),
            device,
        ))
    }

    #[test]
    fn a_padded_row_of_a_batch_is_its_single_run() {
        let (encoder, device) = deep();
        let (first, second) = (pictures(2, &device), pictures(2, &device));
        let texts = [vec![1, 2, 3, 4], vec![5, 6]];
        let batch = encoder
            .encode(&TokenBatch::from_rows(&texts, 0), &first, &second)
            .unwrap()
            .read()
            .unwrap();
        for (row, text) in texts.iter().enumerate() {
            let alone = TokenBatch::from_rows(&[text], 0);
            let alone = encoder
                .encode(&alone, &first.row(row), &second.row(row))
                .unwrap()
                .read()
                .unwrap();
            for (got, want) in batch.at(row, 1).iter().zip(alone.at(0, 1)) {
                assert!((got - want).abs() < 1e-5, "{got} is not {want}");
            }
        }
    }

    #[test]
    fn the_upper_layers_merge_and_the_order_of_the_pictures_matters() {
        let (encoder, device) = deep();
        let merges: Vec<bool> = encoder
            .layers
            .iter()
            .map(|layer| layer.cross_attention.merges())
            .collect();
        assert_eq!(merges, [false, false, false, false, false, false, true, true]);
        let (first, second) = (pictures(1, &device), pictures(1, &device));
        let text = TokenBatch::from_rows(&[[1, 2, 3]], 0);
        let read = |first, second| encoder.encode(&text, first, second).unwrap().read().unwrap();
        assert_ne!(read(&first, &second), read(&second, &first));
    }

    #[test]
    fn each_text_needs_its_own_two_pictures() {
        let (encoder, device) = deep();
        let text = TokenBatch::from_rows(&[[1], [2]], 0);
        let error = encoder
            .encode(&text, &pictures(2, &device), &pictures(1, &device))
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "context: expected [2 as the texts, tokens, 32], got [1, 5, 32]"
        );
    }
}
