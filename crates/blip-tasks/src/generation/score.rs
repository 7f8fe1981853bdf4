//! How likely given texts are: teacher forcing.

use blip_traits::{DecoderState, HiddenStates, ModelError, TextDecoder, TokenBatch};

use super::run::step;
use super::softmax::LogSumExp;
use crate::TaskError;

/// How likely a decoder finds a given text.
#[derive(Clone, Debug, PartialEq)]
pub struct TextScore {
    /// The log-probability of each token after the first, `[SEP]` included.
    pub token_log_probs: Vec<f32>,
    /// Their sum: the text's log-probability.
    pub log_probability: f32,
    /// The sum with label smoothing: for each token `(1 - ε) log p(token) + ε / vocab · Σ log p(any)`.
    pub smoothed: f32,
}

/// Floats of logits that are read at once, 64 MB.
const LOGITS_AT_ONCE: usize = 16 << 20;

/// How likely a decoder finds texts over one context.
///
/// # Shapes
///
/// - context: `[1, tokens, context_size]`
/// - texts: ids of each, first token (`[DEC]`) and end token included: at least two
/// - output: `[texts]`
///
/// # Errors
///
/// [`TaskError::Setting`] for a text of fewer than two ids or a smoothing outside 0 to 1, [`TaskError::NotFinite`] if the
/// decoder's logits are no distribution, and [`TaskError::Model`] if the decoder fails or the context is not one.
pub fn score_texts<D: TextDecoder + ?Sized>(
    decoder: &D,
    context: &HiddenStates,
    texts: &[Vec<u32>],
    label_smoothing: f32,
) -> Result<Vec<TextScore>, TaskError> {
    if !(0.0..=1.0).contains(&label_smoothing) {
        return Err(TaskError::setting("label_smoothing", "0 to 1", label_smoothing));
    }
    if context.shape()[0] != 1 {
        let expected = "[1, tokens, context_size]";
        return Err(ModelError::shape("context", expected, &context.shape()).into());
    }
    if let Some(short) = texts.iter().find(|text| text.len() < 2) {
        let expected = "texts of a first token and at least one more";
        return Err(TaskError::setting(
            "texts",
            expected,
            format!("{} ids", short.len()),
        ));
    }
    let longest = texts.iter().map(Vec::len).max().unwrap_or(0);
    let at_once = (LOGITS_AT_ONCE / (longest * decoder.vocab_size()).max(1)).max(1);
    let mut scores = Vec::with_capacity(texts.len());
    for texts in texts.chunks(at_once) {
        let mut state = decoder.start(context)?;
        state.fan_out(texts.len());
        // Nothing is asked after the last token. What fills the rows is never looked at: a decoder sees what came before.
        let inputs: Vec<&[u32]> = texts.iter().map(|text| &text[..text.len() - 1]).collect();
        let logits = step(decoder, &TokenBatch::from_rows(&inputs, texts[0][0]), &mut state)?;
        for (row, text) in texts.iter().enumerate() {
            scores.push(score(text, |position| logits.at(row, position), label_smoothing)?);
        }
    }
    Ok(scores)
}

/// The score of a text, given the logits after each of its tokens but the last.
fn score<'a>(
    text: &[u32],
    logits: impl Fn(usize) -> &'a [f32],
    label_smoothing: f32,
) -> Result<TextScore, TaskError> {
    let mut token_log_probs = Vec::with_capacity(text.len() - 1);
    let (mut sum, mut smoothed) = (0.0_f64, 0.0_f64);
    for (position, &target) in text[1..].iter().enumerate() {
        let logits = logits(position);
        let length = position + 1;
        let norm = LogSumExp::of(logits).ok_or(TaskError::NotFinite { group: 0, length })?;
        let logit = *logits.get(target as usize).ok_or(ModelError::Token {
            id: target,
            vocab_size: logits.len(),
        })?;
        let log_prob = norm.log_prob(logit);
        token_log_probs.push(log_prob);
        sum += f64::from(log_prob);
        smoothed += f64::from(log_prob) * f64::from(1.0 - label_smoothing);
        if label_smoothing > 0.0 {
            let all: f64 = logits.iter().map(|&logit| f64::from(norm.log_prob(logit))).sum();
            smoothed += f64::from(label_smoothing) * all / logits.len() as f64;
        }
    }
    Ok(TextScore {
        log_probability: sum as f32,
        token_log_probs,
        smoothed: smoothed as f32,
    })
}

/// The probability of each of some tokens as the first one after `first`.
pub(crate) fn first_token_probabilities<D: TextDecoder + ?Sized>(
    decoder: &D,
    context: &HiddenStates,
    first: u32,
    tokens: impl Iterator<Item = u32>,
) -> Result<Vec<f32>, TaskError> {
    let mut state = decoder.start(context)?;
    let logits = step(decoder, &TokenBatch::column(&[first]), &mut state)?;
    let logits = logits.last(0);
    let norm = LogSumExp::of(logits).ok_or(TaskError::NotFinite { group: 0, length: 1 })?;
    tokens
        .map(|id| match logits.get(id as usize) {
            Some(&logit) => Ok(norm.log_prob(logit).exp()),
            None => {
                let vocab_size = logits.len();
                Err(ModelError::Token { id, vocab_size }.into())
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use blip_testkit::{assert_close, hashed_logits};

    use super::*;

    #[test]
    fn smoothing_spreads_a_part_over_the_vocabulary() {
        let rows = [[0.0, 1.0, 2.0], [1.0, -1.0, 0.5]];
        let score = |smoothing| score(&[0, 2, 1], |position| &rows[position], smoothing).unwrap();
        let log_softmax = |row: &[f32; 3]| {
            let sum: f32 = row.iter().map(|x| x.exp()).sum();
            row.map(|x| x - sum.ln())
        };
        let [first, second] = [log_softmax(&rows[0]), log_softmax(&rows[1])];
        let plain = first[2] + second[1];
        let all: f32 = first.iter().chain(&second).sum();
        let exact = score(0.1);
        assert_close(
            "token_log_probs",
            &exact.token_log_probs,
            &[first[2], second[1]],
            1e-6,
        );
        assert_close("log_probability", &[exact.log_probability], &[plain], 1e-6);
        assert_close(
            "smoothed",
            &[exact.smoothed],
            &[0.9 * plain + 0.1 / 3.0 * all],
            1e-5,
        );
        let unsmoothed = score(0.0);
        assert_close("unsmoothed", &[unsmoothed.smoothed], &[plain], 1e-6);
    }

    #[test]
    fn what_is_no_distribution_or_no_token_is_an_error() {
        let row = [f32::NAN, 0.0];
        assert!(matches!(
            score(&[0, 1], |_| &row, 0.0),
            Err(TaskError::NotFinite { group: 0, length: 1 })
        ));
        let logits = hashed_logits(1, 0, &[1], 4);
        let error = score(&[0, 9], |_| &logits, 0.0).unwrap_err().to_string();
        assert_eq!(error, "token id 9 is outside the model's vocabulary of 4");
    }
}
