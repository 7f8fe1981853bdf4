//! How data is read.

use std::path::PathBuf;

use blip_processor::ImageProcessorConfig;

/// Whether a record must say what is to be predicted: captions, answers, or a pair's label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Targets {
    /// It must: training, and evaluation against what the records say.
    #[default]
    Required,

    /// It need not: NoCaps, VQA's test split.
    Optional,
}

/// How data is read.
///
/// # Examples
///
/// ```
/// use blip_data::{ReadOptions, Targets};
///
/// let training = ReadOptions::new("coco/images");
/// let nocaps = ReadOptions { targets: Targets::Optional, ..ReadOptions::new("nocaps") };
/// # let _ = (training, nocaps);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ReadOptions {
    /// The folder that pictures of annotations are named from. A record may name an absolute path, as those of
    /// pre-training do, or climb out of the folder: annotations are trusted as much as the files that they name.
    pub image_root: PathBuf,
    /// The folder for questions of Visual Genome, if it is another.
    pub visual_genome_root: Option<PathBuf>,
    /// Whether a record must say what is to be predicted.
    pub targets: Targets,
    /// Whether texts are cleaned as the original does it: lower case, some punctuation taken out, and no more words
    /// than [`CAPTION_WORDS`], [`QUESTION_WORDS`] or [`SENTENCE_WORDS`]. Answers stay as they are.
    pub clean: bool,
    /// How pictures are decoded: transparency, orientation and limits. Sizes and normalisation play no part.
    pub image: ImageProcessorConfig,
    /// What is read of data that nobody vouches for.
    pub limits: ReadLimits,
}

impl ReadOptions {
    /// As the original reads its training data, with pictures in a folder.
    pub fn new(image_root: impl Into<PathBuf>) -> Self {
        Self {
            image_root: image_root.into(),
            visual_genome_root: None,
            targets: Targets::default(),
            clean: true,
            image: ImageProcessorConfig::new([384, 384]),
            limits: ReadLimits::default(),
        }
    }

    pub(crate) fn parsing(&self) -> Parsing {
        Parsing {
            targets: self.targets,
            clean: self.clean,
        }
    }
}

impl Default for ReadOptions {
    /// With pictures named from the working directory.
    fn default() -> Self {
        Self::new("")
    }
}

/// What a record needs to know of the options.
#[derive(Clone, Copy, Debug)]
pub struct Parsing {
    pub(crate) targets: Targets,
    pub(crate) clean: bool,
}

/// Words that are kept of a caption. `data/coco_karpathy_dataset.py`, `data/pretrain_dataset.py`.
pub const CAPTION_WORDS: usize = 30;

/// Words that are kept of a question. `data/utils.py` `pre_question`.
pub const QUESTION_WORDS: usize = 50;

/// Words that are kept of a sentence about two pictures. `data/nlvr_dataset.py`.
pub const SENTENCE_WORDS: usize = 40;

/// What is read of data that nobody vouches for. Pictures have limits of their own
/// ([`ImageLimits`](blip_processor::ImageLimits)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimits {
    /// The most bytes of a file of annotations, 64 GiB if not set otherwise.
    pub max_file_bytes: u64,
    /// The most records of all files together, broken ones included: 2^28 if not set otherwise. BLIP's largest set
    /// has 129 million.
    pub max_records: usize,
    /// The most bytes of a JSON record, or of a text beside a picture: 1 MiB if not set otherwise. A longer one ends
    /// the reading of a JSON array, and is left out elsewhere.
    pub max_record_bytes: usize,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self {
            max_file_bytes: 64 << 30,
            max_records: 1 << 28,
            max_record_bytes: 1 << 20,
        }
    }
}
