//! The encoder of one text, alone or grounded in one picture.

use blip_nn::{Bert, BertConfig, Packing, SizeError, TextDropout, hide_mask, on_workers};
use blip_traits::{AttentionMask, GroundedEncoder, HiddenStates, ModelError, TokenBatch};
use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor};

use crate::GroundedContext;

/// BLIP's text encoder. Its parameters stand in checkpoints as [`BERT_KEYS`](blip_nn::BERT_KEYS) say.
///
/// Whether it looks at a picture is said by the call, as in the original (`mode`): it is one set of weights.
#[doc(alias = "BertModel")]
#[doc(alias = "BlipTextModel")]
#[derive(Module, Debug)]
pub struct TextEncoder {
    bert: Bert,
}

impl TextEncoder {
    /// An encoder with fresh weights, which stay unallocated until they are read or replaced.
    ///
    /// # Errors
    ///
    /// [`SizeError`] if the configuration describes no encoder.
    pub fn new(config: &BertConfig, device: &Device) -> Result<Self, SizeError> {
        config.check()?;
        Ok(Self {
            bert: Bert::new(config, device),
        })
    }

    /// An encoder that is this network.
    pub fn of_bert(bert: Bert) -> Self {
        Self { bert }
    }

    /// The same encoder with dropout while it is trained: on an autodiff device, and nowhere else.
    pub fn with_dropout(self, dropout: &TextDropout) -> Self {
        Self {
            bert: self.bert.with_dropout(dropout),
        }
    }

    /// The same encoder for inference on a CPU: see [`Linear::packed`](blip_nn::Linear::packed).
    pub fn packed<'a>(self, packing: impl Into<Packing<'a>>) -> Self {
        let packing = packing.into();
        Self {
            bert: self.bert.packed(packing),
        }
    }

    /// The network itself.
    pub fn bert(&self) -> &Bert {
        &self.bert
    }

    /// Where the weights are.
    pub fn device(&self) -> Device {
        self.bert.device()
    }

    /// The number of attention heads.
    pub fn num_attention_heads(&self) -> usize {
        self.bert.num_attention_heads()
    }

    /// What is added to the variance in every LayerNorm.
    pub fn layer_norm_eps(&self) -> f64 {
        self.bert.layer_norm_eps()
    }

    /// Reads texts alone: [`TextEncoder::encode`](blip_traits::TextEncoder::encode) of the contract, under a name of its
    /// own.
    ///
    /// # Shapes
    ///
    /// - text: `[texts, length]`
    /// - output: `[texts, length, hidden_size]`
    ///
    /// # Errors
    ///
    /// [`ModelError`] for text that the model cannot take.
    pub fn encode_text(&self, text: &TokenBatch) -> Result<HiddenStates, ModelError> {
        self.forward(text, None)
    }

    /// Reads texts while looking at pictures: [`GroundedEncoder::encode`] of the contract, under a name of its own.
    ///
    /// # Shapes
    ///
    /// - text: `[texts, length]`; text `t` looks at picture `t / (texts / images)`
    /// - output: `[texts, length, hidden_size]`
    ///
    /// # Errors
    ///
    /// [`ModelError`] for text that the model cannot take, or a number of texts that is no multiple of the pictures'.
    pub fn encode_grounded(
        &self,
        text: &TokenBatch,
        context: &GroundedContext,
    ) -> Result<HiddenStates, ModelError> {
        let [texts, length] = text.shape();
        if !texts.is_multiple_of(context.images) {
            let expected = format!("[a multiple of {} pictures, length]", context.images);
            return Err(ModelError::shape("input_ids", expected, &[texts, length]));
        }
        self.forward(text, Some(context))
    }

    fn forward(
        &self,
        text: &TokenBatch,
        context: Option<&GroundedContext>,
    ) -> Result<HiddenStates, ModelError> {
        let input_ids = self.bert.embeddings().read_ids(text, 0)?;
        let hide = padding(text.attention_mask(), &self.bert.device());
        let layers = context.map(|context| context.layers.as_slice());
        let hidden = on_workers(&self.bert.device(), || {
            self.bert.forward(input_ids, hide.as_ref(), layers)
        });
        HiddenStates::with_mask(hidden, text.attention_mask().clone())
    }
}

/// What self-attention has to hide of padded texts, `[texts, 1, 1, length]`; nothing where none is padded.
pub(crate) fn padding(mask: &AttentionMask, device: &Device) -> Option<Tensor<4, Bool>> {
    (!mask.is_full()).then(|| hide_mask(mask, device))
}

impl blip_traits::TextEncoder for TextEncoder {
    fn encode(&self, text: &TokenBatch) -> Result<HiddenStates, ModelError> {
        self.encode_text(text)
    }

    fn hidden_size(&self) -> usize {
        self.bert.hidden_size()
    }
}

impl GroundedEncoder for TextEncoder {
    type Context = GroundedContext;

    fn ground(&self, image: &HiddenStates) -> Result<GroundedContext, ModelError> {
        Ok(GroundedContext {
            layers: on_workers(&self.bert.device(), || self.bert.project(image))?,
            images: image.shape()[0],
        })
    }

    fn encode(&self, text: &TokenBatch, context: &GroundedContext) -> Result<HiddenStates, ModelError> {
        self.encode_grounded(text, context)
    }

    fn context_size(&self) -> usize {
        self.bert.context_size()
    }

    fn hidden_size(&self) -> usize {
        self.bert.hidden_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Distribution;

    fn tiny() -> (TextEncoder, Device) {
        let device = Device::flex();
        (TextEncoder::new(&BertConfig::tiny(), &device).unwrap(), device)
    }

    fn pictures(count: usize, device: &Device) -> HiddenStates {
        HiddenStates::new(Tensor::random(
            [count, 5, 32],
            Distribution::Normal(0.0, 1.0),
            device,
        ))
    }

    #[track_caller]
    fn close(got: &[f32], want: &[f32]) {
        assert_eq!(got.len(), want.len());
        for (got, want) in got.iter().zip(want) {
            assert!((got - want).abs() < 1e-5, "{got} is not {want}");
        }
    }

    #[test]
    fn padding_changes_nothing() {
        let (encoder, device) = tiny();
        let texts = [vec![1, 2, 3, 4, 5], vec![6, 7], vec![8, 9, 10]];
        let batch = TokenBatch::from_rows(&texts, 0);
        let context = encoder.ground(&pictures(1, &device)).unwrap();
        let (alone, grounded) = (
            encoder.encode_text(&batch).unwrap().read().unwrap(),
            encoder.encode_grounded(&batch, &context).unwrap().read().unwrap(),
        );
        for (row, text) in texts.iter().enumerate() {
            let single = TokenBatch::from_rows(&[text], 0);
            let (want_alone, want_grounded) = (
                encoder.encode_text(&single).unwrap().read().unwrap(),
                encoder
                    .encode_grounded(&single, &context)
                    .unwrap()
                    .read()
                    .unwrap(),
            );
            for token in 0..text.len() {
                close(alone.at(row, token), want_alone.at(0, token));
                close(grounded.at(row, token), want_grounded.at(0, token));
            }
        }
    }

    #[test]
    fn texts_share_the_pictures_that_they_look_at() {
        let (encoder, device) = tiny();
        let images = pictures(2, &device);
        let texts = [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]];
        let context = encoder.ground(&images).unwrap();
        let together = encoder
            .encode_grounded(&TokenBatch::from_rows(&texts, 0), &context)
            .unwrap()
            .read()
            .unwrap();
        for (row, text) in texts.iter().enumerate() {
            let context = encoder.ground(&images.row(row / 2)).unwrap();
            let single = TokenBatch::from_rows(&[text], 0);
            let want = encoder
                .encode_grounded(&single, &context)
                .unwrap()
                .read()
                .unwrap();
            close(together.at(row, 1), want.at(0, 1));
        }
    }

    #[test]
    fn a_picture_makes_a_difference() {
        let (encoder, device) = tiny();
        let batch = TokenBatch::from_rows(&[[1, 2, 3]], 0);
        let context = encoder.ground(&pictures(1, &device)).unwrap();
        assert_ne!(
            encoder.encode_text(&batch).unwrap().read().unwrap(),
            encoder.encode_grounded(&batch, &context).unwrap().read().unwrap()
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let (encoder, device) = tiny();
        let refused = |rows: &[Vec<u32>]| {
            let batch = TokenBatch::from_rows(rows, 0);
            encoder.encode_text(&batch).unwrap_err().to_string()
        };
        assert_eq!(
            refused(&[vec![64]]),
            "token id 64 is outside the model's vocabulary of 64"
        );
        assert_eq!(
            refused(&[vec![1; 41]]),
            "input_ids: 41 tokens do not fit the model's 40 positions"
        );
        assert_eq!(
            refused(&[]),
            "input_ids: expected [at least 1, at least 1], got [0, 0]"
        );
        let context = encoder.ground(&pictures(2, &device)).unwrap();
        let three = TokenBatch::from_rows(&[[1], [2], [3]], 0);
        assert_eq!(
            encoder.encode_grounded(&three, &context).unwrap_err().to_string(),
            "input_ids: expected [a multiple of 2 pictures, length], got [3, 1]"
        );
        let narrow = HiddenStates::new(Tensor::zeros([1, 5, 16], &device));
        assert_eq!(
            encoder.ground(&narrow).unwrap_err().to_string(),
            "context: expected [groups, tokens, 32], got [1, 5, 16]"
        );
        let config = BertConfig {
            num_attention_heads: 5,
            ..BertConfig::tiny()
        };
        assert!(TextEncoder::new(&config, &device).is_err());
    }
}
