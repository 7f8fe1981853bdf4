//! Everything that a checkpoint holds, shared by the tasks.

use std::sync::Arc;

use blip_decoder::TextDecoder;
use blip_encoder::{ClassHead, PairEncoder, TextEncoder};
use blip_nn::{Linear, Packing, Precision, is_packable};
use blip_processor::{ImageProcessor, ImageProcessorConfig};
use blip_tasks::{Embedder, TextPolicy};
use blip_traits::Tokenizer;
use blip_vit::VisionTransformer;
use blip_weights::{load_module, load_module_packed};

use crate::loader::loaders;
use crate::model::check_precisions;
use crate::picture::PictureReader;
use crate::source::{Source, built_in};
use crate::stored::StoredWeights;
use crate::{
    BlipConfig, BlipModel, Captioner, Classifier, Error, FeatureExtractor, LoadOptions, Matcher,
    PairReasoner, Part, QuestionAnswerer, Reference, Retriever, Task,
};

type SharedEmbedder = Embedder<Arc<VisionTransformer>, Arc<TextEncoder>, Arc<Linear>, Arc<dyn Tokenizer>>;

/// A checkpoint's parts, loaded once for any number of tasks.
///
/// ```text
///            ┌ captioner() ──────── image encoder ────────────────── text decoder
///            ├ question_answerer() ─ image encoder ── text encoder ─ text decoder
/// checkpoint ┼ matcher(), retriever() image encoder ── text encoder ─ projections, itm_head
///            ├ classifier() ──────── image encoder ── text encoder ─ projections
///            ├ feature_extractor() ─ image encoder ── what there is
///            └ pair_reasoner() ───── image encoder ── text encoder of two pictures, cls_head
/// ```
///
/// The tasks share the parts: a clone, or another task, takes no memory to speak of. Whoever needs one task alone loads it
/// by its own `from_*`, which reads that task's parts only.
///
/// # Example
///
/// ```no_run
/// use blip_core::{Blip, CaptionOptions, LoadOptions};
///
/// let blip = Blip::from_path("model_base_capfilt_large.pth", &LoadOptions::default())?;
/// let (captioner, matcher) = (blip.captioner()?, blip.matcher()?);
/// let picture = captioner.processor().preprocess_file("beach.jpg")?;
/// for confident in matcher.caption_with_confidence(&captioner, &picture, &CaptionOptions::default())? {
///     println!("{} ({:.0} %)", confident.caption.text, 100.0 * confident.matching.itm_probability);
/// }
/// # Ok::<(), blip_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Blip {
    parts: Vec<Part>,
    visual_encoder: Arc<VisionTransformer>,
    text_encoder: Option<Arc<TextEncoder>>,
    pair_encoder: Option<Arc<PairEncoder>>,
    text_decoder: Option<Arc<TextDecoder>>,
    vision_proj: Option<Arc<Linear>>,
    text_proj: Option<Arc<Linear>>,
    itm_head: Option<Arc<Linear>>,
    cls_head: Option<Arc<ClassHead>>,
    temperature: Option<f32>,
    tokenizer: Arc<dyn Tokenizer>,
    pictures: PictureReader,
    policy: TextPolicy,
    config: Option<BlipConfig>,
}

loaders!(Blip, None, |blip| Ok(blip));

impl Blip {
    /// Loads what a source was opened for.
    pub(crate) fn from_source(source: Source) -> Result<Self, Error> {
        check_precisions(source.precisions(), source.device())?;
        let parts = &source.parts;
        let model = BlipModel::new(&source.config, parts, source.device())?;
        // What could fail cheaply fails before the weights are read.
        let (processor, tokenizer) = (source.image_processor()?, source.tokenizer()?);
        let temperature = source.temperature()?;
        let keys = BlipModel::keys(source.layout, parts);
        let (checkpoint, device) = (&source.checkpoint, source.device());
        let (model, _) = match is_packable(device) {
            true => load_module_packed(checkpoint, model, &keys, device, |model, promises| {
                let stored = StoredWeights(promises);
                model.pack(source.precisions(), Packing::from_source(&stored))
            })?,
            false => load_module(checkpoint, model, &keys, device)?,
        };
        let blip = Self::from_model(
            model,
            source.image_size(),
            tokenizer,
            processor,
            source.reference.text_policy(),
        )?;
        Ok(Self {
            temperature,
            config: Some(source.config.clone()),
            ..blip
        })
    }

    /// Networks with weights from a seed, for one task or, if it is `None`, for all that one checkpoint can be for.
    pub(crate) fn seeded(
        config: &BlipConfig,
        task: Option<Task>,
        seed: u64,
        options: &LoadOptions,
    ) -> Result<Self, Error> {
        let parts: Vec<Part> = match task {
            Some(task) => [task.parts(), task.optional_parts()].concat(),
            None => vec![
                Part::VisualEncoder,
                Part::TextEncoder,
                Part::TextDecoder,
                Part::Projections,
                Part::ItmHead,
            ],
        };
        let config = match task {
            Some(task) => config.clone().for_task(task),
            None => config.clone(),
        };
        let model =
            BlipModel::from_seed(&config, &parts, seed, &options.device)?.packed(options.precision)?;
        let image_size = options.image_size.unwrap_or([config.vision.image_size; 2]);
        let mut processor = ImageProcessorConfig::new(image_size);
        processor.alpha = options.alpha;
        processor.exif_orientation = options.exif_orientation;
        let reference = options.reference.unwrap_or(Reference::HuggingFace);
        let tokenizer =
            built_in(config.text.vocab_size)?.with_special_token_policy(reference.special_token_policy())?;
        Self::from_model(
            model,
            image_size,
            Arc::new(tokenizer),
            ImageProcessor::new(processor)?,
            reference.text_policy(),
        )
    }

    /// Shares out networks that are in memory, such as trained ones. On the CPU weights that are not packed yet
    /// ([`BlipModel::packed`]) are packed in `f32`.
    ///
    /// # Errors
    ///
    /// [`Error::Vision`] if pictures of `image_size` (height, width) cannot be cut into patches.
    pub fn from_model(
        model: BlipModel,
        image_size: [usize; 2],
        tokenizer: Arc<dyn Tokenizer>,
        processor: ImageProcessor,
        policy: TextPolicy,
    ) -> Result<Self, Error> {
        let parts = model.parts();
        let model = model.packed(Precision::F32)?;
        Ok(Self {
            parts,
            visual_encoder: Arc::new(model.visual_encoder.with_image_size(image_size)?),
            text_encoder: model.text_encoder.map(Arc::new),
            pair_encoder: model.pair_encoder.map(Arc::new),
            text_decoder: model.text_decoder.map(Arc::new),
            vision_proj: model.vision_proj.map(Arc::new),
            text_proj: model.text_proj.map(Arc::new),
            itm_head: model.itm_head.map(Arc::new),
            cls_head: model.cls_head.map(Arc::new),
            temperature: None,
            tokenizer,
            pictures: PictureReader::new(processor),
            policy,
            config: None,
        })
    }

    /// The networks as one tree, to be trained or saved: the parameters are these, not copies of them.
    pub fn to_model(&self) -> BlipModel {
        fn part<T: Clone>(part: &Option<Arc<T>>) -> Option<T> {
            part.as_ref().map(|part| T::clone(part))
        }
        BlipModel {
            visual_encoder: VisionTransformer::clone(&self.visual_encoder),
            text_encoder: part(&self.text_encoder),
            pair_encoder: part(&self.pair_encoder),
            text_decoder: part(&self.text_decoder),
            vision_proj: part(&self.vision_proj),
            text_proj: part(&self.text_proj),
            itm_head: part(&self.itm_head),
            cls_head: part(&self.cls_head),
        }
    }

    /// The sizes of the checkpoint that it was loaded from.
    pub fn config(&self) -> Option<&BlipConfig> {
        self.config.as_ref()
    }

    /// What makes ids of texts.
    pub fn tokenizer(&self) -> &Arc<dyn Tokenizer> {
        &self.tokenizer
    }

    /// What makes pixel values of pictures.
    pub fn processor(&self) -> &ImageProcessor {
        self.pictures.processor()
    }

    /// The parts that were loaded.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The tasks that they do for.
    pub fn tasks(&self) -> Vec<Task> {
        Task::possible(&self.parts)
    }

    /// The conventions that the tasks follow.
    pub fn policy(&self) -> &TextPolicy {
        &self.policy
    }

    /// The same parts under other conventions.
    pub fn with_policy(mut self, policy: TextPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Says what pictures show.
    ///
    /// # Errors
    ///
    /// [`Error::MissingParts`] if the checkpoint is for another task; [`Error::Task`] if the parts do not fit.
    pub fn captioner(&self) -> Result<Captioner, Error> {
        let decoder = self.part(&self.text_decoder, Task::Captioning)?;
        let pipeline = blip_tasks::Captioner::new(
            self.visual_encoder.clone(),
            decoder,
            self.tokenizer.clone(),
            self.policy.clone(),
        )?;
        Ok(Captioner::new(pipeline, self.pictures.clone()))
    }

    /// Answers questions about pictures.
    ///
    /// # Errors
    ///
    /// As [`captioner`](Self::captioner).
    pub fn question_answerer(&self) -> Result<QuestionAnswerer, Error> {
        let task = Task::QuestionAnswering;
        let pipeline = blip_tasks::QuestionAnswerer::new(
            self.visual_encoder.clone(),
            self.part(&self.text_encoder, task)?,
            self.part(&self.text_decoder, task)?,
            self.tokenizer.clone(),
            self.policy.clone(),
        )?;
        Ok(QuestionAnswerer::new(pipeline, self.pictures.clone()))
    }

    /// Says how well pictures and texts fit.
    ///
    /// # Errors
    ///
    /// As [`captioner`](Self::captioner).
    pub fn matcher(&self) -> Result<Matcher, Error> {
        let itm_head = self.part(&self.itm_head, Task::Matching)?;
        let pipeline = blip_tasks::Matcher::new(self.embedder(Task::Matching)?, itm_head)?;
        Ok(Matcher::new(pipeline, self.pictures.clone()))
    }

    /// Searches galleries of pictures or texts.
    ///
    /// # Errors
    ///
    /// As [`captioner`](Self::captioner), and [`Error::Model`] if the device cannot hand back weights, by which galleries are
    /// told from those of other models.
    pub fn retriever(&self) -> Result<Retriever, Error> {
        let task = Task::Matching;
        let vision_proj = self.part(&self.vision_proj, task)?;
        let text_proj = self.part(&self.text_proj, task)?;
        Retriever::new(self.matcher()?, [&vision_proj, &text_proj])
    }

    /// Says which of some labels a picture is nearest to.
    ///
    /// # Errors
    ///
    /// As [`captioner`](Self::captioner).
    pub fn classifier(&self) -> Result<Classifier, Error> {
        let pipeline = crate::classifier::Pipeline::new(
            self.embedder(Task::Classification)?,
            self.temperature
                .unwrap_or(crate::classifier::Pipeline::DEFAULT_TEMPERATURE),
        )?;
        Ok(Classifier::new(pipeline, self.pictures.clone()))
    }

    /// Gives what the encoders see.
    ///
    /// # Errors
    ///
    /// As [`captioner`](Self::captioner).
    pub fn feature_extractor(&self) -> Result<FeatureExtractor, Error> {
        let pipeline = blip_tasks::FeatureExtractor::new(
            self.visual_encoder.clone(),
            self.text_encoder.clone(),
            self.vision_proj.clone(),
            self.text_proj.clone(),
            self.tokenizer.clone(),
            self.policy.clone(),
        )?;
        Ok(FeatureExtractor::new(pipeline, self.pictures.clone()))
    }

    /// Judges sentences about two pictures.
    ///
    /// # Errors
    ///
    /// As [`captioner`](Self::captioner).
    pub fn pair_reasoner(&self) -> Result<PairReasoner, Error> {
        let task = Task::Reasoning;
        let pipeline = blip_tasks::PairReasoner::new(
            self.visual_encoder.clone(),
            self.part(&self.pair_encoder, task)?,
            self.part(&self.cls_head, task)?,
            self.tokenizer.clone(),
        )?;
        Ok(PairReasoner::new(pipeline, self.pictures.clone()))
    }

    fn embedder(&self, task: Task) -> Result<SharedEmbedder, Error> {
        Ok(Embedder::new(
            self.visual_encoder.clone(),
            self.part(&self.text_encoder, task)?,
            self.part(&self.vision_proj, task)?,
            self.part(&self.text_proj, task)?,
            self.tokenizer.clone(),
            self.policy.clone(),
        )?)
    }

    /// A part that a task takes, or what of all its parts is missing.
    fn part<P>(&self, part: &Option<Arc<P>>, task: Task) -> Result<Arc<P>, Error> {
        task.check(&self.parts)?;
        Ok(part
            .clone()
            .expect("a task's check knows all parts that it takes"))
    }
}
