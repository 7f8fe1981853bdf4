//! What the encoders see, from a checkpoint and a picture's file.

use std::path::Path;
use std::sync::Arc;

use blip_encoder::TextEncoder;
use blip_nn::Linear;
use blip_processor::ImageProcessor;
use blip_traits::{Features, HiddenStates, PixelValues, TokenBatch, Tokenizer};
use blip_vit::VisionTransformer;

use crate::loader::loaders;
use crate::picture::PictureReader;
use crate::{Blip, Error};

type Pipeline =
    blip_tasks::FeatureExtractor<Arc<VisionTransformer>, Arc<TextEncoder>, Arc<Linear>, Arc<dyn Tokenizer>>;

/// Gives what the encoders see: of pictures, of texts, and of texts that look at pictures; raw, or in the space that
/// pictures and texts share.
///
/// Any checkpoint of BLIP will do for pictures; what needs a part that the checkpoint lacks says which. Raw vectors of pictures
/// and of texts are not comparable: compare projected ones.
///
/// # Example
///
/// ```no_run
/// use blip_core::{FeatureExtractor, LoadOptions};
///
/// let extractor = FeatureExtractor::from_path("model_base.pth", &LoadOptions::default())?;
/// let image_embeds = extractor.image_embeds_file("beach.jpg")?; // [1, 197, 768]
/// let image_features = extractor.project_image(&image_embeds)?; // [1, 197, 256]; token 0 is the picture
/// println!("{:?}", image_features.at(0, 0));
/// # Ok::<(), blip_core::Error>(())
/// ```
#[doc(alias = "BLIP_Base")]
#[derive(Clone)]
pub struct FeatureExtractor {
    pipeline: Arc<Pipeline>,
    pictures: PictureReader,
}

loaders!(FeatureExtractor, FeatureExtraction);

impl FeatureExtractor {
    pub(crate) fn new(pipeline: Pipeline, pictures: PictureReader) -> Self {
        Self {
            pipeline: Arc::new(pipeline),
            pictures,
        }
    }

    fn of(blip: &Blip) -> Result<Self, Error> {
        blip.feature_extractor()
    }

    /// Whether the checkpoint has a text encoder.
    pub fn reads_text(&self) -> bool {
        self.pipeline.reads_text()
    }

    /// Whether the checkpoint has the projections into the shared space, of pictures and of texts.
    pub fn projects(&self) -> [bool; 2] {
        self.pipeline.projects()
    }

    /// `image_embeds` of a picture in a file, `[1, tokens, hidden_size]`.
    ///
    /// # Errors
    ///
    /// [`Error::Processor`] if the file cannot be read; [`Error::Picture`] if it is no picture within the limits.
    pub fn image_embeds_file(&self, path: impl AsRef<Path>) -> Result<HiddenStates, Error> {
        self.image_embeds(&self.pictures.open(path)?)
    }

    /// `image_embeds`: every token of preprocessed pictures, after the image encoder's last norm. Token 0 stands for the
    /// whole picture.
    ///
    /// # Shapes
    ///
    /// - pixel_values: `[batch, 3, height, width]`
    /// - output: `[batch, tokens, hidden_size]`
    ///
    /// # Errors
    ///
    /// [`Error::Task`] if the pictures' size is not the encoder's.
    pub fn image_embeds(&self, pixel_values: &PixelValues) -> Result<HiddenStates, Error> {
        Ok(self.pipeline.image_embeds(pixel_values)?)
    }

    /// Texts as ids with `[CLS]` first, padded to the longest; nothing is cut off.
    ///
    /// # Errors
    ///
    /// [`Error::Task`] if a text cannot be tokenized.
    pub fn input_ids<S: AsRef<str>>(&self, texts: &[S]) -> Result<TokenBatch, Error> {
        Ok(self.pipeline.input_ids(texts)?)
    }

    /// `text_embeds`: every token of texts on their own.
    ///
    /// # Shapes
    ///
    /// - output: `[texts, length, hidden_size]`
    ///
    /// # Errors
    ///
    /// [`Error::Task`] if the checkpoint has no text encoder, or a text is too long for it.
    pub fn text_embeds<S: AsRef<str>>(&self, texts: &[S]) -> Result<HiddenStates, Error> {
        Ok(self.pipeline.text_embeds(texts)?)
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
    /// As [`text_embeds`](Self::text_embeds), and if the texts are no multiple of the pictures.
    pub fn multimodal_embeds<S: AsRef<str>>(
        &self,
        image_embeds: &HiddenStates,
        texts: &[S],
    ) -> Result<HiddenStates, Error> {
        Ok(self.pipeline.multimodal_embeds(image_embeds, texts)?)
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
    /// [`Error::Task`] if the checkpoint has no projection.
    pub fn project_image(&self, image_embeds: &HiddenStates) -> Result<Features, Error> {
        Ok(self.pipeline.project_image(image_embeds)?)
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
    /// [`Error::Task`] if the checkpoint has no projection.
    pub fn project_text(&self, text_embeds: &HiddenStates) -> Result<Features, Error> {
        Ok(self.pipeline.project_text(text_embeds)?)
    }

    /// What turns pictures into pixel values for this model.
    pub fn processor(&self) -> &ImageProcessor {
        self.pictures.processor()
    }

    /// The image encoder, shared.
    pub fn image_encoder(&self) -> &Arc<VisionTransformer> {
        self.pipeline.image_encoder()
    }
}
