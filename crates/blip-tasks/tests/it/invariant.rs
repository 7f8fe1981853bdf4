//! What holds for every configuration.

use blip_tasks::{BeamSearch, BeamSemantics, EarlyStopping, GenerationConfig, Sampling, Search, generate};
use proptest::prelude::*;

use crate::toy::{self, EOS};

fn semantics() -> impl Strategy<Value = BeamSemantics> {
    prop_oneof![
        Just(BeamSemantics::Transformers4_15),
        Just(BeamSemantics::Transformers5)
    ]
}

fn search() -> impl Strategy<Value = Search> {
    let beam = (2_usize..6, -1.0_f64..2.5, any::<bool>(), semantics()).prop_map(
        |(num_beams, length_penalty, early, semantics)| {
            let early_stopping = if early {
                EarlyStopping::WhenFull
            } else {
                EarlyStopping::Heuristic
            };
            Search::Beam(BeamSearch {
                num_beams,
                length_penalty,
                early_stopping,
                semantics,
            })
        },
    );
    let sample = (0.3_f32..3.0, 0_usize..30, 0.05_f32..=1.0, any::<u64>()).prop_map(
        |(temperature, top_k, top_p, seed)| {
            Search::Sample(Sampling {
                temperature,
                top_k,
                top_p,
                seed,
            })
        },
    );
    prop_oneof![Just(Search::Greedy), beam, sample]
}

fn config() -> impl Strategy<Value = GenerationConfig> {
    let bad_words = prop::collection::vec(prop::collection::vec(3_u32..24, 1..3), 0..4);
    let lengths = (5_usize..14).prop_flat_map(|max_length| (Just(max_length), 0..=max_length));
    (search(), lengths, 0.6_f32..1.8, 0_usize..4, bad_words).prop_map(
        |(search, (max_length, min_length), repetition_penalty, no_repeat_ngram_size, bad_words_ids)| {
            let num_return_sequences = match &search {
                Search::Greedy => 1,
                Search::Beam(beam) => beam.num_beams,
                Search::Sample(_) => 3,
            };
            GenerationConfig {
                search,
                max_length,
                min_length,
                repetition_penalty,
                no_repeat_ngram_size,
                bad_words_ids,
                num_return_sequences,
                eos_token_id: EOS,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(150) })]

    #[test]
    fn a_batch_gives_each_group_what_it_gets_alone(config in config(), seed in 0_u64..1000) {
        let decoder = toy::decoder(seed);
        let prompt = [1, 5, 6];
        let batch = generate(&decoder, &toy::groups(&[7, 3, 5]), &prompt, &config, None).unwrap();
        for (group, texts) in [7, 3, 5].into_iter().zip(&batch) {
            let alone = generate(&decoder, &toy::groups(&[group]), &prompt, &config, None).unwrap();
            prop_assert_eq!(&alone[0], texts);
        }
    }

    #[test]
    fn texts_keep_to_the_configuration(config in config(), seed in 0_u64..1000) {
        let prompt = [1, 5, 6];
        let texts = generate(&toy::decoder(seed), &toy::groups(&[0]), &prompt, &config, None).unwrap();
        let texts = &texts[0];
        prop_assert_eq!(texts.len(), config.num_return_sequences);
        if let Search::Beam(_) = config.search {
            prop_assert!(texts.is_sorted_by(|a, b| a.sequence_score >= b.sequence_score));
        }
        for text in texts {
            let ids = &text.token_ids;
            prop_assert!(ids.starts_with(&prompt));
            prop_assert!(ids.len() <= config.max_length);
            let generated = &ids[prompt.len()..];
            prop_assert_eq!(generated.len(), text.token_log_probs.len());
            prop_assert!(text.token_log_probs.iter().all(|&log_prob| log_prob <= 0.0));
            if let Some(end) = generated.iter().position(|&id| id == EOS) {
                prop_assert_eq!(end, generated.len() - 1);
                prop_assert!(ids.len() > config.min_length);
            } else {
                prop_assert_eq!(ids.len(), config.max_length);
            }
            for word in &config.bad_words_ids {
                for (start, window) in ids.windows(word.len()).enumerate() {
                    let inside_prompt = start + word.len() <= prompt.len();
                    prop_assert!(inside_prompt || window != word.as_slice(), "{:?} in {:?}", word, ids);
                }
            }
            if config.no_repeat_ngram_size > 0 {
                let ngrams: Vec<&[u32]> = ids.windows(config.no_repeat_ngram_size).collect();
                for (index, ngram) in ngrams.iter().enumerate() {
                    prop_assert!(!ngrams[..index].contains(ngram), "{:?} twice in {:?}", ngram, ids);
                }
            }
        }
    }
}
