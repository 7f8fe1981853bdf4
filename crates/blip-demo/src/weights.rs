//! The trained networks.
//!
//! ```text
//! general.safetensors     image encoder, text encoder, decoder, projections, matching head: captions, matching, search
//! answering.safetensors   text encoder and decoder for questions        ─┐ over the image encoder of the first,
//! reasoning.safetensors   text encoder and head for pairs of pictures   ─┘ which stayed as it was
//! ```
//!
//! All are in f16 under Hugging Face's names. What the decoder shares with the text encoder, everything but
//! self-attention, is stored once.

use std::path::{Path, PathBuf};

use blip_core::{
    Captioner, Classifier, Error, FeatureExtractor, LoadOptions, Matcher, ModelBytes, PairReasoner,
    QuestionAnswerer, Retriever,
};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

use crate::DemoError;

/// The demonstration model: a BLIP of 3.7 million parameters that knows the scenes of this crate, and nothing else.
///
/// Its pictures are 80 x 80; others are resized, so a scene rendered at any side will do.
#[derive(Clone, Debug)]
pub struct DemoModel {
    files: [Vec<u8>; 3],
    config: String,
    vocabulary: Vec<u8>,
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
                include_bytes!("../weights/general.safetensors").to_vec(),
                include_bytes!("../weights/answering.safetensors").to_vec(),
                include_bytes!("../weights/reasoning.safetensors").to_vec(),
            ],
            config: include_str!("../weights/config.json").to_owned(),
            vocabulary: include_bytes!("../weights/vocab.txt").to_vec(),
        }
    }

    /// Networks that were trained anew, from a folder with the files of this crate's `weights`.
    ///
    /// # Errors
    ///
    /// [`DemoError::Read`] if a file cannot be read.
    pub fn read(folder: impl AsRef<Path>) -> Result<Self, DemoError> {
        let read = |name: &str| {
            let path: PathBuf = folder.as_ref().join(name);
            std::fs::read(&path).map_err(|source| DemoError::Read {
                path,
                source: std::sync::Arc::new(source),
            })
        };
        let config = String::from_utf8_lossy(&read(CONFIG)?).into_owned();
        Ok(Self {
            files: [read(FILES[0])?, read(FILES[1])?, read(FILES[2])?],
            config,
            vocabulary: read(VOCABULARY)?,
        })
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
            Set::General => whole(general, None),
            Set::Answering => whole(general, Some(answering)),
            Set::Reasoning => whole(general, Some(reasoning)),
        };
        ModelBytes {
            // What is no safetensors file is told by whoever loads it.
            weights: weights.unwrap_or_else(|| general.clone()),
            config: Some(self.config.clone()),
            tokenizer: Some(self.vocabulary.clone()),
            preprocessor: None,
        }
    }
}

/// The image encoder's tensors begin so.
const VISION: &str = "vision_model.";

/// Text networks over the image encoder of the general set: its own, or another set's.
fn whole(general: &[u8], texts: Option<&[u8]>) -> Option<Vec<u8>> {
    let general = SafeTensors::deserialize(general).ok()?;
    let texts = texts.map(SafeTensors::deserialize).transpose().ok()?;
    let mut tensors: Vec<(String, TensorView<'_>)> = general
        .iter()
        .filter(|(name, _)| texts.is_none() || name.starts_with(VISION))
        .map(|(name, tensor)| (name.to_owned(), tensor))
        .collect();
    match &texts {
        Some(texts) => tensors.extend(texts.iter().map(|(name, tensor)| (name.to_owned(), tensor))),
        None => {
            let shared: Vec<(String, TensorView<'_>)> = tensors
                .iter()
                .filter_map(|(name, tensor)| Some((decoder_name(name)?, tensor.clone())))
                .collect();
            tensors.extend(shared);
        }
    }
    safetensors::serialize(tensors, None).ok()
}

/// What a tensor of the text encoder is called in the decoder, if they share it.
fn decoder_name(name: &str) -> Option<String> {
    let rest = name.strip_prefix("text_encoder.")?;
    (!rest.contains(".attention.")).then(|| format!("text_decoder.bert.{rest}"))
}
