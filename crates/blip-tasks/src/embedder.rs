//! Pictures and texts to vectors of one space (ITC).
//!
//! ```text
//! picture ─ ImageEncoder ─ token 0 ─ vision_proj ─ / length ─┐
//!                                                             ├─ dot ─▶ itc_similarity
//! text [CLS] … ─ TextEncoder ─ token 0 ─ text_proj ─ / length ┘
//! ```
//!
//! Source: salesforce/BLIP@056a169 `models/blip_itm.py` `BLIP_ITM.forward`, `match_head='itc'`; transformers 5.23
//! `models/blip/modeling_blip.py` `BlipForImageTextRetrieval`.

use blip_traits::{Head, HiddenStates, ImageEncoder, PixelValues, TextEncoder, Tokenizer};

use crate::compose::{TEXTS_AT_ONCE, batch, check_batch, check_width, of_first_token, rows};
use crate::{Embeddings, FirstToken, TaskError, TextPolicy};

/// Turns pictures and texts into vectors that can be compared.
///
/// Holds no request: one embedder serves many threads.
#[derive(Clone, Debug)]
pub struct Embedder<V, E, H, T> {
    image_encoder: V,
    text_encoder: E,
    vision_proj: H,
    text_proj: H,
    tokenizer: T,
    policy: TextPolicy,
}

impl<V: ImageEncoder, E: TextEncoder, H: Head, T: Tokenizer> Embedder<V, E, H, T> {
    /// Puts the parts together. They may be owned, borrowed or shared.
    ///
    /// # Errors
    ///
    /// [`ModelError::Incompatible`](blip_traits::ModelError::Incompatible) if a projection takes another width than its
    /// encoder gives, or the two project to different ones.
    pub fn new(
        image_encoder: V,
        text_encoder: E,
        vision_proj: H,
        text_proj: H,
        tokenizer: T,
        policy: TextPolicy,
    ) -> Result<Self, TaskError> {
        check_width(
            "hidden_size",
            ("the image encoder", image_encoder.hidden_size()),
            ("vision_proj", vision_proj.hidden_size()),
        )?;
        check_width(
            "hidden_size",
            ("the text encoder", text_encoder.hidden_size()),
            ("text_proj", text_proj.hidden_size()),
        )?;
        check_width(
            "embed_dim",
            ("vision_proj", vision_proj.output_size()),
            ("text_proj", text_proj.output_size()),
        )?;
        Ok(Self {
            image_encoder,
            text_encoder,
            vision_proj,
            text_proj,
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

    /// The part that reads texts.
    pub fn text_encoder(&self) -> &E {
        &self.text_encoder
    }

    /// The part that turns text into ids and back.
    pub fn tokenizer(&self) -> &T {
        &self.tokenizer
    }

    /// The length of a vector.
    pub fn embed_dim(&self) -> usize {
        self.vision_proj.output_size()
    }

    /// Looks at pictures once, for any number of other calls.
    ///
    /// # Shapes
    ///
    /// - pixel_values: `[batch, 3, height, width]`
    /// - output: `[batch, tokens, hidden_size]`
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`](blip_traits::ModelError::Shape) if the pictures' size is not the encoder's.
    pub fn encode(&self, pixel_values: &PixelValues) -> Result<HiddenStates, TaskError> {
        Ok(self.image_encoder.encode(pixel_values)?)
    }

    /// A vector for each picture that was looked at before.
    ///
    /// # Shapes
    ///
    /// - hidden_states: `[batch, tokens, hidden_size]`
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`](blip_traits::ModelError::Shape) if the states are not the encoder's.
    pub fn embed_images(&self, hidden_states: &HiddenStates) -> Result<Embeddings, TaskError> {
        let projected = of_first_token(&self.vision_proj, hidden_states)?;
        Ok(Embeddings::new(projected.into_vec(), self.embed_dim())?)
    }

    /// One vector for a film: the mean of its frames' projections, made one of length 1.
    ///
    /// # Shapes
    ///
    /// - frames: `[frames, tokens, hidden_size]`, at least one
    ///
    /// # Errors
    ///
    /// As [`embed_images`](Self::embed_images), and [`TaskError::Setting`] for no frame.
    pub fn embed_video(&self, frames: &HiddenStates) -> Result<Embeddings, TaskError> {
        let [count, ..] = frames.shape();
        if count == 0 {
            return Err(TaskError::setting("frames", "at least one", 0));
        }
        // salesforce/BLIP@056a169 eval_retrieval_video.py:70: the mean comes before the normalisation.
        let projected = of_first_token(&self.vision_proj, frames)?;
        let mut mean = vec![0.0; self.embed_dim()];
        for frame in 0..count {
            for (mean, value) in mean.iter_mut().zip(projected.at(frame, 0)) {
                *mean += value / count as f32;
            }
        }
        Ok(Embeddings::new(mean, self.embed_dim())?)
    }

    /// A vector for each text.
    ///
    /// Texts longer than the policy's `matching_max_length` are cut off, as in the reference.
    ///
    /// # Errors
    ///
    /// [`ModelError::TooLong`](blip_traits::ModelError::TooLong) for a text that the encoder has no positions for;
    /// [`ModelError::Foreign`](blip_traits::ModelError::Foreign) if the tokenizer fails.
    pub fn embed_texts<S: AsRef<str>>(&self, texts: &[S]) -> Result<Embeddings, TaskError> {
        let mut values = Vec::with_capacity(texts.len() * self.embed_dim());
        for texts in texts.chunks(TEXTS_AT_ONCE) {
            let rows = rows(
                &self.tokenizer,
                texts,
                self.policy.matching_max_length,
                FirstToken::Cls,
            )?;
            let states = self.text_encoder.encode(&batch(&self.tokenizer, &rows))?;
            check_batch(&states, rows.len())?;
            values.extend(of_first_token(&self.text_proj, &states)?.into_vec());
        }
        Ok(Embeddings::new(values, self.embed_dim())?)
    }
}
