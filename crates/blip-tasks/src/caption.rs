//! What a caption is, and what can be asked of it.

use crate::{
    BeamSearch, EarlyStopping, FinishReason, GenerationConfig, Sampling, Search, TaskError, TextPolicy,
};

/// A caption with its scores.
#[derive(Clone, Debug, PartialEq)]
pub struct Caption {
    /// The text, without the prompt where the policy cuts it.
    pub text: String,
    /// What the search ranked the caption by, see [`Hypothesis::sequence_score`](crate::Hypothesis::sequence_score).
    pub score: f32,
    /// The generated row as the reference returns it: from the first token, prompt included, to `[SEP]` where it was
    /// reached.
    pub token_ids: Vec<u32>,
    /// The log-probability of each generated token under the decoder's own distribution, `[SEP]` included.
    pub token_log_probs: Vec<f32>,
    /// Why the caption ended.
    pub finish_reason: FinishReason,
}

impl Caption {
    /// The caption's log-probability: the sum of `token_log_probs`. Its prompt is given, and does not count.
    pub fn log_probability(&self) -> f32 {
        self.token_log_probs.iter().sum()
    }
}

/// What a request wants of its captions; whatever is left `None` is the policy's.
///
/// ```
/// use blip_tasks::CaptionOptions;
///
/// let options = CaptionOptions {
///     prompt: Some("a photography of".into()),
///     num_beams: Some(5),
///     num_return_sequences: Some(2),
///     ..CaptionOptions::default()
/// };
/// assert!(!options.sample);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CaptionOptions {
    /// What the captions begin with.
    ///
    /// It replaces the policy's prompt and is treated as that one is: under `hugging_face` it stays in the text; under
    /// `salesforce` as many characters as it has are cut from the text, so end it with a space there.
    pub prompt: Option<String>,
    /// Draws tokens at random instead of searching for the likeliest text.
    pub sample: bool,
    /// Partial texts kept; 1 is greedy search. Not with `sample`.
    pub num_beams: Option<usize>,
    /// Tokens that a caption may have, prompt, first and last token included.
    pub max_length: Option<usize>,
    /// Tokens that a caption has at least before `[SEP]`, prompt and first token included.
    pub min_length: Option<usize>,
    /// Above 1 discourages tokens that the caption or its prompt has.
    pub repetition_penalty: Option<f32>,
    /// No n-gram of this size comes twice; 0 allows it.
    pub no_repeat_ngram_size: Option<usize>,
    /// Words and phrases that do not come, as text.
    pub bad_words: Vec<String>,
    /// Captions given back for each picture.
    pub num_return_sequences: Option<usize>,
    /// Exponent of the length that a beam's score is divided by. Beam search only.
    pub length_penalty: Option<f64>,
    /// When beam search stops. Beam search only.
    pub early_stopping: Option<EarlyStopping>,
    /// Draws from the smallest set of tokens whose probability reaches this. Sampling only.
    pub top_p: Option<f32>,
    /// Draws from this many of the most likely tokens; 0 is all. Sampling only.
    pub top_k: Option<usize>,
    /// Sharpens (below 1) or flattens (above 1) the distribution. Sampling only.
    pub temperature: Option<f32>,
    /// Where the draws come from. Sampling only.
    pub seed: Option<u64>,
}

impl CaptionOptions {
    /// The configuration of a request under a policy; the bad words are added by whoever has the tokenizer.
    ///
    /// # Errors
    ///
    /// [`TaskError::Unused`] if an option belongs to another search than the one asked for.
    pub fn generation(&self, policy: &TextPolicy) -> Result<GenerationConfig, TaskError> {
        let base = if self.sample {
            &policy.sampling
        } else {
            &policy.generation
        };
        self.over(base, policy)
    }

    /// What is left open is taken from `base`, and the policy says whose beam search.
    pub(crate) fn over(
        &self,
        base: &GenerationConfig,
        policy: &TextPolicy,
    ) -> Result<GenerationConfig, TaskError> {
        let mut config = base.clone();
        config.search = match &base.search {
            Search::Sample(sampling) => {
                self.refuse_beam_options()?;
                Search::Sample(self.sampling(sampling))
            }
            search => {
                self.refuse_sampling_options()?;
                self.beams(search, policy)?
            }
        };
        set(&mut config.max_length, self.max_length);
        set(&mut config.min_length, self.min_length);
        set(&mut config.repetition_penalty, self.repetition_penalty);
        set(&mut config.no_repeat_ngram_size, self.no_repeat_ngram_size);
        set(&mut config.num_return_sequences, self.num_return_sequences);
        Ok(config)
    }

    fn sampling(&self, base: &Sampling) -> Sampling {
        let mut sampling = base.clone();
        set(&mut sampling.top_p, self.top_p);
        set(&mut sampling.top_k, self.top_k);
        set(&mut sampling.temperature, self.temperature);
        set(&mut sampling.seed, self.seed);
        sampling
    }

    fn beams(&self, base: &Search, policy: &TextPolicy) -> Result<Search, TaskError> {
        let mut beam = match base {
            Search::Beam(beam) => beam.clone(),
            _ => BeamSearch::new(1, policy.beam_semantics),
        };
        set(&mut beam.num_beams, self.num_beams);
        if beam.num_beams == 1 {
            self.refuse_beam_options()?;
            return Ok(Search::Greedy);
        }
        set(&mut beam.length_penalty, self.length_penalty);
        set(&mut beam.early_stopping, self.early_stopping);
        Ok(Search::Beam(beam))
    }

    fn refuse_beam_options(&self) -> Result<(), TaskError> {
        refuse(
            &[
                ("num_beams", self.num_beams.is_some_and(|num_beams| num_beams > 1)),
                ("length_penalty", self.length_penalty.is_some()),
                ("early_stopping", self.early_stopping.is_some()),
            ],
            "beam search",
        )
    }

    fn refuse_sampling_options(&self) -> Result<(), TaskError> {
        refuse(
            &[
                ("top_p", self.top_p.is_some()),
                ("top_k", self.top_k.is_some()),
                ("temperature", self.temperature.is_some()),
                ("seed", self.seed.is_some()),
            ],
            "sampling",
        )
    }
}

fn set<T: Copy>(value: &mut T, option: Option<T>) {
    if let Some(option) = option {
        *value = option;
    }
}

fn refuse(options: &[(&'static str, bool)], needs: &'static str) -> Result<(), TaskError> {
    match options.iter().find(|(_, given)| *given) {
        Some(&(name, _)) => Err(TaskError::Unused { name, needs }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BeamSemantics;

    fn options() -> CaptionOptions {
        CaptionOptions::default()
    }

    #[test]
    fn what_is_left_open_is_the_policys() {
        for policy in [TextPolicy::hugging_face(), TextPolicy::salesforce()] {
            assert_eq!(options().generation(&policy).unwrap(), policy.generation);
            let sample = CaptionOptions {
                sample: true,
                ..options()
            };
            assert_eq!(sample.generation(&policy).unwrap(), policy.sampling);
        }
    }

    #[test]
    fn beams_under_a_greedy_policy_follow_its_reference() {
        let wanted = CaptionOptions {
            num_beams: Some(4),
            length_penalty: Some(2.0),
            ..options()
        };
        let config = wanted.generation(&TextPolicy::hugging_face()).unwrap();
        let mut beam = BeamSearch::new(4, BeamSemantics::Transformers5);
        beam.length_penalty = 2.0;
        assert_eq!(config.search, Search::Beam(beam));

        let one = CaptionOptions {
            num_beams: Some(1),
            ..options()
        };
        assert_eq!(
            one.generation(&TextPolicy::salesforce()).unwrap().search,
            Search::Greedy
        );
    }

    #[test]
    fn an_option_of_another_search_is_an_error() {
        let policy = TextPolicy::hugging_face();
        for (wanted, message) in [
            (
                CaptionOptions {
                    top_p: Some(0.9),
                    ..options()
                },
                "top_p has no effect without sampling",
            ),
            (
                CaptionOptions {
                    seed: Some(1),
                    num_beams: Some(3),
                    ..options()
                },
                "seed has no effect without sampling",
            ),
            (
                CaptionOptions {
                    length_penalty: Some(1.0),
                    ..options()
                },
                "length_penalty has no effect without beam search",
            ),
            (
                CaptionOptions {
                    sample: true,
                    num_beams: Some(3),
                    ..options()
                },
                "num_beams has no effect without beam search",
            ),
        ] {
            assert_eq!(wanted.generation(&policy).unwrap_err().to_string(), message);
        }
    }
}
