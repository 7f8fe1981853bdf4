//! What can go wrong from a checkpoint to a caption, an answer or a match.

use std::path::PathBuf;

use blip_processor::ProcessorError;
use blip_tasks::TaskError;
use blip_traits::ModelError;
use blip_weights::WeightsError;

use crate::{Precision, Task};

/// Why a model could not be loaded, or a task not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read.
    #[error("{}: cannot read it", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },

    /// A file could not be written.
    #[error("{}: cannot write it", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },

    /// A config.json that is no JSON, or whose fields have other types than transformers gives them.
    #[error("{file}: {source}")]
    Json {
        /// The file, or what stands for it.
        file: String,
        /// What the parser said, with line and column.
        source: serde_json::Error,
    },

    /// A config.json that asks for what BLIP is not.
    #[error("config.json: {field}: expected {expected}, got {got}")]
    Config {
        /// The field, with its section.
        field: String,
        /// What is taken.
        expected: String,
        /// What it says.
        got: String,
    },

    /// Hugging Face weights without their config.json: heads and epsilon cannot be read off the tensors.
    #[error("Hugging Face weights need their config.json, and there is none")]
    NoConfig,

    /// What is wrong with one of a checkpoint's small files.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<Error>,
    },

    /// A vocabulary that is not that of these weights.
    #[error("the tokenizer has {got} token ids, but the weights have {vocab_size}")]
    Vocabulary {
        /// The number of token ids of the weights.
        vocab_size: usize,
        /// That of the tokenizer, `[DEC]` and `[ENC]` included.
        got: usize,
    },

    /// A config.json that is not that of these weights.
    #[error("config.json says {field} {config}, but the weights have {weights}")]
    Contradiction {
        /// The field, with its section.
        field: &'static str,
        /// What the config says.
        config: usize,
        /// What the tensors' shapes say.
        weights: usize,
    },

    /// A checkpoint whose names are neither Hugging Face's nor the original's.
    #[error(
        "expected a BLIP checkpoint with tensors under vision_model or visual_encoder, got {}",
        if first.is_empty() { "no tensors".to_owned() } else { format!("{}, …", first.join(", ")) }
    )]
    UnknownLayout {
        /// The first names that it has.
        first: Vec<String>,
    },

    /// A checkpoint from which sizes cannot be read.
    #[error("{tensor}: expected {expected}, got {got}")]
    Tensor {
        /// The tensor, by its name in the checkpoint.
        tensor: String,
        /// The shape that is taken.
        expected: String,
        /// The shape that it has, or that it is missing.
        got: String,
    },

    /// A checkpoint for another task.
    #[error("{task} needs {missing}, but the checkpoint holds {found}")]
    MissingParts {
        /// The task that was asked for.
        task: Task,
        /// The parts that are not there, as text.
        missing: String,
        /// The parts that are there, as text.
        found: String,
    },

    /// No vocabulary came with the checkpoint, and the crate has none that fits.
    #[error("no tokenizer for a vocabulary of {vocab_size}: expected tokenizer.json or vocab.txt beside the weights{}", if cfg!(feature = "vocab") { "" } else { " (the feature `vocab` is off)" })]
    NoTokenizer {
        /// The number of token ids of the weights.
        vocab_size: usize,
    },

    /// A name that is none of those known.
    #[error("{what}: expected {expected}, got {got:?}")]
    UnknownName {
        /// What is named.
        what: &'static str,
        /// The names that are known.
        expected: &'static str,
        /// The name that came.
        got: String,
    },

    /// Something that this build leaves out.
    #[error("{what} needs the feature `{feature}`, which is off")]
    FeatureOff {
        /// What was asked for.
        what: &'static str,
        /// The feature of this crate that brings it.
        feature: &'static str,
    },

    /// A device that the system does not have.
    #[error("no device for {name}: expected a driver that offers one, found none (flex is the CPU)")]
    NoDevice {
        /// The name that was asked for.
        name: &'static str,
    },

    /// A way of holding weights that the device does not know.
    #[error(
        "weights in {precision} are for inference on the CPU (device `flex`); any other device holds f32"
    )]
    Precision {
        /// What was asked for.
        precision: Precision,
    },

    /// An image encoder that cannot be built.
    #[error(transparent)]
    Vision(#[from] blip_vit::VitError),

    /// A text network that cannot be built.
    #[error(transparent)]
    Text(#[from] blip_nn::SizeError),

    /// A task that Hugging Face has no class for, and so no layout.
    #[error("Hugging Face has no layout for {task}: expected salesforce")]
    NoClass {
        /// The task.
        task: Task,
    },

    /// Parts that no class of Hugging Face puts together.
    #[error("Hugging Face has no layout for {parts} together: expected salesforce")]
    NoLayout {
        /// The parts, as text.
        parts: String,
    },

    /// A gallery's index file.
    #[error(transparent)]
    Index(#[from] blip_index::IndexError),

    /// A text of a gallery that cannot be read.
    #[error("{text:?}")]
    Entry {
        /// The text, or its beginning.
        text: String,
        /// What is wrong with it.
        source: Box<Error>,
    },

    /// A gallery that does not do what was asked of it.
    #[error("{}: {what}", path.display())]
    Gallery {
        /// The index file, or the gallery's folder.
        path: PathBuf,
        /// What it lacks, and what was expected.
        what: String,
    },

    /// The checkpoint's file.
    #[error(transparent)]
    Weights(#[from] WeightsError),

    /// A file that is no picture, or none within the limits.
    #[error("{}", path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ProcessorError,
    },

    /// A picture in memory, or a tokenizer's or a processor's file.
    #[error(transparent)]
    Processor(#[from] ProcessorError),

    /// A request that cannot be done.
    #[error(transparent)]
    Task(#[from] TaskError),

    /// A network that failed, or input that does not fit it.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// An error with its causes on one line, as a program tells it.
pub fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // A transparent error repeats its source.
        if !line.ends_with(&text) {
            line = format!("{line}: {text}");
        }
        cause = error.source();
    }
    line.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_once() {
        let io = std::io::Error::new(std::io::ErrorKind::NotFound, "gone");
        let error = Error::Io {
            path: "a.json".into(),
            source: io,
        };
        assert_eq!(error_chain(&error), "a.json: cannot read it: gone");
        let transparent = Error::Model(ModelError::Device("out of memory".into()));
        assert_eq!(error_chain(&transparent), "the device failed: out of memory");
    }
}
