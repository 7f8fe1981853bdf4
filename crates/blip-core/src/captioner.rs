//! Captions, from a checkpoint and a picture's file.

use std::path::Path;
use std::sync::Arc;

use blip_decoder::TextDecoder;
use blip_processor::ImageProcessor;
use blip_tasks::{Caption, CaptionOptions, TextPiece, TextPolicy};
use blip_traits::{HiddenStates, ImageEncoder, PixelValues, Tokenizer};
use blip_vit::VisionTransformer;

use crate::loader::loaders;
use crate::picture::PictureReader;
use crate::{Blip, Error};

type Pipeline = blip_tasks::Captioner<Arc<VisionTransformer>, Arc<TextDecoder>, Arc<dyn Tokenizer>>;

/// Says what pictures show.
///
/// ```text
/// caption_file ─▶ caption_bytes ─▶ caption ─▶ caption_encoded          each stage can be entered
///   read            preprocess       encode     generate               and its value kept
/// ```
///
/// Holds weights and no request: one captioner serves many threads at once, and a clone shares the weights.
///
/// # Example
///
/// ```no_run
/// use blip_core::{CaptionOptions, Captioner};
///
/// let captioner = Captioner::from_dir("blip-image-captioning-base")?;
/// for caption in captioner.caption_file("beach.jpg", &CaptionOptions::default())? {
///     println!("{}", caption.text);
/// }
/// # Ok::<(), blip_core::Error>(())
/// ```
#[doc(alias = "BlipForConditionalGeneration")]
#[doc(alias = "BLIP_Decoder")]
#[derive(Clone)]
pub struct Captioner {
    pipeline: Arc<Pipeline>,
    pictures: PictureReader,
}

loaders!(Captioner, Captioning);

impl Captioner {
    pub(crate) fn new(pipeline: Pipeline, pictures: PictureReader) -> Self {
        Self {
            pipeline: Arc::new(pipeline),
            pictures,
        }
    }

    fn of(blip: &Blip) -> Result<Self, Error> {
        blip.captioner()
    }

    /// The captions of a picture in a file, best first (sampled ones in the order of drawing).
    ///
    /// # Errors
    ///
    /// [`Error::Processor`] if the file cannot be read; [`Error::Picture`] if it is no picture within the limits;
    /// [`Error::Task`] if the options cannot be met.
    pub fn caption_file(
        &self,
        path: impl AsRef<Path>,
        options: &CaptionOptions,
    ) -> Result<Vec<Caption>, Error> {
        self.caption(&self.pictures.open(path)?, options)
    }

    /// The captions of a picture in an image file's bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Processor`] if they are no picture within the limits; [`Error::Task`] if the options cannot be met.
    pub fn caption_bytes(&self, bytes: &[u8], options: &CaptionOptions) -> Result<Vec<Caption>, Error> {
        self.caption(&self.pictures.read(bytes)?, options)
    }

    /// The captions of a preprocessed picture.
    ///
    /// # Shapes
    ///
    /// - pixel_values: `[1, 3, height, width]`
    ///
    /// # Errors
    ///
    /// [`Error::Task`] if the picture is not one of the encoder's size, or the options cannot be met.
    pub fn caption(
        &self,
        pixel_values: &PixelValues,
        options: &CaptionOptions,
    ) -> Result<Vec<Caption>, Error> {
        Ok(self.pipeline.caption(pixel_values, options)?)
    }

    /// The captions of each picture that was encoded before, for many requests from one look.
    ///
    /// # Shapes
    ///
    /// - hidden_states: `[batch, tokens, hidden_size]`, from [`encode`](Self::encode)
    /// - output: `[batch][num_return_sequences]`
    ///
    /// # Errors
    ///
    /// [`Error::Task`] if the states are not the encoder's, or the options cannot be met.
    pub fn caption_encoded(
        &self,
        hidden_states: &HiddenStates,
        options: &CaptionOptions,
    ) -> Result<Vec<Vec<Caption>>, Error> {
        Ok(self.pipeline.caption_encoded(hidden_states, options)?)
    }

    /// The captions of pictures in files, together; each gets what it gets alone.
    ///
    /// # Errors
    ///
    /// As [`caption_file`](Self::caption_file), for the first file that fails.
    pub fn caption_files<P: AsRef<Path>>(
        &self,
        paths: &[P],
        options: &CaptionOptions,
    ) -> Result<Vec<Vec<Caption>>, Error> {
        let pictures = self.pictures.batch(paths, |path| self.pictures.open(path))?;
        pictures.map_or(Ok(Vec::new()), |pictures| self.caption_batch(&pictures, options))
    }

    /// The captions of pictures in image files' bytes, together; each gets what it gets alone.
    ///
    /// # Errors
    ///
    /// As [`caption_bytes`](Self::caption_bytes), for the first picture that fails.
    pub fn caption_bytes_batch<B: AsRef<[u8]>>(
        &self,
        pictures: &[B],
        options: &CaptionOptions,
    ) -> Result<Vec<Vec<Caption>>, Error> {
        let pictures = self.pictures.batch(pictures, |bytes| self.pictures.read(bytes))?;
        pictures.map_or(Ok(Vec::new()), |pictures| self.caption_batch(&pictures, options))
    }

    /// The captions of each preprocessed picture of a batch; each gets what it gets alone.
    ///
    /// # Shapes
    ///
    /// - pixel_values: `[batch, 3, height, width]`
    /// - output: `[batch][num_return_sequences]`
    ///
    /// # Errors
    ///
    /// As [`caption`](Self::caption).
    pub fn caption_batch(
        &self,
        pixel_values: &PixelValues,
        options: &CaptionOptions,
    ) -> Result<Vec<Vec<Caption>>, Error> {
        Ok(self.pipeline.caption_batch(pixel_values, options)?)
    }

    /// [`caption`](Self::caption), telling `on_piece` the text while it is written. Greedy search or sampling only.
    ///
    /// # Shapes
    ///
    /// - pixel_values: `[1, 3, height, width]`
    ///
    /// # Errors
    ///
    /// As [`caption`](Self::caption), and [`Error::Task`] in beam search, whose tokens are not final before it ends.
    pub fn caption_streaming(
        &self,
        pixel_values: &PixelValues,
        options: &CaptionOptions,
        on_piece: &mut dyn FnMut(TextPiece<'_>),
    ) -> Result<Vec<Caption>, Error> {
        Ok(self.pipeline.caption_streaming(pixel_values, options, on_piece)?)
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
    /// [`Error::Task`] if the pictures' size is not the encoder's.
    pub fn encode(&self, pixel_values: &PixelValues) -> Result<HiddenStates, Error> {
        Ok(self.pipeline.encode(pixel_values)?)
    }

    /// Says whether a request makes sense, without a picture: before the first of many.
    ///
    /// # Errors
    ///
    /// [`Error::Task`] as [`caption`](Self::caption), as far as it does not depend on the picture.
    pub fn check(&self, options: &CaptionOptions) -> Result<(), Error> {
        Ok(self.pipeline.check(options)?)
    }

    /// What turns pictures into pixel values for this model.
    pub fn processor(&self) -> &ImageProcessor {
        self.pictures.processor()
    }

    /// The conventions that it follows.
    pub fn policy(&self) -> &TextPolicy {
        self.pipeline.policy()
    }

    /// The image encoder, shared.
    pub fn image_encoder(&self) -> &Arc<VisionTransformer> {
        self.pipeline.image_encoder()
    }

    /// The text decoder, shared.
    pub fn decoder(&self) -> &Arc<TextDecoder> {
        self.pipeline.decoder()
    }

    /// The tokenizer, shared.
    pub fn tokenizer(&self) -> &Arc<dyn Tokenizer> {
        self.pipeline.tokenizer()
    }

    /// Height and width of the pictures that it takes, in pixels.
    pub fn image_size(&self) -> [usize; 2] {
        self.image_encoder().image_size()
    }
}
