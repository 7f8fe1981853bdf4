//! A generated text, as token ids.

/// Why a text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// With the end token.
    EndToken,
    /// At `max_length`, without an end token.
    MaxLength,
}

/// A generated text with its scores.
#[derive(Clone, Debug, PartialEq)]
pub struct Hypothesis {
    /// The row as the references return it, without padding: prompt, first token included; generated tokens; the end
    /// token where it was reached.
    pub token_ids: Vec<u32>,
    /// For each generated token, end token included, its log-probability under the decoder's own distribution: no
    /// penalty, ban, temperature or top-k enters.
    pub token_log_probs: Vec<f32>,
    /// What the search ranks by. In beam search `sum_log_probs` over the length to the power of the length penalty, as
    /// the chosen reference reports it (`sequences_scores`); otherwise `sum_log_probs` itself.
    pub sequence_score: f32,
    /// The sum of the log-probabilities that the search saw. In beam search those after the repetition penalty;
    /// otherwise, where the references report none, the sum of `token_log_probs`.
    pub sum_log_probs: f32,
    /// Why the text ended.
    pub finish_reason: FinishReason,
}
