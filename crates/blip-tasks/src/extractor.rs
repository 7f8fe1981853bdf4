//! Features: what the encoders see, raw or in the space that pictures and texts share.
//!
//! Source: salesforce/BLIP@056a169 `models/blip.py` `BLIP_Base`; LAVIS `lavis/models/blip_models/blip_feature_extractor.py`,
//! which projects and normalises every token.

use blip_traits::{
    Features, GroundedEncoder, Head, HiddenStates, ImageEncoder, PixelValues, TextEncoder, TokenBatch,
    Tokenizer,
};

use crate::compose::{batch, check_width, rows};
use crate::{FirstToken, TaskError, TextPolicy};

/// Gives what the encoders see, of pictures, of texts, and of texts that look at pictures.
///
/// Only the image encoder has to be there; what needs another part says so.
#[derive(Clone, Debug)]
pub struct FeatureExtractor<V, E, H, T> {
    image_encoder: V,
    text_encoder: Option<E>,
    vision_proj: Option<H>,
    text_proj: Option<H>,
    tokenizer: T,
    policy: TextPolicy,
}

impl<V, E, H, T> FeatureExtractor<V, E, H, T>
where
    V: ImageEncoder,
    E: TextEncoder + GroundedEncoder,
    H: Head,
    T: Tokenizer,
{
    /// Puts the parts together that there are.
    ///
    /// # Errors
    ///
    /// [`ModelError::Incompatible`](blip_traits::ModelError::Incompatible) if parts do not fit each other.
    pub fn new(
        image_encoder: V,
        text_encoder: Option<E>,
        vision_proj: Option<H>,
        text_proj: Option<H>,
        tokenizer: T,
        policy: TextPolicy,
    ) -> Result<Self, TaskError> {
        let image_size = ("the image encoder", image_encoder.hidden_size());
        if let Some(encoder) = &text_encoder {
            check_width(
                "hidden_size",
                image_size,
                ("the text encoder", encoder.context_size()),
            )?;
            if let Some(proj) = &text_proj {
                let text_size = ("the text encoder", GroundedEncoder::hidden_size(encoder));
                check_width("hidden_size", text_size, ("text_proj", proj.hidden_size()))?;
            }
        }
        if let Some(proj) = &vision_proj {
            check_width("hidden_size", image_size, ("vision_proj", proj.hidden_size()))?;
        }
        if let (Some(vision_proj), Some(text_proj)) = (&vision_proj, &text_proj) {
            check_width(
                "embed_dim",
                ("vision_proj", vision_proj.output_size()),
                ("text_proj", text_proj.output_size()),
            )?;
        }
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

    /// Whether there is a text encoder.
    pub fn reads_text(&self) -> bool {
        self.text_encoder.is_some()
    }

    /// Whether there are projections to the shared space, of pictures and of texts.
    pub fn projects(&self) -> [bool; 2] {
        [self.vision_proj.is_some(), self.text_proj.is_some()]
    }

    /// `image_embeds`: every token of pictures, after the image encoder's last norm. Token 0 stands for the whole picture.
    ///
    /// # Shapes
    ///
    /// - pixel_values: `[batch, 3, height, width]`
    /// - output: `[batch, tokens, hidden_size]`
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`](blip_traits::ModelError::Shape) if the pictures' size is not the encoder's.
    pub fn image_embeds(&self, pixel_values: &PixelValues) -> Result<HiddenStates, TaskError> {
        Ok(self.image_encoder.encode(pixel_values)?)
    }

    /// Texts as ids with `[CLS]` first, padded to the longest; nothing is cut off.
    ///
    /// # Errors
    ///
    /// [`ModelError::Foreign`](blip_traits::ModelError::Foreign) if the tokenizer fails.
    pub fn input_ids<S: AsRef<str>>(&self, texts: &[S]) -> Result<TokenBatch, TaskError> {
        self.ids(texts, FirstToken::Cls)
    }

    /// `text_embeds`: every token of texts on their own.
    ///
    /// # Shapes
    ///
    /// - output: `[texts, length, hidden_size]`
    ///
    /// # Errors
    ///
    /// [`TaskError::MissingPart`] without a text encoder;
    /// [`ModelError::TooLong`](blip_traits::ModelError::TooLong) for a text that it has no positions for.
    pub fn text_embeds<S: AsRef<str>>(&self, texts: &[S]) -> Result<HiddenStates, TaskError> {
        Ok(TextEncoder::encode(
            self.text_encoder()?,
            &self.input_ids(texts)?,
        )?)
    }

    /// `multimodal_embeds`: every token of texts, `[ENC]` first, that look at pictures; text `t` at picture
    /// `t / (texts / pictures)`.
    ///
    /// # Shapes
    ///
    /// - image_embeds: `[pictures, tokens, hidden_size]`
    /// - output: `[texts, length, hidden_size]`
    ///
    /// # Errors
    ///
    /// As [`text_embeds`](Self::text_embeds), and [`ModelError::Shape`](blip_traits::ModelError::Shape) if the texts are
    /// no multiple of the pictures.
    pub fn multimodal_embeds<S: AsRef<str>>(
        &self,
        image_embeds: &HiddenStates,
        texts: &[S],
    ) -> Result<HiddenStates, TaskError> {
        let encoder = self.text_encoder()?;
        let context = encoder.ground(image_embeds)?;
        let text = self.ids(texts, FirstToken::Enc)?;
        Ok(GroundedEncoder::encode(encoder, &text, &context)?)
    }

    /// Every token of pictures in the shared space, each of length 1; `image_features` is token 0.
    ///
    /// # Shapes
    ///
    /// - image_embeds: `[batch, tokens, hidden_size]`
    /// - output: `[batch, tokens, embed_dim]`
    ///
    /// # Errors
    ///
    /// [`TaskError::MissingPart`] without the projection.
    pub fn project_image(&self, image_embeds: &HiddenStates) -> Result<Features, TaskError> {
        let proj = part(self.vision_proj.as_ref(), "vision_proj")?;
        Ok(proj.apply(image_embeds)?.normalized())
    }

    /// Every token of texts in the shared space, each of length 1; `text_features` is token 0.
    ///
    /// # Shapes
    ///
    /// - text_embeds: `[texts, length, hidden_size]`
    /// - output: `[texts, length, embed_dim]`
    ///
    /// # Errors
    ///
    /// [`TaskError::MissingPart`] without the projection.
    pub fn project_text(&self, text_embeds: &HiddenStates) -> Result<Features, TaskError> {
        let proj = part(self.text_proj.as_ref(), "text_proj")?;
        Ok(proj.apply(text_embeds)?.normalized())
    }

    fn text_encoder(&self) -> Result<&E, TaskError> {
        part(self.text_encoder.as_ref(), "the text encoder")
    }

    fn ids<S: AsRef<str>>(&self, texts: &[S], first: FirstToken) -> Result<TokenBatch, TaskError> {
        let rows = rows(&self.tokenizer, texts, None, first)?;
        Ok(batch(&self.tokenizer, &rows))
    }
}

fn part<'a, P>(found: Option<&'a P>, part: &'static str) -> Result<&'a P, TaskError> {
    found.ok_or(TaskError::MissingPart { part })
}
