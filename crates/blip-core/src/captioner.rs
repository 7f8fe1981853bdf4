//! Captions, from a checkpoint and a picture's file.

use std::path::Path;
use std::sync::Arc;

use blip_decoder::TextDecoder;
use blip_processor::{ImageProcessor, ImageProcessorConfig, ProcessorError};
use blip_tasks::{Caption, CaptionOptions, TextPiece, TextPolicy};
use blip_traits::{HiddenStates, ImageEncoder, PixelValues, Tokenizer};
use blip_vit::VisionTransformer;
use blip_weights::load_module;

use crate::source::{Source, built_in};
use crate::{BlipConfig, CaptionModel, Error, LoadOptions, ModelBytes, ModelFiles, Reference, Task};

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
    processor: Arc<ImageProcessor>,
}

impl Captioner {
    /// Loads a folder in Hugging Face layout, on the CPU: `config.json`; `model.safetensors` (or shards with their
    /// index) or `pytorch_model.bin`; `tokenizer.json` or `vocab.txt`; `preprocessor_config.json`.
    ///
    /// # Errors
    ///
    /// [`Error`] names the file, field or tensor that is missing, unknown or contradicts another; nothing is loaded
    /// then.
    #[cfg(feature = "flex")]
    pub fn from_dir(folder: impl AsRef<Path>) -> Result<Self, Error> {
        let options = LoadOptions::default();
        Self::from_source(Source::open_dir(folder.as_ref(), Task::Captioning, &options)?)
    }

    /// Loads a folder in Hugging Face layout, or one file: an original `.pth`, or a safetensors file.
    ///
    /// Layout, sizes and task are told by the tensors' names and shapes, not by the file's name.
    ///
    /// # Errors
    ///
    /// As [`from_files`](Self::from_files).
    pub fn from_path(path: impl AsRef<Path>, options: &LoadOptions) -> Result<Self, Error> {
        Self::from_source(Source::open_path(path.as_ref(), Task::Captioning, options)?)
    }

    /// Downloads a repository of the Hugging Face hub, or takes what an earlier call downloaded, and loads it.
    ///
    /// The endpoint, the cache and the token are those of `huggingface_hub`: `HF_ENDPOINT`, `HF_HOME`, `HF_TOKEN`.
    /// `on_progress` is told how far each file is.
    ///
    /// # Errors
    ///
    /// [`Error::Weights`] if a file cannot be had, and as [`from_files`](Self::from_files).
    #[cfg(feature = "hub")]
    pub fn from_pretrained(
        repo_id: &str,
        revision: &str,
        options: &LoadOptions,
        on_progress: impl FnMut(blip_weights::Progress<'_>),
    ) -> Result<Self, Error> {
        Self::from_hub(
            &blip_weights::Hub::from_env(),
            repo_id,
            revision,
            options,
            on_progress,
        )
    }

    /// [`from_pretrained`](Self::from_pretrained) with an endpoint, a cache and a token of your choice.
    ///
    /// # Errors
    ///
    /// As [`from_pretrained`](Self::from_pretrained).
    #[cfg(feature = "hub")]
    pub fn from_hub(
        hub: &blip_weights::Hub,
        repo_id: &str,
        revision: &str,
        options: &LoadOptions,
        on_progress: impl FnMut(blip_weights::Progress<'_>),
    ) -> Result<Self, Error> {
        Self::from_path(hub.download(repo_id, revision, on_progress)?, options)
    }

    /// Loads files that do not lie together in one folder.
    ///
    /// # Errors
    ///
    /// [`Error`] names the file, field or tensor that is missing, unknown or contradicts another; nothing is loaded
    /// then.
    pub fn from_files(files: &ModelFiles, options: &LoadOptions) -> Result<Self, Error> {
        Self::from_source(Source::open_files(files, Task::Captioning, options)?)
    }

    /// Loads from memory.
    ///
    /// # Errors
    ///
    /// As [`from_files`](Self::from_files).
    pub fn from_bytes(bytes: ModelBytes, options: &LoadOptions) -> Result<Self, Error> {
        Self::from_source(Source::from_bytes(bytes, Task::Captioning, options)?)
    }

    fn from_source(source: Source) -> Result<Self, Error> {
        let model = CaptionModel::new(&source.config, source.device())?;
        // What could fail cheaply fails before the weights are read.
        let (processor, tokenizer) = (source.image_processor()?, source.tokenizer()?);
        let (model, _) = load_module(
            &source.checkpoint,
            model,
            &CaptionModel::keys(source.layout),
            source.device(),
        )?;
        let image_size = source.image_size();
        Self::from_parts(
            model,
            image_size,
            tokenizer,
            processor,
            source.reference.text_policy(),
        )
    }

    /// A captioner with weights from a seed: its words are noise. For tests, benchmarks and tries.
    ///
    /// Without a reference in the options it follows Hugging Face's conventions.
    ///
    /// # Errors
    ///
    /// [`Error`] if the configuration describes no model, or is not for the standard vocabulary.
    pub fn from_seed(config: &BlipConfig, seed: u64, options: &LoadOptions) -> Result<Self, Error> {
        let model = CaptionModel::from_seed(config, seed, &options.device)?;
        let image_size = options.image_size.unwrap_or([config.vision.image_size; 2]);
        let mut processor = ImageProcessorConfig::new(image_size);
        processor.alpha = options.alpha;
        processor.exif_orientation = options.exif_orientation;
        let tokenizer = built_in(config.text.vocab_size)?;
        let reference = options.reference.unwrap_or(Reference::HuggingFace);
        Self::from_parts(
            model,
            image_size,
            Arc::new(tokenizer),
            ImageProcessor::new(processor)?,
            reference.text_policy(),
        )
    }

    fn from_parts(
        model: CaptionModel,
        image_size: [usize; 2],
        tokenizer: Arc<dyn Tokenizer>,
        processor: ImageProcessor,
        policy: TextPolicy,
    ) -> Result<Self, Error> {
        let encoder = model.visual_encoder.with_image_size(image_size)?;
        let pipeline =
            blip_tasks::Captioner::new(Arc::new(encoder), Arc::new(model.text_decoder), tokenizer, policy)?;
        Ok(Self {
            pipeline: Arc::new(pipeline),
            processor: Arc::new(processor),
        })
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
        self.caption(&self.open(path.as_ref())?, options)
    }

    /// The captions of a picture in an image file's bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Processor`] if they are no picture within the limits; [`Error::Task`] if the options cannot be met.
    pub fn caption_bytes(&self, bytes: &[u8], options: &CaptionOptions) -> Result<Vec<Caption>, Error> {
        self.caption(&self.processor.preprocess_bytes(bytes)?, options)
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
        self.caption_each(paths, |path| self.open(path.as_ref()), options)
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
        self.caption_each(
            pictures,
            |bytes| Ok(self.processor.preprocess_bytes(bytes.as_ref())?),
            options,
        )
    }

    /// Opens and preprocesses a picture's file; its errors name the file.
    fn open(&self, path: &Path) -> Result<PixelValues, Error> {
        self.processor
            .preprocess_file(path)
            .map_err(|source| match source {
                // This one names it already.
                ProcessorError::Io { .. } => Error::Processor(source),
                _ => Error::Picture {
                    path: path.to_owned(),
                    source,
                },
            })
    }

    fn caption_each<P>(
        &self,
        pictures: &[P],
        preprocess: impl Fn(&P) -> Result<PixelValues, Error>,
        options: &CaptionOptions,
    ) -> Result<Vec<Vec<Caption>>, Error> {
        if pictures.is_empty() {
            return Ok(Vec::new());
        }
        let pixel_values: Vec<PixelValues> = pictures.iter().map(preprocess).collect::<Result<_, _>>()?;
        self.caption_batch(&PixelValues::concat(&pixel_values)?, options)
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
        &self.processor
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
