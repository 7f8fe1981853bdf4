//! The decoder as a whole.

use blip_nn::{Bert, BertConfig, KvCache, Packing, SizeError, TextDropout, on_workers};
use blip_traits::{DecoderState, HiddenStates, Logits, ModelError, TokenBatch};
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::{DecoderCache, LmHead};

/// Where the parameters stand in published checkpoints under `text_decoder`, beside [`BERT_KEYS`](blip_nn::BERT_KEYS) under
/// `text_decoder.bert`.
pub const DECODER_KEYS: &[(&str, &str)] = &[
    ("head.dense", "cls.predictions.transform.dense"),
    ("head.norm", "cls.predictions.transform.LayerNorm"),
    ("head.decoder", "cls.predictions.decoder"),
];

/// Tied tensors that a checkpoint may leave out: `(absent, read instead)`, both under `text_decoder`.
pub const DECODER_FALLBACKS: &[(&str, &str)] = &[
    (
        "cls.predictions.decoder.weight",
        "bert.embeddings.word_embeddings.weight",
    ),
    ("cls.predictions.decoder.bias", "cls.predictions.bias"),
];

/// BLIP's causal, image-grounded text decoder.
#[doc(alias = "BertLMHeadModel")]
#[doc(alias = "BlipTextLMHeadModel")]
#[derive(Module, Debug)]
pub struct TextDecoder {
    bert: Bert,
    head: LmHead,
}

impl TextDecoder {
    /// A decoder with fresh weights, which stay unallocated until they are read or replaced.
    ///
    /// # Errors
    ///
    /// [`SizeError`] if the configuration describes no decoder.
    pub fn new(config: &BertConfig, device: &Device) -> Result<Self, SizeError> {
        config.check()?;
        Ok(Self {
            bert: Bert::new(config, device),
            head: LmHead::new(config, device),
        })
    }

    /// The same decoder whose head scores by the word embeddings, as in every published checkpoint.
    ///
    /// The head holds a copy: training one does not move the other.
    ///
    /// # Panics
    ///
    /// If the device cannot hand back the word embeddings.
    pub fn tied(mut self) -> Self {
        let words = self.bert.word_embeddings();
        let (device, [rows, width]) = (words.device(), words.dims());
        let words: Vec<f32> = words
            .try_into_vec_as()
            .expect("word embeddings are readable floats");
        let mut weight = vec![0.0; words.len()];
        for (row, values) in words.chunks_exact(width).enumerate() {
            for (column, &value) in values.iter().enumerate() {
                weight[column * rows + row] = value;
            }
        }
        let weight = Tensor::from_data(TensorData::new(weight, [width, rows]), &device);
        self.head = self.head.with_weight(weight);
        self
    }

    /// Whether the head scores by the word embeddings.
    ///
    /// # Panics
    ///
    /// If the device cannot compare them.
    pub fn is_tied(&self) -> bool {
        let equal = self.head.weight().transpose().equal(self.bert.word_embeddings());
        equal.all().into_scalar::<bool>()
    }

    /// The network without its head.
    pub fn bert(&self) -> &Bert {
        &self.bert
    }

    /// The same decoder for inference on a CPU: see [`Linear::packed`](blip_nn::Linear::packed).
    pub fn packed<'a>(self, packing: impl Into<Packing<'a>>) -> Self {
        let packing = packing.into();
        Self {
            bert: self.bert.packed(packing),
            head: self.head.packed(packing),
        }
    }

    /// The same decoder with dropout while it is trained: on an autodiff device, and nowhere else.
    pub fn with_dropout(self, dropout: &TextDropout) -> Self {
        Self {
            bert: self.bert.with_dropout(dropout),
            ..self
        }
    }

    /// The same decoder with everything but self-attention and head of another body, the text encoder's: not copies but
    /// the same parameters, until either is changed.
    ///
    /// # Panics
    ///
    /// If the bodies have different numbers of layers.
    pub fn sharing_all_but_self_attention(self, other: &Bert) -> Self {
        Self {
            bert: self.bert.sharing_all_but_self_attention(other),
            ..self
        }
    }

    /// Scores of every next token of texts that are known, as training takes them: on the device, and by the word
    /// embeddings themselves, which the head of every published checkpoint is tied to, so that their gradient is whole.
    ///
    /// # Shapes
    ///
    /// - text: `[rows, length]`, rows a multiple of the context's groups
    /// - context: `[groups, tokens, context_size]`
    /// - output: `[rows, length, vocab_size]`; what stands behind a row's last token is to be ignored
    ///
    /// # Errors
    ///
    /// [`ModelError`] for text or a context that the model cannot take.
    pub fn forced_logits(&self, text: &TokenBatch, context: &HiddenStates) -> Result<Tensor<3>, ModelError> {
        let ([rows, length], groups) = (text.shape(), context.shape()[0]);
        let context = self.bert.project(context)?;
        if !rows.is_multiple_of(groups) {
            let expected = format!("[a multiple of {groups} contexts, length]");
            return Err(ModelError::shape("input_ids", expected, &[rows, length]));
        }
        let input_ids = self.bert.embeddings().read_ids(text, 0)?;
        let hidden = self.bert.forward_forced(input_ids, &context);
        let words = self.bert.word_embeddings().transpose();
        Ok(self.head.clone().with_weight(words).forward(hidden))
    }

    /// Writes tokens to every row, and scores those after the last `scored` positions.
    fn write(
        &self,
        input_ids: &TokenBatch,
        state: &mut DecoderCache,
        scored: usize,
    ) -> Result<Logits, ModelError> {
        let [rows, tokens] = input_ids.shape();
        if rows != state.rows() || tokens == 0 {
            let expected = format!("[{}, at least 1]", state.rows());
            return Err(ModelError::shape("input_ids", expected, &[rows, tokens]));
        }
        let ids = self.bert.embeddings().read_ids(input_ids, state.length())?;
        let logits = on_workers(&self.bert.device(), || self.forward(ids, state, scored));
        // The one device read of a step.
        let logits = logits
            .try_into_vec_as()
            .map_err(|error| ModelError::Device(error.to_string()))?;
        Logits::new(logits, [rows, scored, self.bert.vocab_size()])
    }

    /// The same on the device.
    ///
    /// # Shapes
    ///
    /// - input_ids: `[rows, tokens]`
    /// - output: `[rows, scored, vocab_size]`
    fn forward(&self, input_ids: Tensor<2, Int>, state: &mut DecoderCache, scored: usize) -> Tensor<3> {
        let hidden = self
            .bert
            .forward_causal(input_ids, &state.context, &mut state.written);
        let [_, tokens, _] = hidden.dims();
        self.head.forward(hidden.narrow(1, tokens - scored, scored))
    }
}

impl blip_traits::TextDecoder for TextDecoder {
    type State = DecoderCache;

    fn start(&self, context: &HiddenStates) -> Result<DecoderCache, ModelError> {
        let groups = context.shape()[0];
        Ok(DecoderCache {
            context: on_workers(&self.bert.device(), || self.bert.project(context))?,
            written: vec![KvCache::new(); self.bert.num_hidden_layers()],
            rows: groups,
            groups,
            device: self.bert.device(),
        })
    }

    fn step(&self, input_ids: &TokenBatch, state: &mut DecoderCache) -> Result<Logits, ModelError> {
        let [_, tokens] = input_ids.shape();
        self.write(input_ids, state, tokens)
    }

    fn step_last(&self, input_ids: &TokenBatch, state: &mut DecoderCache) -> Result<Logits, ModelError> {
        self.write(input_ids, state, 1)
    }

    fn context_size(&self) -> usize {
        self.bert.context_size()
    }

    fn vocab_size(&self) -> usize {
        self.bert.vocab_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use blip_traits::{AttentionMask, TextDecoder as _};
    use burn::tensor::Distribution;

    fn tiny() -> (TextDecoder, Device) {
        let device = Device::flex();
        (TextDecoder::new(&BertConfig::tiny(), &device).unwrap(), device)
    }

    fn pictures(count: usize, device: &Device) -> HiddenStates {
        HiddenStates::new(Tensor::random(
            [count, 5, 32],
            Distribution::Normal(0.0, 1.0),
            device,
        ))
    }

    fn picture(all: &HiddenStates, index: usize) -> HiddenStates {
        HiddenStates::new(all.states().clone().narrow(0, index, 1))
    }

    #[track_caller]
    fn close(got: &[f32], want: &[f32]) {
        assert_eq!(got.len(), want.len());
        for (got, want) in got.iter().zip(want) {
            assert!((got - want).abs() < 1e-5, "{got} is not {want}");
        }
    }

    #[test]
    fn token_by_token_is_the_whole_text_at_once() {
        let (decoder, device) = tiny();
        let context = pictures(1, &device);
        let text = [7, 3, 9, 11, 4, 60];
        let whole = {
            let mut state = decoder.start(&context).unwrap();
            decoder
                .step(&TokenBatch::from_rows(&[text], 0), &mut state)
                .unwrap()
        };
        let mut state = decoder.start(&context).unwrap();
        let prompt = decoder
            .step(&TokenBatch::from_rows(&[&text[..2]], 0), &mut state)
            .unwrap();
        close(prompt.last(0), whole.at(0, 1));
        let last = decoder
            .step_last(
                &TokenBatch::from_rows(&[&text[..2]], 0),
                &mut decoder.start(&context).unwrap(),
            )
            .unwrap();
        assert_eq!(last.shape(), [1, 1, 64]);
        close(last.last(0), whole.at(0, 1));
        for (position, &id) in text.iter().enumerate().skip(2) {
            let step = decoder.step(&TokenBatch::column(&[id]), &mut state).unwrap();
            close(step.last(0), whole.at(0, position));
        }
        assert_eq!(state.length(), text.len());
    }

    #[test]
    fn beams_share_a_picture_and_follow_their_own_words() {
        let (decoder, device) = tiny();
        let context = pictures(2, &device);
        let mut state = decoder.start(&context).unwrap();
        decoder
            .step(&TokenBatch::from_rows(&[[1], [1]], 0), &mut state)
            .unwrap();
        state.fan_out(2);
        decoder
            .step(&TokenBatch::column(&[2, 3, 4, 5]), &mut state)
            .unwrap();
        state.reorder(&[1, 1, 3, 2]);
        let beams = decoder
            .step(&TokenBatch::column(&[6, 7, 8, 9]), &mut state)
            .unwrap();

        let texts = [(0, [1, 3, 6]), (0, [1, 3, 7]), (1, [1, 5, 8]), (1, [1, 4, 9])];
        for (row, (index, text)) in texts.into_iter().enumerate() {
            let mut state = decoder.start(&picture(&context, index)).unwrap();
            let alone = decoder
                .step(&TokenBatch::from_rows(&[text], 0), &mut state)
                .unwrap();
            close(beams.last(row), alone.last(0));
        }
    }

    #[test]
    fn masked_context_is_not_attended() {
        let (decoder, device) = tiny();
        let context = pictures(1, &device);
        let short = HiddenStates::new(context.states().clone().narrow(1, 0, 3));
        let padded =
            HiddenStates::with_mask(context.states().clone(), AttentionMask::from_lengths(&[3], 5)).unwrap();
        let run = |context: &HiddenStates| {
            let mut state = decoder.start(context).unwrap();
            state.fan_out(2);
            decoder
                .step(&TokenBatch::from_rows(&[[1, 2], [3, 4]], 0), &mut state)
                .unwrap()
        };
        close(run(&padded).at(1, 1), run(&short).at(1, 1));
    }

    #[test]
    fn a_tied_head_scores_by_the_word_embeddings() {
        let (decoder, _) = tiny();
        assert!(!decoder.is_tied());
        assert!(decoder.tied().is_tied());
    }

    #[test]
    fn what_does_not_fit_is_refused_and_changes_nothing() {
        let (decoder, device) = tiny();
        let mut state = decoder.start(&pictures(1, &device)).unwrap();
        let mut refused = |batch: TokenBatch| decoder.step(&batch, &mut state).unwrap_err().to_string();
        assert_eq!(
            refused(TokenBatch::column(&[64])),
            "token id 64 is outside the model's vocabulary of 64"
        );
        assert_eq!(
            refused(TokenBatch::column(&[1, 2])),
            "input_ids: expected [1, at least 1], got [2, 1]"
        );
        assert_eq!(
            refused(TokenBatch::from_rows(&[vec![1; 41]], 0)),
            "input_ids: 41 tokens do not fit the model's 40 positions"
        );
        assert_eq!(state.length(), 0);

        let narrow = HiddenStates::new(Tensor::zeros([1, 5, 16], &device));
        let error = decoder.start(&narrow).unwrap_err().to_string();
        assert_eq!(error, "context: expected [groups, tokens, 32], got [1, 5, 16]");
    }
}
