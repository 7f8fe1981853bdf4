//! A tokenizer of whole words.

use blip_traits::{ModelError, SpecialTokens, Tokenizer};

/// A [`Tokenizer`] over a list of words: lower-cased text, split at white space, one id a word.
///
/// The special tokens have the ids 0..7 and the words those from 7 on. A word that begins with `##` continues the one
/// before it when decoding, and the spaces before `.`, `,`, `!`, `?` and around `'` are taken out, as BERT's do.
#[derive(Clone, Debug)]
pub struct WordTokenizer {
    words: Vec<String>,
}

impl WordTokenizer {
    /// The special tokens of every `WordTokenizer`.
    pub const SPECIAL_TOKENS: SpecialTokens = SpecialTokens {
        pad: 0,
        dec: 1,
        sep: 2,
        cls: 3,
        enc: 4,
        unk: 5,
        mask: 6,
    };

    /// The id of the first word.
    pub const FIRST_WORD: u32 = 7;

    /// A tokenizer that knows these words.
    pub fn new(words: &[&str]) -> Self {
        Self {
            words: words.iter().map(|&word| word.to_owned()).collect(),
        }
    }

    /// The id of a word, `[UNK]` for one it does not know.
    pub fn id(&self, word: &str) -> u32 {
        self.words
            .iter()
            .position(|known| known == word)
            .map_or(Self::SPECIAL_TOKENS.unk, |index| Self::FIRST_WORD + index as u32)
    }
}

impl Tokenizer for WordTokenizer {
    fn encode(&self, text: &str, max_length: Option<usize>) -> Result<Vec<u32>, ModelError> {
        let words = text.split_whitespace().map(|word| self.id(&word.to_lowercase()));
        let limit = max_length.map_or(usize::MAX, |max_length| max_length.saturating_sub(2));
        let mut ids = vec![Self::SPECIAL_TOKENS.cls];
        ids.extend(words.take(limit));
        ids.push(Self::SPECIAL_TOKENS.sep);
        Ok(ids)
    }

    fn decode(&self, ids: &[u32]) -> Result<String, ModelError> {
        let mut text = String::new();
        for &id in ids.iter().filter(|&&id| id >= Self::FIRST_WORD) {
            let vocab_size = self.vocab_size();
            let word = self.words.get((id - Self::FIRST_WORD) as usize);
            let word = word.ok_or(ModelError::Token { id, vocab_size })?;
            match word.strip_prefix("##") {
                Some(piece) => text.push_str(piece),
                None if text.is_empty() => text.push_str(word),
                None => {
                    text.push(' ');
                    text.push_str(word);
                }
            }
        }
        for mark in [".", ",", "!", "?"] {
            text = text.replace(&format!(" {mark}"), mark);
        }
        Ok(text.replace(" ' ", "'"))
    }

    fn special_tokens(&self) -> SpecialTokens {
        Self::SPECIAL_TOKENS
    }

    fn vocab_size(&self) -> usize {
        Self::FIRST_WORD as usize + self.words.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_go_to_ids_and_back() {
        let tokenizer = WordTokenizer::new(&["a", "dog", "##s", ".", "'"]);
        let ids = tokenizer.encode("A dog ##s ' a cat .", None).unwrap();
        assert_eq!(ids, [3, 7, 8, 9, 11, 7, 5, 10, 2]);
        assert_eq!(tokenizer.decode(&ids).unwrap(), "a dogs'a.");
        assert_eq!(tokenizer.encode("a dog a dog", Some(4)).unwrap(), [3, 7, 8, 2]);
        assert!(tokenizer.decode(&[99]).is_err());
    }
}
