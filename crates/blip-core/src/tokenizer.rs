//! A tokenizer with the ids that a config states.

use blip_traits::{ModelError, SpecialTokens, Tokenizer};

use crate::BlipConfig;

/// A tokenizer whose first and last tokens are those of config.json.
///
/// Hugging Face's vocabulary files have no `[DEC]`: there config.json alone says which id begins a text.
pub(crate) struct WithIds<T> {
    tokenizer: T,
    special_tokens: SpecialTokens,
}

impl<T: Tokenizer> WithIds<T> {
    pub(crate) fn new(tokenizer: T, config: &BlipConfig) -> Self {
        let special_tokens = SpecialTokens {
            dec: config.bos_token_id,
            sep: config.sep_token_id,
            pad: config.pad_token_id,
            ..tokenizer.special_tokens()
        };
        Self {
            tokenizer,
            special_tokens,
        }
    }
}

impl<T: Tokenizer> Tokenizer for WithIds<T> {
    fn encode(&self, text: &str, max_length: Option<usize>) -> Result<Vec<u32>, ModelError> {
        self.tokenizer.encode(text, max_length)
    }

    fn decode(&self, ids: &[u32]) -> Result<String, ModelError> {
        self.tokenizer.decode(ids)
    }

    fn special_tokens(&self) -> SpecialTokens {
        self.special_tokens
    }

    fn vocab_size(&self) -> usize {
        self.tokenizer.vocab_size()
    }
}
