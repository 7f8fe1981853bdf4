//! What an answer is, and what can be asked of it.

use crate::{CaptionOptions, FinishReason};

/// A generated answer with its scores.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The text, in lower case as the model writes it.
    pub text: String,
    /// What the search ranked the answer by, see [`Hypothesis::sequence_score`](crate::Hypothesis::sequence_score).
    pub score: f32,
    /// The generated row as the reference returns it: from `[DEC]` to `[SEP]` where it was reached.
    pub token_ids: Vec<u32>,
    /// The log-probability of each generated token under the decoder's own distribution, `[SEP]` included.
    pub token_log_probs: Vec<f32>,
    /// Why the answer ended.
    pub finish_reason: FinishReason,
}

impl Answer {
    /// The answer's log-probability: the sum of `token_log_probs`.
    pub fn log_probability(&self) -> f32 {
        self.token_log_probs.iter().sum()
    }
}

/// What a request wants of its answers; whatever is left `None` is the policy's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AnswerOptions {
    /// Partial answers kept; 1 is greedy search.
    pub num_beams: Option<usize>,
    /// Tokens that an answer may have, first and last token included.
    pub max_length: Option<usize>,
    /// Tokens that an answer has at least before `[SEP]`, first token included.
    pub min_length: Option<usize>,
    /// Answers given back for each question; `None` is all that the search kept: one for each beam.
    pub num_return_sequences: Option<usize>,
    /// Exponent of the length that a beam's score is divided by. Beam search only.
    pub length_penalty: Option<f64>,
    /// Above 1 discourages tokens that the answer has.
    pub repetition_penalty: Option<f32>,
    /// Whether the decoder sees the padding of a question that is shorter than others of its batch masked.
    ///
    /// The references do not mask it: there an answer depends on the longest question asked with it.
    pub mask_question_padding: Option<bool>,
}

impl AnswerOptions {
    /// The part that a search over text knows.
    pub(crate) fn search(&self) -> CaptionOptions {
        CaptionOptions {
            num_beams: self.num_beams,
            max_length: self.max_length,
            min_length: self.min_length,
            num_return_sequences: self.num_return_sequences,
            length_penalty: self.length_penalty,
            repetition_penalty: self.repetition_penalty,
            ..CaptionOptions::default()
        }
    }
}

/// How answers of a list are ranked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RankOptions {
    /// Answers that are scored whole: those whose first word is likeliest. More than there are is all.
    pub k_test: usize,
    /// The share of each token's weight that is spread over the vocabulary, 0 to 1. The original scores with the loss that
    /// it was trained with, 0.1; 0 is the plain log-probability.
    pub label_smoothing: f32,
}

impl Default for RankOptions {
    /// As the original's evaluation: the best 128, smoothed by 0.1.
    fn default() -> Self {
        Self {
            k_test: 128,
            label_smoothing: 0.1,
        }
    }
}

/// An answer of a list, as it was ranked for a question.
#[derive(Clone, Debug, PartialEq)]
pub struct RankedAnswer {
    /// The answer's place in the list.
    pub index: usize,
    /// The answer as it stands in the list.
    pub text: String,
    /// What the answers are ranked by: the sum of log-probabilities, `[SEP]` included, with label smoothing; not divided
    /// by the length.
    pub score: f32,
    /// The same sum without label smoothing: the answer's log-probability.
    pub log_probability: f32,
    /// The probability of its first token, by which it came onto the shortlist.
    pub first_token_probability: f32,
    /// Its ids, from `[DEC]` to `[SEP]`.
    pub token_ids: Vec<u32>,
}

/// Answers to choose from, tokenized once for any number of questions.
#[derive(Clone, Debug, PartialEq)]
pub struct AnswerList {
    pub(crate) texts: Vec<String>,
    pub(crate) rows: Vec<Vec<u32>>,
}

impl AnswerList {
    /// The answers, in order.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// The number of answers.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }
}
