//! What changes a row's scores before the search sees them.
//!
//! scores [vocab] ─ repetition penalty ─ no-repeat n-gram ─ bad words ─ minimum length ─▶ scores [vocab]
//!
//! Source: transformers 4.15 `generation_logits_process.py` and 5.23 `generation/logits_process.py`, which agree on these
//! four and on their order.

use super::GenerationConfig;

/// The processors of a configuration.
///
/// The scores are log-probabilities in beam search and raw logits otherwise; the penalty is not renormalised.
#[derive(Clone, Copy, Debug)]
pub(super) struct Processors<'a> {
    config: &'a GenerationConfig,
}

impl<'a> Processors<'a> {
    pub(super) fn new(config: &'a GenerationConfig) -> Self {
        Self { config }
    }

    /// Changes the scores of the token that comes after `ids`, prompt included.
    pub(super) fn apply(self, ids: &[u32], scores: &mut [f32]) {
        let config = self.config;
        if config.repetition_penalty != 1.0 {
            penalise_repetition(config.repetition_penalty, ids, scores);
        }
        if config.no_repeat_ngram_size > 0 {
            ban_repeated_ngrams(config.no_repeat_ngram_size, ids, scores);
        }
        for word in &config.bad_words_ids {
            ban_word(word, config.eos_token_id, ids, scores);
        }
        if ids.len() < config.min_length {
            scores[config.eos_token_id as usize] = f32::NEG_INFINITY;
        }
    }
}

/// Makes each token that the text has less likely, once however often it came.
fn penalise_repetition(penalty: f32, ids: &[u32], scores: &mut [f32]) {
    for (position, id) in ids.iter().enumerate() {
        if !ids[..position].contains(id) {
            let score = &mut scores[*id as usize];
            *score = if *score < 0.0 {
                *score * penalty
            } else {
                *score / penalty
            };
        }
    }
}

/// Bans what would complete an n-gram that the text has.
fn ban_repeated_ngrams(size: usize, ids: &[u32], scores: &mut [f32]) {
    let Some(start) = (ids.len() + 1).checked_sub(size) else {
        return;
    };
    let tail = &ids[start..];
    for ngram in ids.windows(size) {
        if let Some((last, head)) = ngram.split_last()
            && head == tail
        {
            scores[*last as usize] = f32::NEG_INFINITY;
        }
    }
}

/// Bans the last token of a word whose other tokens have just been written.
fn ban_word(word: &[u32], eos_token_id: u32, ids: &[u32], scores: &mut [f32]) {
    // Both references leave the end token alone out of the list: a text has to end.
    if word == [eos_token_id] {
        return;
    }
    if let Some((last, head)) = word.split_last()
        && ids.ends_with(head)
    {
        scores[*last as usize] = f32::NEG_INFINITY;
    }
}

#[cfg(test)]
mod tests {
    use blip_testkit::{assert_close, hashed_logits};
    use serde_json::Value;

    use super::*;

    const NONE: f32 = f32::NEG_INFINITY;

    fn processed(config: GenerationConfig, ids: &[u32], scores: &[f32]) -> Vec<f32> {
        let mut scores = scores.to_vec();
        Processors::new(&config).apply(ids, &mut scores);
        scores
    }

    fn config() -> GenerationConfig {
        GenerationConfig {
            eos_token_id: 2,
            ..GenerationConfig::default()
        }
    }

    #[test]
    fn nothing_is_changed_by_default() {
        let scores = [1.0, -1.0, 0.0, 3.0];
        assert_eq!(processed(config(), &[1, 1, 1], &scores), scores);
    }

    #[test]
    fn the_penalty_divides_or_multiplies_each_token_once() {
        let config = GenerationConfig {
            repetition_penalty: 2.0,
            ..config()
        };
        let got = processed(config, &[1, 3, 1, 0], &[4.0, -1.0, 6.0, 0.0]);
        assert_eq!(got, [2.0, -2.0, 6.0, 0.0]);
    }

    #[test]
    fn ngrams_are_not_repeated() {
        let with = |size| GenerationConfig {
            no_repeat_ngram_size: size,
            ..config()
        };
        let zeros = [0.0; 4];
        // 1 was followed by 3 and by 0.
        assert_eq!(
            processed(with(2), &[1, 3, 1, 0, 1], &zeros),
            [NONE, 0.0, 0.0, NONE]
        );
        assert_eq!(processed(with(2), &[1], &zeros), zeros);
        assert_eq!(processed(with(1), &[1, 3], &zeros), [0.0, NONE, 0.0, NONE]);
        // An n-gram may overlap itself.
        assert_eq!(processed(with(3), &[1, 1, 1], &zeros), [0.0, NONE, 0.0, 0.0]);
        assert_eq!(processed(with(3), &[1, 1], &zeros), zeros);
        assert_eq!(processed(with(9), &[1, 1], &zeros), zeros);
    }

    #[test]
    fn bad_words_are_banned_where_they_would_be_completed() {
        let config = GenerationConfig {
            bad_words_ids: vec![vec![0], vec![1, 3], vec![3, 1, 1], vec![2]],
            ..config()
        };
        let zeros = [0.0; 4];
        assert_eq!(
            processed(config.clone(), &[3, 1], &zeros),
            [NONE, NONE, 0.0, NONE]
        );
        assert_eq!(processed(config.clone(), &[1], &zeros), [NONE, 0.0, 0.0, NONE]);
        // The end token alone stays allowed.
        assert_eq!(processed(config, &[3], &zeros), [NONE, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn the_end_waits_for_min_length() {
        let config = GenerationConfig {
            min_length: 3,
            ..config()
        };
        let zeros = [0.0; 3];
        assert_eq!(processed(config.clone(), &[1, 1], &zeros), [0.0, 0.0, NONE]);
        assert_eq!(processed(config, &[1, 1, 1], &zeros), zeros);
    }

    /// Against what transformers 4.15 and 5.23 make of the same scores, see `tests/goldens`.
    #[test]
    fn scores_are_those_of_both_references() {
        for golden in [
            include_str!("../../tests/goldens/transformers415.json"),
            include_str!("../../tests/goldens/transformers5.json"),
        ] {
            let golden: Value = serde_json::from_str(golden).unwrap();
            let cases = golden["processors"].as_array().unwrap().iter();
            let cases: Vec<&Value> = cases.filter(|case| case["scores"].is_array()).collect();
            assert_eq!(cases.len(), 13);
            for case in cases {
                let written = ids(&case["ids"]);
                let settings = &case["config"];
                let size = |name: &str| settings[name].as_u64().unwrap_or(0) as usize;
                let words = settings["bad_words_ids"].as_array();
                let config = GenerationConfig {
                    repetition_penalty: settings["repetition_penalty"].as_f64().unwrap_or(1.0) as f32,
                    no_repeat_ngram_size: size("no_repeat_ngram_size"),
                    bad_words_ids: words.map_or_else(Vec::new, |words| words.iter().map(ids).collect()),
                    min_length: size("min_length"),
                    ..config()
                };
                let mut scores = hashed_logits(case["seed"].as_u64().unwrap(), 0, &written, 24);
                scores[2] += 1.5;
                let got = processed(config, &written, &scores);
                let want = case["scores"].as_array().unwrap().iter();
                let want: Vec<f32> = want
                    .map(|score| score.as_f64().map_or(NONE, |score| score as f32))
                    .collect();
                assert_close(&case.to_string(), &got, &want, 1e-6);
            }
        }
    }

    fn ids(value: &Value) -> Vec<u32> {
        let ids = value.as_array().unwrap().iter();
        ids.map(|id| id.as_u64().unwrap() as u32).collect()
    }
}
