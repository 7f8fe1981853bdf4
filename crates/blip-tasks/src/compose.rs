//! Whether parts fit each other, and texts as rows of ids.

use std::cmp::Ordering;

use blip_traits::{Features, Head, HiddenStates, ModelError, TokenBatch, Tokenizer};

use crate::{FirstToken, TaskError};

/// Checks that a part gives what another takes.
pub(crate) fn check_width(
    name: &'static str,
    (left, left_value): (&'static str, usize),
    (right, right_value): (&'static str, usize),
) -> Result<(), TaskError> {
    if left_value == right_value {
        return Ok(());
    }
    Err(TaskError::Model(ModelError::Incompatible {
        name,
        left,
        left_value,
        right,
        right_value,
    }))
}

/// Checks that a decoder has every id that a tokenizer gives.
pub(crate) fn check_vocabulary(tokenizer: &impl Tokenizer, vocab_size: usize) -> Result<(), TaskError> {
    if tokenizer.vocab_size() > vocab_size {
        return Err(TaskError::Model(ModelError::Incompatible {
            name: "vocab_size",
            left: "the tokenizer",
            left_value: tokenizer.vocab_size(),
            right: "the text decoder",
            right_value: vocab_size,
        }));
    }
    let special_tokens = tokenizer.special_tokens().all();
    match special_tokens.iter().find(|&&id| id as usize >= vocab_size) {
        Some(&id) => Err(TaskError::Model(ModelError::Token { id, vocab_size })),
        None => Ok(()),
    }
}

/// A text's ids with a first token of choice in the place of the tokenizer's.
pub(crate) fn row(
    tokenizer: &impl Tokenizer,
    text: &str,
    max_length: Option<usize>,
    first: FirstToken,
) -> Result<Vec<u32>, TaskError> {
    let mut ids = tokenizer.encode(text, max_length)?;
    let first = first.id(&tokenizer.special_tokens());
    match ids.first_mut() {
        Some(cls) => *cls = first,
        None => ids.push(first),
    }
    Ok(ids)
}

/// [`row`] of every text.
pub(crate) fn rows<S: AsRef<str>>(
    tokenizer: &impl Tokenizer,
    texts: &[S],
    max_length: Option<usize>,
    first: FirstToken,
) -> Result<Vec<Vec<u32>>, TaskError> {
    texts
        .iter()
        .map(|text| row(tokenizer, text.as_ref(), max_length, first))
        .collect()
}

/// What a head makes of the first token of every sequence, `[batch, 1, output_size]`; the head may be one that is not
/// ours.
pub(crate) fn of_first_token(head: &impl Head, states: &HiddenStates) -> Result<Features, TaskError> {
    let [batch, ..] = states.shape();
    let features = head.apply(&states.first_token()?)?;
    let expected = [batch, 1, head.output_size()];
    if features.shape() != expected {
        return Err(ModelError::shape("features", format!("{expected:?}"), &features.shape()).into());
    }
    Ok(features)
}

/// Checks that an encoder, which may be one that is not ours, gives a sequence for each text.
pub(crate) fn check_batch(states: &HiddenStates, texts: usize) -> Result<(), TaskError> {
    let shape = states.shape();
    if shape[0] == texts {
        return Ok(());
    }
    let expected = format!("[{texts}, length, hidden_size]");
    Err(ModelError::shape("hidden_states", expected, &shape).into())
}

/// The greater score first, and last what is no number.
pub(crate) fn descending(a: f32, b: f32) -> Ordering {
    b.partial_cmp(&a).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// Rows of ids, padded to the longest.
pub(crate) fn batch(tokenizer: &impl Tokenizer, rows: &[Vec<u32>]) -> TokenBatch {
    TokenBatch::from_rows(rows, tokenizer.special_tokens().pad)
}

/// Texts that an encoder reads at once. More would not be faster, and would take memory.
pub(crate) const TEXTS_AT_ONCE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_comes_last() {
        let mut scores = [f32::NAN, 1.0, f32::NEG_INFINITY, 2.0, f32::NAN];
        scores.sort_by(|&a, &b| descending(a, b));
        assert_eq!(scores[..3], [2.0, 1.0, f32::NEG_INFINITY]);
        assert!(scores[3].is_nan() && scores[4].is_nan());
    }
}
