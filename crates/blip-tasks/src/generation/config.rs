//! How text is searched for: values, and the check that they make sense.

use blip_traits::{ModelError, SpecialTokens};

use crate::TaskError;

/// Whose beam search: the two references differ, and give different texts for the same weights.
///
/// | | `Transformers4_15` | `Transformers5` |
/// |---|---|---|
/// | score of a text | sum of log p / length^penalty | the same |
/// | that length | all tokens, **prompt included**, end token not | **generated** tokens, end token included |
/// | at `max_length` | every open beam competes | those among the best `num_beams` candidates |
/// | a picture is done when | the best candidate's sum over the length *before* the step cannot beat the worst kept | the best open beam's sum over the generated length cannot |
/// | equal scores | the later wins | the earlier wins |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeamSemantics {
    /// transformers 4.15.0, which the original BLIP pins (`generation_beam_search.py`).
    #[doc(alias = "BeamSearchScorer")]
    Transformers4_15,
    /// transformers 5.23.0 (`generation/utils.py`, `_beam_search`), as already in 4.57.
    Transformers5,
}

/// When beam search stops looking for better texts once `num_beams` of them are complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EarlyStopping {
    /// When the best open beam is unlikely to beat the worst complete text (`early_stopping=False`).
    #[default]
    Heuristic,
    /// At once (`early_stopping=True`).
    WhenFull,
    /// When no open beam can beat the worst complete text (`early_stopping="never"`); [`BeamSemantics::Transformers5`]
    /// alone has it.
    Never,
}

/// Beam search: the `num_beams` best partial texts go on side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct BeamSearch {
    /// Partial texts kept for each group; 1 is greedy search, as in both references.
    pub num_beams: usize,
    /// Exponent of the length that a text's sum of log-probabilities is divided by: above 0 favours long texts.
    pub length_penalty: f64,
    /// When to stop.
    pub early_stopping: EarlyStopping,
    /// Whose rules.
    pub semantics: BeamSemantics,
}

impl BeamSearch {
    /// The largest exponent of the length, either way: beyond it scores are no longer finite.
    pub const MAX_LENGTH_PENALTY: f64 = 100.0;

    /// Beam search with both references' defaults: length penalty 1, no early stopping.
    pub fn new(num_beams: usize, semantics: BeamSemantics) -> Self {
        Self {
            num_beams,
            length_penalty: 1.0,
            early_stopping: EarlyStopping::Heuristic,
            semantics,
        }
    }
}

/// Sampling: each token is drawn from the decoder's distribution, warped by temperature, then top-k, then top-p.
///
/// The draws are a function of `seed`, of the copy (which of several texts for one group) and of the position, on
/// every platform; the group's place in a batch plays no part, so a picture's text does not depend on its neighbours.
/// They are not those of PyTorch.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// Divides the logits; below 1 sharpens the distribution, 1 leaves it.
    pub temperature: f32,
    /// Keeps this many of the most likely tokens, and those that tie with the last of them; 0 keeps all.
    pub top_k: usize,
    /// Keeps the smallest set of most likely tokens whose probability reaches this; 1 keeps all.
    pub top_p: f32,
    /// Where the draws come from.
    pub seed: u64,
}

impl Default for Sampling {
    /// The undistorted distribution, seed 0.
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            seed: 0,
        }
    }
}

/// How the next tokens are chosen.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Search {
    /// The most likely token each time, the lowest id among equals.
    #[default]
    Greedy,
    /// Several partial texts side by side.
    Beam(BeamSearch),
    /// Tokens at random.
    Sample(Sampling),
}

/// Everything that decides a generated text but the decoder, the context and the prompt.
///
/// Named as in Hugging Face's `GenerationConfig`, with its defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerationConfig {
    /// How tokens are chosen.
    pub search: Search,
    /// Tokens that a text may have, **prompt, first token and end token included**.
    pub max_length: usize,
    /// Tokens that a text has at least before the end token, **prompt and first token included**.
    pub min_length: usize,
    /// Divides the score of each token that the text has, prompt included, or multiplies it where it is negative; 1
    /// does nothing, above 1 discourages. Works on logits in greedy search and sampling, on log-probabilities in beam
    /// search, as in both references.
    pub repetition_penalty: f32,
    /// No n-gram of this size comes twice, prompt included; 0 allows it.
    pub no_repeat_ngram_size: usize,
    /// Token sequences that do not come; the end token alone is ignored, as in both references.
    pub bad_words_ids: Vec<Vec<u32>>,
    /// Texts given back for each group: at most `num_beams` of them in beam search, any number in sampling, one in
    /// greedy search.
    pub num_return_sequences: usize,
    /// The token that ends a text: BLIP's is `[SEP]`.
    pub eos_token_id: u32,
}

impl Default for GenerationConfig {
    fn default() -> Self {
        Self {
            search: Search::Greedy,
            max_length: 20,
            min_length: 0,
            repetition_penalty: 1.0,
            no_repeat_ngram_size: 0,
            bad_words_ids: Vec::new(),
            num_return_sequences: 1,
            eos_token_id: SpecialTokens::BERT_BASE_UNCASED.sep,
        }
    }
}

impl GenerationConfig {
    /// The most rows that a group may have: beams, or sampled texts.
    pub const MAX_ROWS: usize = 4096;

    /// Checks what can be checked without a decoder and a prompt.
    ///
    /// # Errors
    ///
    /// [`TaskError::Setting`] naming the first setting that is out of range.
    pub fn validate(&self) -> Result<(), TaskError> {
        let Self {
            max_length,
            min_length,
            repetition_penalty,
            num_return_sequences,
            ..
        } = *self;
        if max_length < 2 {
            let expected = "at least 2, a first token and a generated one";
            return Err(TaskError::setting("max_length", expected, max_length));
        }
        if min_length > max_length {
            let expected = format!("at most max_length, {max_length}");
            return Err(TaskError::setting("min_length", expected, min_length));
        }
        positive("repetition_penalty", f64::from(repetition_penalty))?;
        if self.bad_words_ids.iter().any(Vec::is_empty) {
            let expected = "sequences of at least one token";
            return Err(TaskError::setting("bad_words_ids", expected, "an empty one"));
        }
        rows("num_return_sequences", num_return_sequences)?;
        match &self.search {
            Search::Greedy if num_return_sequences > 1 => {
                let expected = "1 in greedy search";
                Err(TaskError::setting(
                    "num_return_sequences",
                    expected,
                    num_return_sequences,
                ))
            }
            Search::Greedy => Ok(()),
            Search::Beam(beam) => beam.validate(num_return_sequences),
            Search::Sample(sampling) => sampling.validate(),
        }
    }

    /// Checks the configuration against a vocabulary and a prompt.
    pub(crate) fn check(&self, vocab_size: usize, prompt: &[u32]) -> Result<(), TaskError> {
        self.validate()?;
        if prompt.is_empty() {
            return Err(TaskError::setting(
                "prompt",
                "at least the first token",
                "no token",
            ));
        }
        if prompt.len() >= self.max_length {
            return Err(TaskError::PromptTooLong {
                length: prompt.len(),
                max_length: self.max_length,
            });
        }
        let words = self.bad_words_ids.iter().flatten();
        let mut ids = prompt.iter().chain(words).chain([&self.eos_token_id]);
        match ids.find(|&&id| id as usize >= vocab_size) {
            Some(&id) => Err(ModelError::Token { id, vocab_size }.into()),
            None => Ok(()),
        }
    }

    /// The rows that a group's search needs.
    pub(super) fn copies(&self) -> usize {
        match &self.search {
            Search::Greedy => 1,
            Search::Beam(beam) => beam.num_beams,
            Search::Sample(_) => self.num_return_sequences,
        }
    }
}

impl BeamSearch {
    fn validate(&self, num_return_sequences: usize) -> Result<(), TaskError> {
        rows("num_beams", self.num_beams)?;
        if num_return_sequences > self.num_beams {
            let expected = format!("at most num_beams, {}", self.num_beams);
            return Err(TaskError::setting(
                "num_return_sequences",
                expected,
                num_return_sequences,
            ));
        }
        if self.length_penalty.is_nan() || self.length_penalty.abs() > Self::MAX_LENGTH_PENALTY {
            return Err(TaskError::setting(
                "length_penalty",
                "-100 to 100",
                self.length_penalty,
            ));
        }
        if (self.semantics, self.early_stopping) == (BeamSemantics::Transformers4_15, EarlyStopping::Never) {
            let expected = "Heuristic or WhenFull under Transformers4_15";
            return Err(TaskError::setting("early_stopping", expected, "Never"));
        }
        Ok(())
    }
}

impl Sampling {
    fn validate(&self) -> Result<(), TaskError> {
        positive("temperature", f64::from(self.temperature))?;
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            let expected = "a number above 0 and at most 1";
            return Err(TaskError::setting("top_p", expected, self.top_p));
        }
        Ok(())
    }
}

fn positive(name: &'static str, value: f64) -> Result<(), TaskError> {
    if value > 0.0 && value.is_finite() {
        Ok(())
    } else {
        Err(TaskError::setting(name, "a finite number above 0", value))
    }
}

fn rows(name: &'static str, value: usize) -> Result<(), TaskError> {
    if (1..=GenerationConfig::MAX_ROWS).contains(&value) {
        Ok(())
    } else {
        let expected = format!("1 to {}", GenerationConfig::MAX_ROWS);
        Err(TaskError::setting(name, expected, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(change: impl FnOnce(&mut GenerationConfig)) -> String {
        let mut config = GenerationConfig {
            eos_token_id: 2,
            ..GenerationConfig::default()
        };
        change(&mut config);
        config.check(8, &[1, 3]).unwrap_err().to_string()
    }

    fn beam(change: impl FnOnce(&mut BeamSearch)) -> String {
        let mut beam = BeamSearch::new(3, BeamSemantics::Transformers4_15);
        change(&mut beam);
        message(|config| config.search = Search::Beam(beam))
    }

    fn sample(change: impl FnOnce(&mut Sampling)) -> String {
        let mut sampling = Sampling::default();
        change(&mut sampling);
        message(|config| config.search = Search::Sample(sampling))
    }

    #[test]
    fn every_setting_out_of_range_is_named() {
        let above_0 = "expected a finite number above 0, got";
        for (message, expected) in [
            (
                message(|c| c.max_length = 1),
                "max_length: expected at least 2".to_owned(),
            ),
            (
                message(|c| c.max_length = 2),
                "its 2 tokens count towards max_length".to_owned(),
            ),
            (
                message(|c| c.min_length = 21),
                "min_length: expected at most max_length, 20, got 21".to_owned(),
            ),
            (
                message(|c| c.repetition_penalty = 0.0),
                format!("repetition_penalty: {above_0} 0"),
            ),
            (
                message(|c| c.repetition_penalty = f32::NAN),
                format!("repetition_penalty: {above_0} NaN"),
            ),
            (
                message(|c| c.bad_words_ids = vec![vec![]]),
                "bad_words_ids: expected sequences".to_owned(),
            ),
            (
                message(|c| c.bad_words_ids = vec![vec![3, 8]]),
                "token id 8 is outside".to_owned(),
            ),
            (
                message(|c| c.eos_token_id = 9),
                "token id 9 is outside".to_owned(),
            ),
            (
                message(|c| c.num_return_sequences = 0),
                "num_return_sequences: expected 1 to 4096, got 0".to_owned(),
            ),
            (
                message(|c| c.num_return_sequences = 2),
                "num_return_sequences: expected 1 in greedy search, got 2".to_owned(),
            ),
            (
                beam(|b| b.num_beams = 0),
                "num_beams: expected 1 to 4096, got 0".to_owned(),
            ),
            (
                beam(|b| b.num_beams = usize::MAX),
                "num_beams: expected 1 to 4096".to_owned(),
            ),
            (
                beam(|b| b.length_penalty = f64::NAN),
                "length_penalty: expected -100 to 100, got NaN".to_owned(),
            ),
            (
                beam(|b| b.early_stopping = EarlyStopping::Never),
                "early_stopping: expected".to_owned(),
            ),
            (
                sample(|s| s.temperature = -1.0),
                format!("temperature: {above_0} -1"),
            ),
            (
                sample(|s| s.top_p = 0.0),
                "top_p: expected a number above 0 and at most 1, got 0".to_owned(),
            ),
            (
                sample(|s| s.top_p = 1.1),
                "top_p: expected a number above 0 and at most 1, got 1.1".to_owned(),
            ),
            (sample(|s| s.top_p = f32::NAN), "top_p: expected".to_owned()),
        ] {
            assert!(message.contains(&expected), "{message} / {expected}");
        }
    }

    #[test]
    fn more_texts_than_beams_are_refused() {
        let config = GenerationConfig {
            search: Search::Beam(BeamSearch::new(3, BeamSemantics::Transformers5)),
            num_return_sequences: 4,
            ..GenerationConfig::default()
        };
        let error = config.validate().unwrap_err().to_string();
        assert_eq!(
            error,
            "num_return_sequences: expected at most num_beams, 3, got 4"
        );
    }

    #[test]
    fn a_prompt_needs_a_token_and_tokens_of_the_vocabulary() {
        let config = GenerationConfig {
            eos_token_id: 2,
            ..GenerationConfig::default()
        };
        let empty = config.check(8, &[]).unwrap_err().to_string();
        assert_eq!(empty, "prompt: expected at least the first token, got no token");
        let outside = config.check(8, &[1, 8]).unwrap_err().to_string();
        assert_eq!(outside, "token id 8 is outside the model's vocabulary of 8");
        config.check(8, &[1, 7]).unwrap();
    }
}
