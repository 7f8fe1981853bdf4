//! Greedy and beam search against what transformers 4.15 and 5.23 give on the toy model.

use blip_tasks::{
    BeamSearch, BeamSemantics, EarlyStopping, FinishReason, GenerationConfig, Search, generate,
};
use blip_testkit::assert_close;
use serde_json::Value;

use crate::toy;

fn config(case: &Value, semantics: BeamSemantics) -> GenerationConfig {
    let settings = &case["config"];
    let number = |name: &str| settings[name].as_u64().map(|value| value as usize);
    let mut beam = BeamSearch::new(number("num_beams").unwrap(), semantics);
    beam.length_penalty = settings["length_penalty"].as_f64().unwrap_or(beam.length_penalty);
    beam.early_stopping = match &settings["early_stopping"] {
        Value::Bool(true) => EarlyStopping::WhenFull,
        Value::String(never) if never == "never" => EarlyStopping::Never,
        _ => EarlyStopping::Heuristic,
    };
    let bad_words = settings["bad_words_ids"].as_array();
    GenerationConfig {
        search: Search::Beam(beam),
        max_length: number("max_length").unwrap(),
        min_length: number("min_length").unwrap_or(0),
        repetition_penalty: settings["repetition_penalty"].as_f64().unwrap_or(1.0) as f32,
        no_repeat_ngram_size: number("no_repeat_ngram_size").unwrap_or(0),
        bad_words_ids: bad_words.map_or_else(Vec::new, |words| words.iter().map(ids).collect()),
        num_return_sequences: number("num_return_sequences").unwrap(),
        eos_token_id: toy::EOS,
    }
}

fn ids(value: &Value) -> Vec<u32> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_u64().unwrap() as u32)
        .collect()
}

fn check(golden: &str, semantics: BeamSemantics, least: usize) {
    let golden: Value = serde_json::from_str(golden).unwrap();
    let cases = golden["generation"].as_array().unwrap();
    assert!(cases.len() >= least, "{} cases", cases.len());
    for case in cases {
        let config = config(case, semantics);
        let seed = case["seed"].as_u64().unwrap();
        let prompt = ids(&case["prompt"]);
        let texts = generate(
            &toy::decoder(seed),
            &toy::groups(&[0, 1, 2]),
            &prompt,
            &config,
            None,
        );
        let texts: Vec<_> = texts.unwrap().into_iter().flatten().collect();
        let got: Vec<Vec<u32>> = texts.iter().map(|text| text.token_ids.clone()).collect();
        let want: Vec<Vec<u32>> = case["rows"].as_array().unwrap().iter().map(ids).collect();
        assert_eq!(got, want, "{case}");
        if let Some(scores) = case["scores"].as_array() {
            let want: Vec<f32> = scores
                .iter()
                .map(|score| score.as_f64().unwrap() as f32)
                .collect();
            let got: Vec<f32> = texts.iter().map(|text| text.sequence_score).collect();
            assert_close(&case.to_string(), &got, &want, 1e-5);
        }
        for (index, text) in texts.iter().enumerate() {
            let group = (index / config.num_return_sequences) as u32;
            check_log_probs(seed, group, prompt.len(), text);
        }
    }
}

/// The log-probabilities are the decoder's own, and the finish reason is what the ids say.
fn check_log_probs(seed: u64, group: u32, prompt: usize, text: &blip_tasks::Hypothesis) {
    let want: Vec<f32> = (prompt..text.token_ids.len())
        .map(|position| {
            let logits = toy::logits(seed, group, &text.token_ids[..position]);
            toy::log_softmax(&logits)[text.token_ids[position] as usize] as f32
        })
        .collect();
    assert_close("token_log_probs", &text.token_log_probs, &want, 1e-5);
    let ended = text.token_ids.last() == Some(&toy::EOS);
    assert_eq!(text.finish_reason == FinishReason::EndToken, ended);
}

#[test]
fn searches_are_those_of_transformers_4_15() {
    let golden = include_str!("../goldens/transformers415.json");
    check(golden, BeamSemantics::Transformers4_15, 150);
}

#[test]
fn searches_are_those_of_transformers_5() {
    let golden = include_str!("../goldens/transformers5.json");
    check(golden, BeamSemantics::Transformers5, 160);
}

#[test]
fn the_goldens_tell_the_two_references_apart() {
    let rows = |golden: &str| -> Vec<Value> {
        let golden: Value = serde_json::from_str(golden).unwrap();
        let cases = golden["generation"].as_array().unwrap().iter();
        let common = cases.filter(|case| case["config"]["early_stopping"] != "never");
        common
            .map(|case| serde_json::json!([case["seed"], case["prompt"], case["config"], case["rows"]]))
            .collect()
    };
    let old = rows(include_str!("../goldens/transformers415.json"));
    let new = rows(include_str!("../goldens/transformers5.json"));
    assert_eq!(old.len(), new.len());
    let differing = old.iter().zip(&new).filter(|(old, new)| old != new).count();
    assert!(differing > 20, "only {differing} of {} cases differ", old.len());
}
