//! A vocabulary file to tokens and ids.
//!
//! ```text
//! vocab.txt       one token a line, its id is the line ─┐
//!                                                       ├─▶ Vocabulary: token ↔ id, [DEC] and [ENC] included
//! tokenizer.json  model.vocab and added_tokens         ─┘
//! ```
//!
//! BLIP's two additions have the next free ids unless the file names them, as
//! salesforce/BLIP@056a169 `models/blip.py` `init_tokenizer` gives them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use blip_traits::SpecialTokens;
use serde_json::Value;
use tokenizers::AddedToken;
use tokenizers::normalizers::BertNormalizer;

use crate::ProcessorError;

/// The file's name in errors.
const FILE: &str = "tokenizer.json";

/// The first id that is refused. The largest BERT vocabulary has about 500,000 tokens.
const ID_LIMIT: u32 = 1 << 20;

/// The tokens that BERT itself needs.
const BERT_TOKENS: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// The tokens that BLIP adds.
pub(crate) const BLIP_TOKENS: [&str; 2] = ["[DEC]", "[ENC]"];

/// What a vocabulary file says.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    /// Every token's id, BLIP's two included.
    pub(crate) ids: HashMap<String, u32>,
    /// Every id's token; a file may leave ids out.
    pub(crate) tokens: Vec<Option<String>>,
    /// The tokens with a job.
    pub(crate) special: SpecialTokens,
    /// The tokens that the file wants found in a text before anything else is done to it.
    pub(crate) added: Vec<AddedToken>,
    /// What is done to a text first.
    pub(crate) normalizer: BertNormalizer,
    /// The longest word that is cut into pieces, in characters.
    pub(crate) max_word_length: usize,
}

impl Vocabulary {
    /// From `vocab.txt`. The text is lower-cased and loses its accents: BLIP's BERT is uncased.
    pub(crate) fn from_text(bytes: &[u8]) -> Result<Self, ProcessorError> {
        let text = std::str::from_utf8(bytes).map_err(|error| ProcessorError::VocabularyEncoding {
            valid_up_to: error.valid_up_to(),
        })?;
        let mut ids = HashMap::with_capacity(text.lines().count() + BLIP_TOKENS.len());
        for (line, token) in text.lines().enumerate() {
            if token.is_empty() {
                return Err(ProcessorError::EmptyToken { line: line + 1 });
            }
            insert(&mut ids, token.to_owned(), line as u64)?;
        }
        let added = BERT_TOKENS.map(|token| AddedToken::from(token, true)).to_vec();
        Self::new(ids, added, BertNormalizer::default(), MAX_WORD_LENGTH)
    }

    /// From `tokenizer.json`: a WordPiece model behind BERT's normalizer and pre-tokenizer.
    pub(crate) fn from_json(bytes: &[u8]) -> Result<Self, ProcessorError> {
        let json: Value = serde_json::from_slice(bytes).map_err(|error| ProcessorError::Json {
            file: FILE,
            source: error.into(),
        })?;
        for (path, expected) in [
            ("/model/type", "WordPiece"),
            ("/model/unk_token", "[UNK]"),
            ("/model/continuing_subword_prefix", "##"),
            ("/normalizer/type", "BertNormalizer"),
            ("/pre_tokenizer/type", "BertPreTokenizer"),
        ] {
            let got = json.pointer(path);
            if got.and_then(Value::as_str) != Some(expected) {
                return Err(key_error(path, expected, got));
            }
        }

        let vocab = json.pointer("/model/vocab");
        let Some(entries) = vocab.and_then(Value::as_object) else {
            return Err(key_error("/model/vocab", "an object of tokens and ids", vocab));
        };
        let mut ids = HashMap::with_capacity(entries.len() + BLIP_TOKENS.len());
        for (token, id) in entries {
            let Some(id) = id.as_u64() else {
                return Err(key_error(&format!("/model/vocab/{token}"), "an id", Some(id)));
            };
            insert(&mut ids, token.clone(), id)?;
        }

        let mut added = BERT_TOKENS.map(|token| AddedToken::from(token, true)).to_vec();
        let list = json.pointer("/added_tokens").and_then(Value::as_array);
        for (index, entry) in list.into_iter().flatten().enumerate() {
            let path = format!("/added_tokens/{index}");
            let token = serde_json::from_value::<AddedToken>(entry.clone());
            let (Ok(token), Some(id)) = (token, entry.get("id").and_then(Value::as_u64)) else {
                return Err(key_error(&path, "an added token with its id", Some(entry)));
            };
            if ids.get(&token.content).copied().map(u64::from) != Some(id) {
                insert(&mut ids, token.content.clone(), id)?;
            }
            added.retain(|other| other.content != token.content);
            added.push(token);
        }

        let normalizer = json.get("normalizer").cloned().unwrap_or_default();
        let normalizer = serde_json::from_value(normalizer.clone()).map_err(|_| {
            key_error(
                "/normalizer",
                "the four switches of BertNormalizer",
                Some(&normalizer),
            )
        })?;
        let path = "/model/max_input_chars_per_word";
        let max_word_length = match json.pointer(path) {
            None => MAX_WORD_LENGTH,
            Some(value) => value
                .as_u64()
                // A word's cost is the square of its length.
                .filter(|length| *length <= 1 << 10)
                .ok_or_else(|| key_error(path, "at most 1024", Some(value)))?
                as usize,
        };
        Self::new(ids, added, normalizer, max_word_length)
    }

    fn new(
        mut ids: HashMap<String, u32>,
        added: Vec<AddedToken>,
        normalizer: BertNormalizer,
        max_word_length: usize,
    ) -> Result<Self, ProcessorError> {
        let given = ids.len();
        let mut next = ids.values().max().map_or(0, |id| u64::from(*id) + 1);
        for token in BLIP_TOKENS {
            if !ids.contains_key(token) {
                insert(&mut ids, token.to_owned(), next)?;
                next += 1;
            }
        }
        let id = |token| {
            ids.get(token)
                .copied()
                .ok_or(ProcessorError::MissingToken { token, tokens: given })
        };
        let special = SpecialTokens {
            pad: id("[PAD]")?,
            unk: id("[UNK]")?,
            cls: id("[CLS]")?,
            sep: id("[SEP]")?,
            mask: id("[MASK]")?,
            dec: id("[DEC]")?,
            enc: id("[ENC]")?,
        };
        let mut tokens: Vec<Option<String>> = vec![None; next as usize];
        for (token, &id) in &ids {
            if let Some(first) = tokens[id as usize].replace(token.clone()) {
                return Err(ProcessorError::DuplicateId {
                    id,
                    first,
                    second: token.clone(),
                });
            }
        }
        Ok(Self {
            ids,
            tokens,
            special,
            added,
            normalizer,
            max_word_length,
        })
    }
}

/// BERT's longest word, in characters; a longer one is `[UNK]`.
const MAX_WORD_LENGTH: usize = 100;

fn insert(ids: &mut HashMap<String, u32>, token: String, id: u64) -> Result<(), ProcessorError> {
    let small = u32::try_from(id).ok().filter(|id| *id < ID_LIMIT);
    let small = small.ok_or(ProcessorError::VocabularySize { id, limit: ID_LIMIT })?;
    match ids.entry(token) {
        Entry::Vacant(entry) => {
            entry.insert(small);
            Ok(())
        }
        Entry::Occupied(entry) => Err(ProcessorError::DuplicateToken {
            token: entry.key().clone(),
            first: *entry.get(),
            second: small,
        }),
    }
}

fn key_error(path: &str, expected: &'static str, got: Option<&Value>) -> ProcessorError {
    let mut got = got.map_or("nothing".into(), Value::to_string);
    if let Some((end, _)) = got.char_indices().nth(100) {
        got.truncate(end);
        got.push('…');
    }
    ProcessorError::Key {
        file: FILE,
        key: path.trim_start_matches('/').replace('/', "."),
        expected,
        got,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SMALL: &str = "dog\n[SEP]\n[CLS]\n##s\n[PAD]\n[UNK]\n[MASK]\n";

    fn small_json() -> Value {
        json!({
            "truncation": null, "padding": null,
            "added_tokens": [
                {"id": 5, "content": "[DEC]", "single_word": false, "lstrip": false, "rstrip": false,
                 "normalized": false, "special": true},
            ],
            "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                           "strip_accents": null, "lowercase": true},
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                      "max_input_chars_per_word": 100,
                      "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "dog": 8}},
        })
    }

    fn from_json(json: &Value) -> Result<Vocabulary, ProcessorError> {
        Vocabulary::from_json(json.to_string().as_bytes())
    }

    #[test]
    fn special_ids_are_looked_up_and_additions_follow_the_vocabulary() {
        let expected = SpecialTokens {
            pad: 4,
            unk: 5,
            cls: 2,
            sep: 1,
            mask: 6,
            dec: 7,
            enc: 8,
        };
        for text in [SMALL.to_owned(), SMALL.replace('\n', "\r\n")] {
            assert_eq!(Vocabulary::from_text(text.as_bytes()).unwrap().special, expected);
        }
        // A file that knows one of the two.
        let one = Vocabulary::from_text(format!("[ENC]\n{SMALL}").as_bytes())
            .unwrap()
            .special;
        assert_eq!((one.enc, one.dec), (0, 8));
    }

    #[test]
    fn ids_of_a_tokenizer_json_may_have_holes_and_never_collide() {
        let vocabulary = from_json(&small_json()).unwrap();
        assert_eq!((vocabulary.special.dec, vocabulary.special.enc), (5, 9));
        assert_eq!(vocabulary.tokens.len(), 10);
        assert_eq!(vocabulary.tokens[8].as_deref(), Some("dog"));
        assert_eq!(vocabulary.tokens[6], None);
    }

    #[test]
    fn broken_vocabularies_are_named() {
        let error = |text: &[u8]| Vocabulary::from_text(text).unwrap_err();
        assert!(matches!(
            error(b"[PAD]\n\xff"),
            ProcessorError::VocabularyEncoding { valid_up_to: 6 }
        ));
        assert!(matches!(
            error(b""),
            ProcessorError::MissingToken { tokens: 0, .. }
        ));
        assert!(matches!(error(b"a\n\nb"), ProcessorError::EmptyToken { line: 2 }));
        assert!(matches!(
            error(SMALL.replace("[CLS]", "x").as_bytes()),
            ProcessorError::MissingToken { token: "[CLS]", .. }
        ));
        assert!(matches!(
            error(format!("{SMALL}dog").as_bytes()),
            ProcessorError::DuplicateToken {
                first: 0,
                second: 7,
                ..
            }
        ));
        let huge: String = (0..=ID_LIMIT).map(|id| format!("{id}\n")).collect();
        assert!(matches!(
            error(huge.as_bytes()),
            ProcessorError::VocabularySize { .. }
        ));
    }

    #[test]
    fn broken_tokenizer_files_are_named() {
        assert!(matches!(
            Vocabulary::from_json(b"not json").unwrap_err(),
            ProcessorError::Json { .. }
        ));
        for (path, value, key) in [
            ("/model/type", json!("BPE"), "model.type"),
            ("/model/unk_token", json!("<unk>"), "model.unk_token"),
            ("/model/vocab", json!([]), "model.vocab"),
            ("/model/vocab/dog", json!("8"), "model.vocab.dog"),
            (
                "/model/max_input_chars_per_word",
                json!(1_u64 << 40),
                "model.max_input_chars_per_word",
            ),
            ("/normalizer", json!(null), "normalizer.type"),
            ("/normalizer/lowercase", json!(3), "normalizer"),
            ("/pre_tokenizer/type", json!("ByteLevel"), "pre_tokenizer.type"),
            ("/added_tokens/0/content", json!(null), "added_tokens.0"),
        ] {
            let mut json = small_json();
            *json.pointer_mut(path).unwrap() = value;
            let error = from_json(&json).unwrap_err();
            assert!(
                matches!(&error, ProcessorError::Key { key: named, .. } if named == key),
                "{path}: {error}"
            );
        }
        let mut json = small_json();
        json["model"]["vocab"]["dog"] = json!(4);
        assert!(matches!(
            from_json(&json).unwrap_err(),
            ProcessorError::DuplicateId { id: 4, .. }
        ));
        json["model"]["vocab"]["dog"] = json!(u64::MAX);
        assert!(matches!(
            from_json(&json).unwrap_err(),
            ProcessorError::VocabularySize { id: u64::MAX, .. }
        ));
    }
}
