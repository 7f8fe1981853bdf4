//! The trained networks.
//!
//! ```text
//! general.safetensors     image encoder, text encoder, decoder, projections, matching head: captions, matching, search
//! answering.safetensors   text encoder and decoder for questions        ─┐ over the image encoder of the first,
//! reasoning.safetensors   text encoder and head for pairs of pictures   ─┘ which stayed as it was
//! ```
//!
//! All are in f16 under Hugging Face's names.

use std::borrow::Cow;
use std::path::Path;

use blip_core::{
    Captioner, Classifier, Error, FeatureExtractor, LoadOptions, Matcher, ModelBytes, PairReasoner,
    QuestionAnswerer, Retriever,
};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

/// The demonstration model: a BLIP of 4.0 million parameters in all its sets, which knows the scenes of this crate, and nothing else.
///
/// Its pictures are 96 x 96; others are resized, so a scene rendered at any side will do.
///
/// # Example
///
/// ```
/// use blip_core::{CaptionOptions, LoadOptions};
/// use blip_demo::{DemoModel, Judgement, Scene, Split};
///
/// let captioner = DemoModel::built_in().captioner(&LoadOptions::default())?;
/// let scene = Scene::sample(1, Split::HeldOut);
/// let pixel_values = captioner.processor().preprocess(&scene.render(96)?)?;
/// let captions = captioner.caption(&pixel_values, &CaptionOptions::default())?;
/// assert!(Judgement::of(&captions[0].text, &scene).is_true());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct DemoModel {
    files: [Cow<'static, [u8]>; 3],
    config: Cow<'static, str>,
    vocabulary: Cow<'static, [u8]>,
}

/// The files of the three sets of networks.
const FILES: [&str; 3] = [
    "general.safetensors",
    "answering.safetensors",
    "reasoning.safetensors",
];
const CONFIG: &str = "config.json";
const VOCABULARY: &str = "vocab.txt";

/// One of the three.
#[derive(Clone, Copy)]
enum Set {
    General,
    Answering,
    Reasoning,
}

impl DemoModel {
    /// The networks in this crate.
    pub fn built_in() -> Self {
        Self {
            files: [
                Cow::Borrowed(include_bytes!("../weights/general.safetensors")),
                Cow::Borrowed(include_bytes!("../weights/answering.safetensors")),
                Cow::Borrowed(include_bytes!("../weights/reasoning.safetensors")),
            ],
            config: Cow::Borrowed(include_str!("../weights/config.json")),
            vocabulary: Cow::Borrowed(include_bytes!("../weights/vocab.txt")),
        }
    }

    /// Networks that were trained anew, from a folder with the files of this crate's `weights`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if a file cannot be read. What is wrong within one is told when a task is loaded.
    pub fn read(folder: impl AsRef<Path>) -> Result<Self, Error> {
        let read = |name: &str| {
            let path = folder.as_ref().join(name);
            match std::fs::read(&path) {
                Ok(bytes) => Ok(Cow::Owned(bytes)),
                Err(source) => Err(Error::Io { path, source }),
            }
        };
        let config = String::from_utf8_lossy(&read(CONFIG)?).into_owned();
        Ok(Self {
            files: [read(FILES[0])?, read(FILES[1])?, read(FILES[2])?],
            config: Cow::Owned(config),
            vocabulary: read(VOCABULARY)?,
        })
    }

    /// The words that it knows: a `vocab.txt`.
    pub fn vocabulary(&self) -> &[u8] {
        &self.vocabulary
    }

    /// Says what a scene shows.
    ///
    /// # Errors
    ///
    /// [`Error`] if the options do not fit the model.
    pub fn captioner(&self, options: &LoadOptions) -> Result<Captioner, Error> {
        Captioner::from_bytes(self.checkpoint(Set::General), options)
    }

    /// Answers questions about a scene.
    ///
    /// # Errors
    ///
    /// [`Error`] if the options do not fit the model.
    pub fn question_answerer(&self, options: &LoadOptions) -> Result<QuestionAnswerer, Error> {
        QuestionAnswerer::from_bytes(self.checkpoint(Set::Answering), options)
    }

    /// Says how well scenes and texts fit.
    ///
    /// # Errors
    ///
    /// [`Error`] if the options do not fit the model.
    pub fn matcher(&self, options: &LoadOptions) -> Result<Matcher, Error> {
        Matcher::from_bytes(self.checkpoint(Set::General), options)
    }

    /// Searches scenes, or texts.
    ///
    /// # Errors
    ///
    /// [`Error`] if the options do not fit the model.
    pub fn retriever(&self, options: &LoadOptions) -> Result<Retriever, Error> {
        Retriever::from_bytes(self.checkpoint(Set::General), options)
    }

    /// Says which label is nearest.
    ///
    /// # Errors
    ///
    /// [`Error`] if the options do not fit the model.
    pub fn classifier(&self, options: &LoadOptions) -> Result<Classifier, Error> {
        Classifier::from_bytes(self.checkpoint(Set::General), options)
    }

    /// Gives what the encoders see.
    ///
    /// # Errors
    ///
    /// [`Error`] if the options do not fit the model.
    pub fn feature_extractor(&self, options: &LoadOptions) -> Result<FeatureExtractor, Error> {
        FeatureExtractor::from_bytes(self.checkpoint(Set::General), options)
    }

    /// Judges a sentence about two scenes.
    ///
    /// # Errors
    ///
    /// [`Error`] if the options do not fit the model.
    pub fn pair_reasoner(&self, options: &LoadOptions) -> Result<PairReasoner, Error> {
        PairReasoner::from_bytes(self.checkpoint(Set::Reasoning), options)
    }

    /// A whole checkpoint in memory.
    fn checkpoint(&self, set: Set) -> ModelBytes {
        let [general, answering, reasoning] = &self.files;
        let weights = match set {
            Set::General => None,
            Set::Answering => with_texts(general, answering),
            Set::Reasoning => with_texts(general, reasoning),
        };
        ModelBytes {
            // What is no safetensors file is told by whoever loads it.
            weights: weights.unwrap_or_else(|| general.to_vec()),
            config: Some(self.config.clone().into_owned()),
            tokenizer: Some(self.vocabulary.clone().into_owned()),
            preprocessor: None,
        }
    }
}

/// The image encoder's tensors begin so.
const VISION: &str = "vision_model.";

/// The image encoder of the general set, and other text networks over it; `None` if one is no safetensors file.
fn with_texts(general: &[u8], texts: &[u8]) -> Option<Vec<u8>> {
    let general = SafeTensors::deserialize(general).ok()?;
    let texts = SafeTensors::deserialize(texts).ok()?;
    let images = general.iter().filter(|(name, _)| name.starts_with(VISION));
    let tensors: Vec<(&str, TensorView<'_>)> = images.chain(texts.iter()).collect();
    safetensors::serialize(tensors, None).ok()
}
