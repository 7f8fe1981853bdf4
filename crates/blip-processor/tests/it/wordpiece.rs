//! The tokenizer against transformers.

use blip_processor::{BertTokenizer, SpecialTokenPolicy};
use blip_traits::{SpecialTokens, Tokenizer};
use serde_json::{Value, json};

use crate::golden::{self, fnv1a, list, number, text};

fn ids(value: &Value) -> Vec<u32> {
    let ids = value.as_array().unwrap().iter();
    ids.map(|id| id.as_u64().unwrap() as u32).collect()
}

#[test]
fn ids_are_those_of_the_references() {
    let cases = golden::read("tokenizer.json");
    for (policy, key) in [
        (SpecialTokenPolicy::HuggingFace, "hugging_face"),
        (SpecialTokenPolicy::Salesforce, "salesforce"),
        (SpecialTokenPolicy::Literal, "literal"),
    ] {
        let tokenizer = BertTokenizer::new().with_special_token_policy(policy).unwrap();
        for case in list(&cases, "encoded") {
            // Where a reference says nothing of its own, it agrees with Hugging Face.
            let expected = case.get(key).unwrap_or(&case["hugging_face"]);
            assert_eq!(
                tokenizer.encode(text(case, "text"), None).unwrap(),
                ids(expected),
                "{policy:?} {case}"
            );
        }
    }
}

#[test]
fn truncation_is_that_of_the_references() {
    let cases = golden::read("tokenizer.json");
    let long = text(&cases, "long").repeat(number(&cases["repeats"]));
    let tokenizer = BertTokenizer::new();
    for case in list(&cases, "truncated") {
        let max_length = case["max_length"].as_u64().map(|length| length as usize);
        let got = tokenizer.encode(&long, max_length).unwrap();
        assert_eq!(got.len(), number(&case["length"]), "{case}");
        assert!(got.starts_with(&ids(&case["first"])), "{case}");
        assert!(got.ends_with(&ids(&case["last"])), "{case}");
        assert_eq!(
            fnv1a(got.iter().flat_map(|id| id.to_le_bytes())),
            text(case, "hash"),
            "{case}"
        );
    }
}

#[test]
fn decoded_texts_are_those_of_the_references() {
    let cases = golden::read("tokenizer.json");
    let tokenizer = BertTokenizer::new();
    for case in list(&cases, "decoded") {
        assert_eq!(
            tokenizer.decode(&ids(&case["ids"])).unwrap(),
            text(case, "text"),
            "{case}"
        );
    }
    for case in list(&cases, "encoded") {
        let got = tokenizer.decode(&ids(&case["hugging_face"])).unwrap();
        assert_eq!(got, text(case, "decoded"), "{case}");
    }
}

#[test]
fn the_built_in_vocabulary_has_the_published_ids() {
    let tokenizer = BertTokenizer::new();
    assert_eq!(tokenizer.special_tokens(), SpecialTokens::BERT_BASE_UNCASED);
    assert_eq!(tokenizer.vocab_size(), 30_524);
}

#[test]
fn both_kinds_of_file_give_the_same_tokenizer() {
    let vocab = include_str!("../../vocab/bert-base-uncased.txt");
    let ids: serde_json::Map<_, _> = vocab
        .lines()
        .enumerate()
        .map(|(id, token)| (token.to_owned(), id.into()))
        .collect();
    let file = json!({
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0},
        "padding": null,
        "added_tokens": [{"id": 102, "content": "[SEP]", "single_word": false, "lstrip": false, "rstrip": false,
                          "normalized": false, "special": true}],
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                       "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": null, "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": ids},
    });
    let from_json = BertTokenizer::from_tokenizer_json(file.to_string()).unwrap();
    let from_text = BertTokenizer::from_file(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/vocab/bert-base-uncased.txt"
    ))
    .unwrap();
    assert_eq!(from_json.special_tokens(), from_text.special_tokens());
    for case in list(&golden::read("tokenizer.json"), "encoded") {
        let source = text(case, "text");
        assert_eq!(
            from_json.encode(source, None).unwrap(),
            from_text.encode(source, None).unwrap(),
            "{source:?}"
        );
    }
}
