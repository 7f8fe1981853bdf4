//! What can go wrong in a task.

use blip_traits::ModelError;

/// Why a task could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// The caller's setting is out of its range.
    #[error("{name}: expected {expected}, got {got}")]
    Setting {
        /// The setting, as it is called in the configuration.
        name: &'static str,
        /// The values that are taken.
        expected: String,
        /// The value that came.
        got: String,
    },

    /// The caller's setting would do nothing in the search that was asked for.
    #[error("{name} has no effect without {needs}")]
    Unused {
        /// The setting, as it is called in the options.
        name: &'static str,
        /// The search that it belongs to.
        needs: &'static str,
    },

    /// The prompt leaves no room for a generated token.
    #[error("prompt: its {length} tokens count towards max_length, expected fewer than {max_length}")]
    PromptTooLong {
        /// Tokens of the prompt, the first token included.
        length: usize,
        /// The limit, which counts the prompt.
        max_length: usize,
    },

    /// A bad word that the tokenizer gives no token for.
    #[error("bad_words: expected words with at least one token, got {word:?}")]
    BadWord {
        /// The word.
        word: String,
    },

    /// Streaming was asked for, but a beam's tokens are not final before the search ends.
    #[error("streaming needs greedy search or sampling, got beam search with num_beams {num_beams}")]
    StreamingBeams {
        /// The number of beams.
        num_beams: usize,
    },

    /// The constraints (bad words, n-grams, minimum length) leave no token to go on with.
    #[error("group {group}: the constraints on the text rule out every token after {length} tokens")]
    NoContinuation {
        /// The row of the context.
        group: usize,
        /// Tokens written so far, the prompt included.
        length: usize,
    },

    /// The decoder's logits are no distribution: one is NaN or +∞, or all are −∞.
    #[error("group {group}: the decoder's logits are not finite after {length} tokens")]
    NotFinite {
        /// The row of the context.
        group: usize,
        /// Tokens written so far, the prompt included.
        length: usize,
    },

    /// A part that the request needs is not there.
    #[error("this needs {part}, which the model does not have")]
    MissingPart {
        /// The part.
        part: &'static str,
    },

    /// A network or the tokenizer failed, or its input does not fit it.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl TaskError {
    /// A [`TaskError::Setting`] from the value that came.
    pub(crate) fn setting(name: &'static str, expected: impl Into<String>, got: impl ToString) -> Self {
        Self::Setting {
            name,
            expected: expected.into(),
            got: got.to_string(),
        }
    }
}
