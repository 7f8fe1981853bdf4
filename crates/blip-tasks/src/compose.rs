//! Whether parts fit each other, and texts as rows of ids.

use blip_traits::{ModelError, TokenBatch, Tokenizer};

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

/// Rows of ids, padded to the longest.
pub(crate) fn batch(tokenizer: &impl Tokenizer, rows: &[Vec<u32>]) -> TokenBatch {
    TokenBatch::from_rows(rows, tokenizer.special_tokens().pad)
}

/// Texts that an encoder reads at once. More would not be faster, and would take memory.
pub(crate) const TEXTS_AT_ONCE: usize = 64;
