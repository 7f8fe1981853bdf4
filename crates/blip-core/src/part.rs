//! What a checkpoint holds: the parts of BLIP, by the names of its tensors.

use std::fmt;

use blip_weights::Checkpoint;

use crate::{Error, Layout};

/// A part of BLIP that a checkpoint may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Part {
    /// The ViT.
    VisualEncoder,
    /// The text encoder: questions, matching, search.
    TextEncoder,
    /// The text encoder that looks at two pictures.
    PairEncoder,
    /// The text decoder: captions, answers.
    TextDecoder,
    /// Projections of pictures and texts into one space.
    Projections,
    /// The head that says whether a picture and a text match.
    ItmHead,
    /// The head that judges a sentence about two pictures.
    ClsHead,
    /// Momentum copies and queues, for training alone.
    Momentum,
}

/// What BLIP can do with a picture, and with that which parts it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Task {
    /// Say what a picture shows.
    Captioning,
    /// Answer a question about a picture.
    QuestionAnswering,
    /// Say how well pictures and texts fit, and search for what fits.
    Matching,
    /// Say which of some labels a picture is nearest to.
    Classification,
    /// Give what the encoders see.
    FeatureExtraction,
    /// Judge a sentence about two pictures (NLVR2).
    Reasoning,
}

/// Where the tensors of the parts stand, in both layouts; the ViT's prefix is [`Layout::vision_prefix`].
const PREFIXES: &[(Part, &str)] = &[
    (Part::TextEncoder, "text_encoder."),
    (Part::TextDecoder, "text_decoder."),
    (Part::Projections, "vision_proj."),
    (Part::Projections, "text_proj."),
    (Part::ItmHead, "itm_head."),
    (Part::ClsHead, "cls_head."),
    (Part::Momentum, "visual_encoder_m."),
    (Part::Momentum, "text_encoder_m."),
    (Part::Momentum, "vision_proj_m."),
    (Part::Momentum, "text_proj_m."),
    (Part::Momentum, "image_queue"),
    (Part::Momentum, "text_queue"),
    (Part::Momentum, "idx_queue"),
    (Part::Momentum, "queue_ptr"),
    (Part::Momentum, "ptr_queue"),
];

/// Names that are known and that inference has no use for: `(pattern, why)`.
pub(crate) const LEFT_OUT: &[(&str, &str)] = &[
    ("**.position_ids", "a constant"),
    ("temp", "the temperature of contrastive training"),
    ("visual_encoder_m.**", "a momentum copy, for training"),
    ("text_encoder_m.**", "a momentum copy, for training"),
    ("vision_proj_m.**", "a momentum copy, for training"),
    ("text_proj_m.**", "a momentum copy, for training"),
    ("image_queue", "a queue, for training"),
    ("text_queue", "a queue, for training"),
    ("idx_queue", "a queue, for training"),
    ("queue_ptr", "a queue, for training"),
    ("ptr_queue", "a queue, for training"),
];

/// Names of parts that a task may leave out: `(parts, pattern, why)`.
pub(crate) const OTHER_PARTS: &[(&[Part], &str, &str)] = &[
    (
        &[Part::TextEncoder, Part::PairEncoder],
        "text_encoder.**",
        "the text encoder, for other tasks",
    ),
    (
        &[Part::TextDecoder],
        "text_decoder.**",
        "the text decoder, for other tasks",
    ),
    (
        &[Part::Projections],
        "vision_proj.*",
        "a projection, for other tasks",
    ),
    (
        &[Part::Projections],
        "text_proj.*",
        "a projection, for other tasks",
    ),
    (
        &[Part::ItmHead],
        "itm_head.*",
        "the matching head, for other tasks",
    ),
    (
        &[Part::ClsHead],
        "cls_head.**",
        "the reasoning head, for other tasks",
    ),
];

/// What the name of a tensor has that only the encoder of two pictures has.
const OF_PAIRS: &str = ".crossattention.self0.";

impl Part {
    /// The parts that a checkpoint of a layout holds, each once, in order.
    pub fn all_in(checkpoint: &Checkpoint, layout: Layout) -> Vec<Self> {
        let vision = format!("{}.", layout.vision_prefix());
        let names = || checkpoint.tensors().iter().map(|tensor| tensor.name.as_str());
        let pairs = names().any(|name| name.contains(OF_PAIRS));
        let part = |name: &str| {
            if name.starts_with(&vision) {
                return Some(Self::VisualEncoder);
            }
            let found = PREFIXES.iter().find(|(_, prefix)| name.starts_with(prefix));
            found.map(|&(part, _)| match part {
                Self::TextEncoder if pairs => Self::PairEncoder,
                part => part,
            })
        };
        let mut parts: Vec<Self> = names().filter_map(part).collect();
        parts.sort_unstable();
        parts.dedup();
        parts
    }
}

/// The parts that have networks of their own: all but the copies for training.
pub(crate) fn networks(parts: &[Part]) -> Vec<Part> {
    parts
        .iter()
        .copied()
        .filter(|part| *part != Part::Momentum)
        .collect()
}

impl Task {
    /// All tasks.
    pub const ALL: [Self; 6] = [
        Self::Captioning,
        Self::QuestionAnswering,
        Self::Matching,
        Self::Classification,
        Self::FeatureExtraction,
        Self::Reasoning,
    ];

    /// The parts that the task takes.
    pub fn parts(self) -> &'static [Part] {
        match self {
            Self::Captioning => &[Part::VisualEncoder, Part::TextDecoder],
            Self::QuestionAnswering => &[Part::VisualEncoder, Part::TextEncoder, Part::TextDecoder],
            Self::Matching => &[
                Part::VisualEncoder,
                Part::TextEncoder,
                Part::Projections,
                Part::ItmHead,
            ],
            Self::Classification => &[Part::VisualEncoder, Part::TextEncoder, Part::Projections],
            Self::FeatureExtraction => &[Part::VisualEncoder],
            Self::Reasoning => &[Part::VisualEncoder, Part::PairEncoder, Part::ClsHead],
        }
    }

    /// The parts that the task makes use of where they are there.
    pub fn optional_parts(self) -> &'static [Part] {
        match self {
            Self::FeatureExtraction => &[Part::TextEncoder, Part::Projections],
            _ => &[],
        }
    }

    /// The task that a checkpoint with these parts was made for, if it is one.
    pub fn of(parts: &[Part]) -> Option<Self> {
        let has = |part| parts.contains(&part);
        match (has(Part::TextEncoder), has(Part::TextDecoder)) {
            _ if !has(Part::VisualEncoder) => None,
            (true, true) if has(Part::ItmHead) => None,
            (true, true) => Some(Self::QuestionAnswering),
            (false, true) => Some(Self::Captioning),
            (true, false) if has(Part::ItmHead) && has(Part::Projections) => Some(Self::Matching),
            _ if has(Part::PairEncoder) && has(Part::ClsHead) => Some(Self::Reasoning),
            _ => None,
        }
    }

    /// The tasks that these parts do for.
    pub fn possible(parts: &[Part]) -> Vec<Self> {
        Self::ALL
            .into_iter()
            .filter(|task| task.parts().iter().all(|part| parts.contains(part)))
            .collect()
    }

    /// Says what is missing if these parts do not do for the task.
    pub(crate) fn check(self, parts: &[Part]) -> Result<(), Error> {
        let missing: Vec<Part> = self
            .parts()
            .iter()
            .copied()
            .filter(|part| !parts.contains(part))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Error::MissingParts {
            task: self,
            missing: list(&missing),
            found: list(parts),
        })
    }
}

/// `the image encoder, the text decoder`.
pub(crate) fn list(parts: &[Part]) -> String {
    if parts.is_empty() {
        return "no part of BLIP".to_owned();
    }
    parts.iter().map(Part::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::VisualEncoder => "the image encoder",
            Self::TextEncoder => "the text encoder",
            Self::PairEncoder => "the text encoder of two images",
            Self::TextDecoder => "the text decoder",
            Self::Projections => "the projections",
            Self::ItmHead => "the matching head",
            Self::ClsHead => "the reasoning head",
            Self::Momentum => "momentum copies and queues",
        })
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Captioning => "captioning",
            Self::QuestionAnswering => "question answering",
            Self::Matching => "matching",
            Self::Classification => "classification",
            Self::FeatureExtraction => "feature extraction",
            Self::Reasoning => "reasoning over two images",
        })
    }
}

/// The layout that a checkpoint's names have.
///
/// # Errors
///
/// [`Error::UnknownLayout`] if they are neither's.
pub(crate) fn layout_of(checkpoint: &Checkpoint) -> Result<Layout, Error> {
    let has = |layout: Layout| {
        let prefix = format!("{}.", layout.vision_prefix());
        checkpoint
            .tensors()
            .iter()
            .any(|tensor| tensor.name.starts_with(&prefix))
    };
    if has(Layout::HuggingFace) {
        Ok(Layout::HuggingFace)
    } else if has(Layout::Salesforce) {
        Ok(Layout::Salesforce)
    } else {
        let first = checkpoint
            .tensors()
            .iter()
            .take(5)
            .map(|tensor| tensor.name.clone())
            .collect();
        Err(Error::UnknownLayout { first })
    }
}
