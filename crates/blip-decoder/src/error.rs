//! What cannot be built.

/// A configuration that describes no decoder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecoderError {
    /// A size that has to be at least 1.
    #[error("text config: {name} is 0")]
    Zero {
        /// The config's field.
        name: &'static str,
    },

    /// The width cannot be split into heads.
    #[error("text config: hidden_size {hidden_size} is not a multiple of num_attention_heads {heads}")]
    Heads {
        /// `hidden_size`.
        hidden_size: usize,
        /// `num_attention_heads`.
        heads: usize,
    },
}
