//! Text to ids and back.

use std::sync::Arc;

use crate::{ModelError, SpecialTokens};

/// Turns text into token ids and back.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot turn text into BLIP's token ids",
    note = "use `blip_processor::BertTokenizer`, or implement `blip_traits::Tokenizer` for your own"
)]
pub trait Tokenizer: Send + Sync {
    /// The ids of a text, `[CLS]` first and `[SEP]` last; at most `max_length` of them, `[SEP]` kept last.
    ///
    /// # Errors
    ///
    /// [`ModelError::Foreign`] if the text cannot be tokenized.
    fn encode(&self, text: &str, max_length: Option<usize>) -> Result<Vec<u32>, ModelError>;

    /// The text of some ids: special tokens dropped, word pieces joined, spaces before punctuation cleaned up as both
    /// references do.
    ///
    /// # Errors
    ///
    /// [`ModelError::Foreign`] if the ids cannot be decoded.
    fn decode(&self, ids: &[u32]) -> Result<String, ModelError>;

    /// The ids of the special tokens.
    fn special_tokens(&self) -> SpecialTokens;

    /// The number of ids that [`encode`](Self::encode) can give, BLIP's two additions included.
    fn vocab_size(&self) -> usize;
}

macro_rules! forward_tokenizer {
    ($($pointer:ty),+) => {$(
        impl<T: Tokenizer + ?Sized> Tokenizer for $pointer {
            fn encode(&self, text: &str, max_length: Option<usize>) -> Result<Vec<u32>, ModelError> {
                (**self).encode(text, max_length)
            }
            fn decode(&self, ids: &[u32]) -> Result<String, ModelError> {
                (**self).decode(ids)
            }
            fn special_tokens(&self) -> SpecialTokens {
                (**self).special_tokens()
            }
            fn vocab_size(&self) -> usize {
                (**self).vocab_size()
            }
        }
    )+};
}

forward_tokenizer!(&T, Box<T>, Arc<T>);
