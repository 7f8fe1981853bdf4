//! Whose names, and whose conventions.

use std::fmt;
use std::str::FromStr;

use blip_processor::SpecialTokenPolicy;
use blip_tasks::TextPolicy;

use crate::Error;

/// How a checkpoint names its tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Layout {
    /// `vision_model.…`, as transformers saves BLIP.
    HuggingFace,
    /// `visual_encoder.…`, as the original and LAVIS save it.
    Salesforce,
}

/// Whose conventions a model follows where the references disagree: first tokens and prompts, beam search, the ViT's
/// epsilon.
///
/// By default that of the checkpoint's [`Layout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reference {
    /// transformers 5.23.
    HuggingFace,
    /// salesforce/BLIP@056a169 with transformers 4.15 and timm 0.4.12.
    Salesforce,
}

impl Layout {
    /// The reference that writes checkpoints of this layout.
    pub fn reference(self) -> Reference {
        match self {
            Self::HuggingFace => Reference::HuggingFace,
            Self::Salesforce => Reference::Salesforce,
        }
    }

    /// What the vision encoder's tensors are called.
    pub(crate) fn vision_prefix(self) -> &'static str {
        match self {
            Self::HuggingFace => "vision_model",
            Self::Salesforce => "visual_encoder",
        }
    }
}

impl Reference {
    /// Its conventions for text.
    pub fn text_policy(self) -> TextPolicy {
        match self {
            Self::HuggingFace => TextPolicy::hugging_face(),
            Self::Salesforce => TextPolicy::salesforce(),
        }
    }

    pub(crate) fn special_token_policy(self) -> SpecialTokenPolicy {
        match self {
            Self::HuggingFace => SpecialTokenPolicy::HuggingFace,
            Self::Salesforce => SpecialTokenPolicy::Salesforce,
        }
    }

    /// The ViT's LayerNorm epsilon, where no config.json states it.
    pub(crate) fn vision_epsilon(self) -> f64 {
        match self {
            // transformers 5.23 models/blip/configuration_blip.py `BlipVisionConfig`.
            Self::HuggingFace => 1e-5,
            // salesforce/BLIP@056a169 models/vit.py `VisionTransformer.__init__`.
            Self::Salesforce => 1e-6,
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reference().fmt(f)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HuggingFace => "huggingface",
            Self::Salesforce => "salesforce",
        })
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "huggingface" => Ok(Self::HuggingFace),
            "salesforce" => Ok(Self::Salesforce),
            _ => Err(Error::UnknownName {
                what: "reference",
                expected: "huggingface or salesforce",
                got: name.to_owned(),
            }),
        }
    }
}

impl FromStr for Layout {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Ok(match name.parse()? {
            Reference::HuggingFace => Self::HuggingFace,
            Reference::Salesforce => Self::Salesforce,
        })
    }
}
