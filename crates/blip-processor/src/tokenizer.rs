//! BERT's WordPiece, as BLIP uses it.
//!
//! ```text
//! text ─ special tokens? ─ lower case, no accents ─ words and punctuation ─ pieces ─ [CLS] … [SEP] ─▶ ids
//! ids  ─ without special tokens ─ pieces joined ─ spaces before punctuation cleaned up ─▶ text
//! ```
//!
//! Source: salesforce/BLIP@056a169 `models/blip.py` `init_tokenizer` with transformers 4.15 `BertTokenizer`;
//! transformers 5.23 `models/bert/tokenization_bert.py` and `tokenization_utils_base.py` `clean_up_tokenization`.

use std::path::Path;

use ahash::AHashMap;
use blip_traits::{ModelError, SpecialTokens, Tokenizer};
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{AddedToken, DecoderWrapper, PostProcessorWrapper, TokenizerImpl};

use crate::ProcessorError;
use crate::processor::read_file;
use crate::vocabulary::{BLIP_TOKENS, Vocabulary};

/// The largest vocabulary file that is read, in bytes. That of `bert-base-uncased` has 232 kB as text, 712 kB as JSON.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// The file's name in errors.
const FILE: &str = "vocabulary";

/// The vocabulary of `bert-base-uncased`, one token a line: a `vocab.txt`. Apache-2.0, from Google's BERT.
#[cfg(feature = "vocab")]
pub const BERT_BASE_UNCASED: &str = include_str!("../vocab/bert-base-uncased.txt");

/// What becomes of a text that spells a special token, such as `"[SEP]"` or `"[DEC]"`.
///
/// The references agree on every other text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpecialTokenPolicy {
    /// It stays text, `[`, `sep`, `]`: nothing that a user writes becomes a special token. As transformers does with
    /// `split_special_tokens=True`.
    Literal,

    /// BERT's own five, and whatever else the tokenizer file lists, become the special token; `[DEC]` and `[ENC]`,
    /// which Hugging Face's files do not have, stay text.
    #[default]
    HuggingFace,

    /// All seven become the special token: salesforce/BLIP@056a169 `models/blip.py` adds `[DEC]` and `[ENC]` to them.
    Salesforce,
}

/// Turns text into BLIP's token ids and back.
///
/// Ids are looked up by the token, not assumed: a small vocabulary of one's own works too. `[DEC]` and `[ENC]` have the
/// ids that the file gives them, or else the next two after the vocabulary.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "vocab")] {
/// use blip_processor::BertTokenizer;
/// use blip_traits::Tokenizer;
///
/// let tokenizer = BertTokenizer::new();
/// let ids = tokenizer.encode("A man's café.", Some(35))?;
/// assert_eq!(ids, [101, 1037, 2158, 1005, 1055, 7668, 1012, 102]);
/// assert_eq!(tokenizer.decode(&ids)?, "a man's cafe.");
/// # }
/// # Ok::<(), blip_traits::ModelError>(())
/// ```
#[derive(Clone, Debug)]
#[doc(alias = "BertTokenizerFast")]
pub struct BertTokenizer {
    pipeline: Pipeline,
    /// The id's token, or `None` for special tokens and for ids that the file leaves out.
    words: Vec<Option<String>>,
    /// What the file wants found in a text before anything else.
    added: Vec<AddedToken>,
    special: SpecialTokens,
    policy: SpecialTokenPolicy,
}

/// Text to ids. Special tokens around them and the way back are ours.
type Pipeline =
    TokenizerImpl<WordPiece, BertNormalizer, BertPreTokenizer, PostProcessorWrapper, DecoderWrapper>;

impl BertTokenizer {
    /// The tokenizer of every published BLIP checkpoint, with the vocabulary of `bert-base-uncased` that is built in.
    #[cfg(feature = "vocab")]
    pub fn new() -> Self {
        let vocab = BERT_BASE_UNCASED;
        Self::from_vocab_txt(vocab).expect("the built-in vocabulary is whole")
    }

    /// A tokenizer from the content of a `vocab.txt`: one token a line, its id is the line's number from 0.
    ///
    /// # Errors
    ///
    /// A [`ProcessorError`] that names what is wrong with the vocabulary: not UTF-8, an empty line, a token given twice,
    /// one of `[PAD]`, `[UNK]`, `[CLS]`, `[SEP]`, `[MASK]` missing, or too many tokens.
    pub fn from_vocab_txt(content: impl AsRef<[u8]>) -> Result<Self, ProcessorError> {
        Self::from_vocabulary(Vocabulary::from_text(limited(content.as_ref())?)?)
    }

    /// A tokenizer from the content of a Hugging Face `tokenizer.json`.
    ///
    /// Its normalizer's switches, its vocabulary and its added tokens count. Truncation, padding and what stands around
    /// a text are BLIP's, whatever the file says.
    ///
    /// # Errors
    ///
    /// [`ProcessorError::Json`] for what is no JSON, [`ProcessorError::Key`] for another model than BERT's WordPiece, and
    /// what [`from_vocab_txt`](Self::from_vocab_txt) says of vocabularies.
    pub fn from_tokenizer_json(content: impl AsRef<[u8]>) -> Result<Self, ProcessorError> {
        Self::from_vocabulary(Vocabulary::from_json(limited(content.as_ref())?)?)
    }

    /// A tokenizer from a file: a `tokenizer.json` if its name ends in `.json`, or else a `vocab.txt`.
    ///
    /// # Errors
    ///
    /// [`ProcessorError::Io`] if the file cannot be read, and what the two functions for contents say.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ProcessorError> {
        let path = path.as_ref();
        let content = read_file(path, FILE, MAX_FILE_BYTES)?;
        if path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
        {
            Self::from_tokenizer_json(content)
        } else {
            Self::from_vocab_txt(content)
        }
    }

    /// The same tokenizer with another policy for texts that spell special tokens.
    ///
    /// # Errors
    ///
    /// [`ProcessorError::Tokenize`] if the file's added tokens cannot be searched for together.
    pub fn with_special_token_policy(mut self, policy: SpecialTokenPolicy) -> Result<Self, ProcessorError> {
        self.policy = policy;
        self.pipeline = pipeline(
            self.pipeline.get_model().clone(),
            self.pipeline.get_normalizer().copied(),
            &self.added,
            policy,
        )?;
        Ok(self)
    }

    /// What becomes of a text that spells a special token.
    pub fn special_token_policy(&self) -> SpecialTokenPolicy {
        self.policy
    }

    fn from_vocabulary(vocabulary: Vocabulary) -> Result<Self, ProcessorError> {
        let Vocabulary {
            ids,
            tokens: mut words,
            special,
            added,
            normalizer,
            max_word_length,
        } = vocabulary;
        let silent = added.iter().filter(|token| token.special);
        for id in silent
            .filter_map(|token| ids.get(&token.content))
            .copied()
            .chain(special.all())
        {
            words[id as usize] = None;
        }
        let model = WordPiece::builder()
            .vocab(ids.into_iter().collect::<AHashMap<_, _>>())
            .max_input_chars_per_word(max_word_length)
            .build()
            .map_err(tokenize_error)?;
        let policy = SpecialTokenPolicy::default();
        Ok(Self {
            pipeline: pipeline(model, Some(normalizer), &added, policy)?,
            words,
            added,
            special,
            policy,
        })
    }

    fn ids(&self, text: &str, max_length: Option<usize>) -> Result<Vec<u32>, ProcessorError> {
        let room = match max_length {
            Some(max_length) => max_length
                .checked_sub(2)
                .ok_or(ProcessorError::MaxLength { max_length })?,
            None => usize::MAX,
        };
        let encoding = self.pipeline.encode_fast(text, false).map_err(tokenize_error)?;
        let mut ids = Vec::with_capacity(encoding.len().min(room) + 2);
        ids.push(self.special.cls);
        ids.extend(encoding.get_ids().iter().take(room));
        ids.push(self.special.sep);
        Ok(ids)
    }
}

#[cfg(feature = "vocab")]
impl Default for BertTokenizer {
    fn default() -> Self {
        Self::new()
    }
}

impl Tokenizer for BertTokenizer {
    fn encode(&self, text: &str, max_length: Option<usize>) -> Result<Vec<u32>, ModelError> {
        self.ids(text, max_length).map_err(ModelError::foreign)
    }

    /// Ids beyond the vocabulary are dropped, as Hugging Face does.
    fn decode(&self, ids: &[u32]) -> Result<String, ModelError> {
        let mut text = String::new();
        let words = ids
            .iter()
            .filter_map(|id| self.words.get(*id as usize)?.as_deref());
        for (index, word) in words.enumerate() {
            match word.strip_prefix("##") {
                Some(piece) if index > 0 => text.push_str(piece),
                _ => {
                    if index > 0 {
                        text.push(' ');
                    }
                    text.push_str(word);
                }
            }
        }
        Ok(clean_up(text))
    }

    fn special_tokens(&self) -> SpecialTokens {
        self.special
    }

    fn vocab_size(&self) -> usize {
        self.words.len()
    }
}

/// Takes out the spaces that WordPiece put before punctuation and in contractions; the order of the rules matters.
fn clean_up(text: String) -> String {
    const RULES: [(&str, &str); 10] = [
        (" .", "."),
        (" ?", "?"),
        (" !", "!"),
        (" ,", ","),
        (" ' ", "'"),
        (" n't", "n't"),
        (" 'm", "'m"),
        (" 's", "'s"),
        (" 've", "'ve"),
        (" 're", "'re"),
    ];
    RULES.iter().fold(text, |text, (from, to)| text.replace(from, to))
}

fn pipeline(
    model: WordPiece,
    normalizer: Option<BertNormalizer>,
    added: &[AddedToken],
    policy: SpecialTokenPolicy,
) -> Result<Pipeline, ProcessorError> {
    let mut pipeline = Pipeline::new(model);
    pipeline.with_normalizer(normalizer).map_err(tokenize_error)?;
    pipeline.with_pre_tokenizer(Some(BertPreTokenizer));
    let mut tokens = added.to_vec();
    match policy {
        SpecialTokenPolicy::Literal => tokens.retain(|token| !token.special),
        SpecialTokenPolicy::HuggingFace => {}
        SpecialTokenPolicy::Salesforce => {
            tokens.retain(|token| !BLIP_TOKENS.contains(&token.content.as_str()));
            tokens.extend(BLIP_TOKENS.map(|token| AddedToken::from(token, true)));
        }
    }
    pipeline.add_tokens(tokens).map_err(tokenize_error)?;
    Ok(pipeline)
}

fn tokenize_error(source: tokenizers::Error) -> ProcessorError {
    ProcessorError::Tokenize { source }
}

fn limited(content: &[u8]) -> Result<&[u8], ProcessorError> {
    if content.len() as u64 > MAX_FILE_BYTES {
        return Err(ProcessorError::FileTooLarge {
            name: FILE,
            limit: MAX_FILE_BYTES,
        });
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two dozen tokens, special ones last.
    const SMALL: &str = "a\n##s\ndog\ncat\n.\n'\ns\n[\n]\ndec\nsep\n[SEP]\n[CLS]\n[UNK]\n[PAD]\n[MASK]";

    fn small() -> BertTokenizer {
        BertTokenizer::from_vocab_txt(SMALL).unwrap()
    }

    #[test]
    fn a_small_vocabulary_of_ones_own_works() {
        let tokenizer = small();
        assert_eq!(tokenizer.vocab_size(), 18);
        assert_eq!(tokenizer.special_tokens().dec, 16);
        let ids = tokenizer.encode("A dog's dogs, Cat.", None).unwrap();
        assert_eq!(ids, [12, 0, 2, 5, 6, 2, 1, 13, 3, 4, 11]);
        assert_eq!(tokenizer.decode(&ids).unwrap(), "a dog's dogs cat.");
    }

    #[test]
    fn truncation_keeps_the_last_token_and_needs_room() {
        let tokenizer = small();
        assert_eq!(tokenizer.encode("a dog a cat", Some(4)).unwrap(), [12, 0, 2, 11]);
        assert_eq!(tokenizer.encode("a dog", Some(2)).unwrap(), [12, 11]);
        let error = tokenizer.encode("a", Some(1)).unwrap_err().to_string();
        assert!(error.contains("max_length is 1"), "{error}");
    }

    #[test]
    fn texts_that_spell_special_tokens_follow_the_policy() {
        let encode = |policy| {
            let tokenizer = small().with_special_token_policy(policy).unwrap();
            assert_eq!(tokenizer.special_token_policy(), policy);
            tokenizer.encode("a[DEC] [SEP]", None).unwrap()
        };
        assert_eq!(
            encode(SpecialTokenPolicy::Literal),
            [12, 0, 7, 9, 8, 7, 10, 8, 11]
        );
        assert_eq!(encode(SpecialTokenPolicy::HuggingFace), [12, 0, 7, 9, 8, 11, 11]);
        assert_eq!(encode(SpecialTokenPolicy::Salesforce), [12, 0, 16, 11, 11]);
        // Back and forth.
        let tokenizer = small()
            .with_special_token_policy(SpecialTokenPolicy::Salesforce)
            .unwrap();
        let tokenizer = tokenizer
            .with_special_token_policy(SpecialTokenPolicy::Literal)
            .unwrap();
        assert_eq!(tokenizer.encode("[DEC]", None).unwrap(), [12, 7, 9, 8, 11]);
    }

    #[test]
    fn decoding_drops_special_tokens_and_unknown_ids() {
        let tokenizer = small();
        assert_eq!(
            tokenizer
                .decode(&[16, 17, 12, 1, 1, 13, 4, 99, u32::MAX, 11, 14])
                .unwrap(),
            "##ss."
        );
        assert_eq!(tokenizer.decode(&[]).unwrap(), "");
    }

    #[test]
    fn files_are_told_apart_by_their_names() {
        let error = BertTokenizer::from_file("no/vocab.txt").unwrap_err().to_string();
        assert!(error.contains("no/vocab.txt"), "{error}");
        let own = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        assert!(BertTokenizer::from_file(own).is_err());
    }
}
