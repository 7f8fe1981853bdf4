//! The references' conventions, as values.

use blip_traits::SpecialTokens;

use crate::{BeamSearch, BeamSemantics, GenerationConfig, Sampling, Search};

/// Which special token stands on position 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstToken {
    /// `[CLS]`: where the tokenizer's own is left alone.
    Cls,
    /// `[ENC]`: the image-grounded text encoder.
    Enc,
    /// `[DEC]`: the text decoder.
    Dec,
}

impl FirstToken {
    /// Its id.
    pub fn id(self, special_tokens: &SpecialTokens) -> u32 {
        match self {
            Self::Cls => special_tokens.cls,
            Self::Enc => special_tokens.enc,
            Self::Dec => special_tokens.dec,
        }
    }
}

/// What the references do differently with the same weights: prompts, first tokens, masks, and how text is searched.
///
/// Take one of the two and change what you like. Whatever a request leaves open is taken from here.
#[derive(Clone, Debug, PartialEq)]
pub struct TextPolicy {
    /// What a caption begins with if the request has no prompt; `None` is the first token alone.
    pub prompt: Option<String>,
    /// Whether a caption's text leaves the prompt out: as many characters are cut from its front as the prompt string
    /// has, whatever the tokenizer made of them. The token ids always keep it.
    pub cut_prompt: bool,
    /// First token of a generated text, put over the tokenizer's.
    pub generation_first_token: FirstToken,
    /// First token of a question, put over the tokenizer's.
    pub question_first_token: FirstToken,
    /// Tokens of a question, first and last included, beyond which it is cut off; `None` cuts nothing.
    pub question_max_length: Option<usize>,
    /// First token of a text that is matched with a picture. Training used `[ENC]`, and so do LAVIS and the original's
    /// retrieval evaluation, but not the original's matching model.
    pub matching_first_token: FirstToken,
    /// First token of a text that is matched with a gallery's pictures when they are ranked again.
    pub retrieval_first_token: FirstToken,
    /// Tokens of a text that is compared with pictures, first and last included, beyond which it is cut off; `None` cuts
    /// nothing.
    pub matching_max_length: Option<usize>,
    /// Whether an answer's decoder sees a question's padding masked. Neither reference masks it when it generates, so
    /// an answer there depends on the longest question of its batch.
    pub mask_question_padding: bool,
    /// Whether the prompt is not counted in the `max_length` of `generation`, `sampling` and `answering`. A request's own
    /// `max_length` always counts it.
    pub max_length_beyond_prompt: bool,
    /// How text is searched for if the request does not sample.
    pub generation: GenerationConfig,
    /// How text is searched for if the request samples.
    pub sampling: GenerationConfig,
    /// How answers to questions are searched for.
    pub answering: GenerationConfig,
    /// Whose beam search, if the request asks for beams and `generation` has none.
    pub beam_semantics: BeamSemantics,
}

impl TextPolicy {
    /// The conventions of Hugging Face transformers 5.23, `models/blip/modeling_blip.py`.
    ///
    /// No prompt; one that is given stays in the text. Greedy search of at most 20 tokens behind the prompt, for captions and
    /// answers. `[CLS]` stays on questions and on matched texts, of which nothing is cut off.
    #[doc(alias = "BlipForConditionalGeneration")]
    pub fn hugging_face() -> Self {
        let generation = GenerationConfig {
            max_length: 20,
            ..GenerationConfig::default()
        };
        Self {
            prompt: None,
            cut_prompt: false,
            generation_first_token: FirstToken::Dec,
            question_first_token: FirstToken::Cls,
            question_max_length: None,
            matching_first_token: FirstToken::Cls,
            // transformers has no retrieval; these are the weights of the original's.
            retrieval_first_token: FirstToken::Enc,
            matching_max_length: None,
            mask_question_padding: false,
            // transformers 5.23 generation/utils.py `_prepare_generated_length`: a default max_length grows by the prompt.
            max_length_beyond_prompt: true,
            sampling: GenerationConfig {
                // transformers 5.23 generation/configuration_utils.py: top_k is 50 unless it is set.
                search: Search::Sample(Sampling {
                    top_k: 50,
                    ..Sampling::default()
                }),
                ..generation.clone()
            },
            answering: generation.clone(),
            generation,
            beam_semantics: BeamSemantics::Transformers5,
        }
    }

    /// The conventions of the original, salesforce/BLIP@056a169, with the settings of its COCO evaluation and its demo.
    ///
    /// Captions begin with "a picture of ", which is cut from the text. Three beams, 5 to 20 tokens with the prompt's
    /// four. Sampling has a repetition penalty of 1.1 and, from the defaults of transformers 4.15, a top-k of 50. Answers
    /// have three beams and at most 10 tokens. `[ENC]` begins questions; questions and matched texts are cut to 35 tokens.
    #[doc(alias = "BLIP_Decoder")]
    pub fn salesforce() -> Self {
        let semantics = BeamSemantics::Transformers4_15;
        // salesforce/BLIP@056a169 configs/caption_coco.yaml.
        let generation = GenerationConfig {
            search: Search::Beam(BeamSearch::new(3, semantics)),
            max_length: 20,
            min_length: 5,
            ..GenerationConfig::default()
        };
        Self {
            // salesforce/BLIP@056a169 models/blip.py:85 has the trailing space, which is cut too.
            prompt: Some("a picture of ".to_owned()),
            cut_prompt: true,
            generation_first_token: FirstToken::Dec,
            question_first_token: FirstToken::Enc,
            // models/blip_vqa.py:42, models/blip_itm.py:46: the tokenizer's `max_length=35`.
            question_max_length: Some(35),
            matching_first_token: FirstToken::Cls,
            // train_retrieval.py:97.
            retrieval_first_token: FirstToken::Enc,
            matching_max_length: Some(35),
            mask_question_padding: false,
            max_length_beyond_prompt: false,
            sampling: GenerationConfig {
                search: Search::Sample(Sampling {
                    top_p: 0.9,
                    top_k: 50,
                    ..Sampling::default()
                }),
                // models/blip.py `generate` passes 1.1 whatever its own argument is.
                repetition_penalty: 1.1,
                ..generation.clone()
            },
            // models/blip_vqa.py `forward`, inference='generate'.
            answering: GenerationConfig {
                search: Search::Beam(BeamSearch::new(3, semantics)),
                max_length: 10,
                min_length: 1,
                ..GenerationConfig::default()
            },
            generation,
            beam_semantics: semantics,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_policies_are_valid() {
        for policy in [TextPolicy::hugging_face(), TextPolicy::salesforce()] {
            policy.generation.validate().unwrap();
            policy.sampling.validate().unwrap();
            policy.answering.validate().unwrap();
        }
    }
}
