//! Captioning: pictures to sentences.
//!
//! PixelValues ─ ImageEncoder ─▶ HiddenStates ─ generate(prompt) ─▶ token ids ─ Tokenizer ─▶ Caption
//!
//! Source: salesforce/BLIP@056a169 `models/blip.py` `BLIP_Decoder.generate`; transformers 5.23
//! `models/blip/modeling_blip.py` `BlipForConditionalGeneration.generate`.

use blip_traits::{HiddenStates, ImageEncoder, ModelError, PixelValues, TextDecoder, Tokenizer};

use crate::compose::{check_vocabulary, check_width, row};
use crate::stream::TextStream;
use crate::{
    Caption, CaptionOptions, GenerationConfig, Hypothesis, TaskError, TextPiece, TextPolicy, TokenEvent,
    generate,
};

/// Writes captions with any image encoder, decoder and tokenizer that fit each other.
///
/// Holds no request: one captioner serves many threads.
#[derive(Clone, Debug)]
pub struct Captioner<V, D, T> {
    image_encoder: V,
    decoder: D,
    tokenizer: T,
    policy: TextPolicy,
}

impl<V: ImageEncoder, D: TextDecoder, T: Tokenizer> Captioner<V, D, T> {
    /// Puts the parts together. They may be owned, borrowed or shared.
    ///
    /// # Errors
    ///
    /// [`ModelError::Incompatible`] if the encoder's width is not what the decoder attends, or the tokenizer has ids
    /// that the decoder lacks; [`ModelError::Token`] if a special token is among those; [`TaskError::Setting`] if the
    /// policy makes no sense.
    pub fn new(image_encoder: V, decoder: D, tokenizer: T, policy: TextPolicy) -> Result<Self, TaskError> {
        check_width(
            "hidden_size",
            ("the image encoder", image_encoder.hidden_size()),
            ("the text decoder", decoder.context_size()),
        )?;
        check_vocabulary(&tokenizer, decoder.vocab_size())?;
        policy.generation.validate()?;
        policy.sampling.validate()?;
        Ok(Self {
            image_encoder,
            decoder,
            tokenizer,
            policy,
        })
    }

    /// The conventions that it follows.
    pub fn policy(&self) -> &TextPolicy {
        &self.policy
    }

    /// The part that looks at pictures.
    pub fn image_encoder(&self) -> &V {
        &self.image_encoder
    }

    /// The part that writes.
    pub fn decoder(&self) -> &D {
        &self.decoder
    }

    /// The part that turns text into ids and back.
    pub fn tokenizer(&self) -> &T {
        &self.tokenizer
    }

    /// Says whether a request makes sense, without a picture: before hours of work, and before the first of many.
    ///
    /// # Errors
    ///
    /// Those of [`caption`](Self::caption) that do not depend on the picture.
    pub fn check(&self, options: &CaptionOptions) -> Result<(), TaskError> {
        let request = self.request(options)?;
        request.config.check(self.decoder.vocab_size(), &request.prompt)
    }

    /// Looks at pictures once, for any number of calls of [`caption_encoded`](Self::caption_encoded).
    ///
    /// # Shapes
    ///
    /// - pixel_values: `[batch, 3, height, width]`
    /// - output: `[batch, tokens, hidden_size]`
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`] if the pictures' size is not the encoder's.
    pub fn encode(&self, pixel_values: &PixelValues) -> Result<HiddenStates, TaskError> {
        Ok(self.image_encoder.encode(pixel_values)?)
    }

    /// The captions of one picture: best first, or in the order of drawing if sampled.
    ///
    /// # Shapes
    ///
    /// - pixel_values: `[1, 3, height, width]`
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`] if it is not one picture of the encoder's size, and those of
    /// [`caption_encoded`](Self::caption_encoded).
    pub fn caption(
        &self,
        pixel_values: &PixelValues,
        options: &CaptionOptions,
    ) -> Result<Vec<Caption>, TaskError> {
        one(pixel_values)?;
        Ok(self
            .caption_batch(pixel_values, options)?
            .into_iter()
            .flatten()
            .collect())
    }

    /// The captions of each picture of a batch, the same as it gets alone.
    ///
    /// # Shapes
    ///
    /// - pixel_values: `[batch, 3, height, width]`
    /// - output: `[batch][num_return_sequences]`
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`] if the pictures' size is not the encoder's, and those of
    /// [`caption_encoded`](Self::caption_encoded).
    pub fn caption_batch(
        &self,
        pixel_values: &PixelValues,
        options: &CaptionOptions,
    ) -> Result<Vec<Vec<Caption>>, TaskError> {
        self.caption_encoded(&self.encode(pixel_values)?, options)
    }

    /// The captions of each picture that was looked at before.
    ///
    /// # Shapes
    ///
    /// - hidden_states: `[batch, tokens, hidden_size]`
    /// - output: `[batch][num_return_sequences]`
    ///
    /// # Errors
    ///
    /// Those of [`generate`] and of [`CaptionOptions::generation`]; [`TaskError::BadWord`] for a bad word without a
    /// token; [`ModelError::Foreign`] if the tokenizer fails.
    pub fn caption_encoded(
        &self,
        hidden_states: &HiddenStates,
        options: &CaptionOptions,
    ) -> Result<Vec<Vec<Caption>>, TaskError> {
        let request = self.request(options)?;
        let texts = generate(
            &self.decoder,
            hidden_states,
            &request.prompt,
            &request.config,
            None,
        )?;
        self.captions(texts, &request)
    }

    /// [`caption`](Self::caption), telling `on_piece` the text while it is written.
    ///
    /// # Shapes
    ///
    /// - pixel_values: `[1, 3, height, width]`
    ///
    /// # Errors
    ///
    /// Those of [`caption`](Self::caption), and [`TaskError::StreamingBeams`] in beam search: ask for one beam, or
    /// sample.
    pub fn caption_streaming(
        &self,
        pixel_values: &PixelValues,
        options: &CaptionOptions,
        on_piece: &mut dyn FnMut(TextPiece<'_>),
    ) -> Result<Vec<Caption>, TaskError> {
        one(pixel_values)?;
        let hidden_states = self.encode(pixel_values)?;
        Ok(self
            .caption_encoded_streaming(&hidden_states, options, on_piece)?
            .into_iter()
            .flatten()
            .collect())
    }

    /// [`caption_encoded`](Self::caption_encoded), telling `on_piece` the texts while they are written.
    ///
    /// # Shapes
    ///
    /// - hidden_states: `[batch, tokens, hidden_size]`
    /// - output: `[batch][num_return_sequences]`
    ///
    /// # Errors
    ///
    /// Those of [`caption_encoded`](Self::caption_encoded), and [`TaskError::StreamingBeams`] in beam search.
    pub fn caption_encoded_streaming(
        &self,
        hidden_states: &HiddenStates,
        options: &CaptionOptions,
        on_piece: &mut dyn FnMut(TextPiece<'_>),
    ) -> Result<Vec<Vec<Caption>>, TaskError> {
        let request = self.request(options)?;
        let [pictures, ..] = hidden_states.shape();
        let copies = request.config.num_return_sequences;
        let mut rows = vec![(request.prompt.clone(), TextStream::default()); pictures * copies];
        let mut failure = None;
        let mut observer = |event: TokenEvent| {
            let (ids, stream) = &mut rows[event.group * copies + event.copy];
            ids.push(event.token_id);
            match self.text(ids, &request) {
                Ok(text) => {
                    let piece = if event.finish_reason.is_some() {
                        stream.finish(&text)
                    } else {
                        stream.advance(&text)
                    };
                    if !piece.is_empty() {
                        on_piece(TextPiece {
                            picture: event.group,
                            copy: event.copy,
                            text: piece,
                        });
                    }
                }
                Err(error) => failure = failure.take().or(Some(error)),
            }
        };
        let texts = generate(
            &self.decoder,
            hidden_states,
            &request.prompt,
            &request.config,
            Some(&mut observer),
        )?;
        match failure {
            Some(error) => Err(error),
            None => self.captions(texts, &request),
        }
    }

    /// Turns options into numbers.
    fn request(&self, options: &CaptionOptions) -> Result<Request, TaskError> {
        let special_tokens = self.tokenizer.special_tokens();
        let mut config = options.generation(&self.policy)?;
        config.eos_token_id = special_tokens.sep;
        for word in &options.bad_words {
            let ids = self.tokenizer.encode(word, None)?;
            // Between [CLS] and [SEP].
            match ids.get(1..ids.len().saturating_sub(1)) {
                Some(ids) if !ids.is_empty() => config.bad_words_ids.push(ids.to_vec()),
                _ => return Err(TaskError::BadWord { word: word.clone() }),
            }
        }
        config.validate()?;
        let first = self.policy.generation_first_token.id(&special_tokens);
        let text = options.prompt.as_ref().or(self.policy.prompt.as_ref());
        let prompt = match text {
            None => vec![first],
            Some(text) => {
                let mut ids = row(&self.tokenizer, text, None, self.policy.generation_first_token)?;
                // Both references drop the last id, [SEP].
                if ids.len() > 1 {
                    ids.pop();
                }
                ids
            }
        };
        if options.max_length.is_none() && self.policy.max_length_beyond_prompt {
            config.max_length += prompt.len();
        }
        let cut = text.filter(|_| self.policy.cut_prompt);
        Ok(Request {
            prompt,
            config,
            cut: cut.map_or(0, |text| text.chars().count()),
        })
    }

    fn text(&self, ids: &[u32], request: &Request) -> Result<String, TaskError> {
        let text = self.tokenizer.decode(ids)?;
        // salesforce/BLIP@056a169 models/blip.py `generate`: `caption[len(self.prompt):]`, in characters.
        Ok(match text.char_indices().nth(request.cut) {
            Some((start, _)) => text[start..].to_owned(),
            None => String::new(),
        })
    }

    fn captions(
        &self,
        texts: Vec<Vec<Hypothesis>>,
        request: &Request,
    ) -> Result<Vec<Vec<Caption>>, TaskError> {
        let caption = |hypothesis: Hypothesis| {
            Ok(Caption {
                text: self.text(&hypothesis.token_ids, request)?,
                score: hypothesis.sequence_score,
                token_ids: hypothesis.token_ids,
                token_log_probs: hypothesis.token_log_probs,
                finish_reason: hypothesis.finish_reason,
            })
        };
        texts
            .into_iter()
            .map(|of_picture| of_picture.into_iter().map(caption).collect())
            .collect()
    }
}

/// A request in numbers.
#[derive(Debug)]
struct Request {
    prompt: Vec<u32>,
    config: GenerationConfig,
    /// Characters to cut from the front of the text.
    cut: usize,
}

fn one(pixel_values: &PixelValues) -> Result<(), TaskError> {
    let shape = pixel_values.shape();
    if shape[0] == 1 {
        Ok(())
    } else {
        let expected = "[1, 3, height, width], one picture";
        Err(ModelError::shape("pixel_values", expected, &shape).into())
    }
}
