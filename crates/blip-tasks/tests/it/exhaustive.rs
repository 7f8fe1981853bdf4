//! Beam search against the search of all texts, on a vocabulary of five.

use blip_tasks::{BeamSearch, BeamSemantics, GenerationConfig, Search, generate};
use blip_testkit::{ScriptedDecoder, assert_close, hashed_logits};

use crate::toy::{self, EOS};

const VOCAB_SIZE: usize = 5;
/// More beams than there are partial texts, so that nothing is pruned.
const WIDE: usize = 700;

/// Every text with its sum of log-probabilities: those that end, and those that reach `max_length`.
fn all_texts(
    seed: u64,
    prefix: &mut Vec<u32>,
    sum: f64,
    max_length: usize,
    texts: &mut Vec<(Vec<u32>, f64)>,
) {
    let log_probs = toy::log_softmax(&hashed_logits(seed, 0, prefix, VOCAB_SIZE));
    for (token, log_prob) in log_probs.into_iter().enumerate() {
        prefix.push(token as u32);
        let sum = sum + log_prob;
        if token as u32 == EOS || prefix.len() == max_length {
            texts.push((prefix.clone(), sum));
        } else {
            all_texts(seed, prefix, sum, max_length, texts);
        }
        prefix.pop();
    }
}

/// The scoring rules, written down once more.
fn score(semantics: BeamSemantics, ids: &[u32], sum: f64, prompt: usize, length_penalty: f64) -> f64 {
    let length = match semantics {
        BeamSemantics::Transformers4_15 => ids.len() - usize::from(ids.last() == Some(&EOS)),
        BeamSemantics::Transformers5 => ids.len() - prompt,
    };
    sum / (length as f64).powf(length_penalty)
}

#[test]
fn a_wide_beam_finds_the_best_texts_there_are() {
    for semantics in [BeamSemantics::Transformers4_15, BeamSemantics::Transformers5] {
        for (prompt, max_length) in [(vec![1], 5), (vec![1, 3, 4], 7)] {
            for length_penalty in [0.0, 1.0, 2.0, -1.0] {
                for seed in 0..6 {
                    let mut texts = Vec::new();
                    all_texts(seed, &mut prompt.clone(), 0.0, max_length, &mut texts);
                    let mut scored: Vec<(f64, Vec<u32>)> = texts
                        .into_iter()
                        .map(|(ids, sum)| (score(semantics, &ids, sum, prompt.len(), length_penalty), ids))
                        .collect();
                    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
                    scored.truncate(8);

                    let mut beam = BeamSearch::new(WIDE, semantics);
                    beam.length_penalty = length_penalty;
                    let config = GenerationConfig {
                        search: Search::Beam(beam),
                        max_length,
                        num_return_sequences: 8,
                        eos_token_id: EOS,
                        ..GenerationConfig::default()
                    };
                    let decoder = ScriptedDecoder::new(VOCAB_SIZE, move |context, prefix| {
                        hashed_logits(seed, context, prefix, VOCAB_SIZE)
                    });
                    let got = generate(&decoder, &toy::groups(&[0]), &prompt, &config, None).unwrap();
                    let name = format!("{semantics:?} {prompt:?} {length_penalty} {seed}");
                    let ids: Vec<&[u32]> = got[0].iter().map(|text| text.token_ids.as_slice()).collect();
                    let want: Vec<&[u32]> = scored.iter().map(|(_, ids)| ids.as_slice()).collect();
                    assert_eq!(ids, want, "{name}");
                    let scores: Vec<f32> = got[0].iter().map(|text| text.sequence_score).collect();
                    let want: Vec<f32> = scored.iter().map(|&(score, _)| score as f32).collect();
                    assert_close(&name, &scores, &want, 1e-5 * want[7].abs().max(1.0));
                }
            }
        }
    }
}

#[test]
fn the_two_references_choose_differently() {
    // After the prompt: 4, then the end, with log p -0.5 each; or 5 6 7 6, then the end, with -2 in all.
    // Over all tokens of a prompt of four: -1 / 5 = -0.2 beats -2 / 8 = -0.25.
    // Over the generated ones: -2 / 5 = -0.4 beats -1 / 2 = -0.5.
    const PROMPT: [u32; 4] = [1, 3, 3, 3];
    let row = |likely: &[(usize, f32)]| -> Vec<f32> {
        let left = 1.0 - likely.iter().map(|&(_, log_p)| log_p.exp()).sum::<f32>();
        let other = (left / (8 - likely.len()) as f32).ln();
        let mut row = vec![other; 8];
        for &(token, log_p) in likely {
            row[token] = log_p;
        }
        row
    };
    let (first, step) = (-0.942_f32, (-2.0 + 0.942) / 4.0);
    let after = |generated: &[u32]| [&PROMPT[..], generated].concat();
    let table = [
        (after(&[]), row(&[(4, -0.5), (5, first)])),
        (after(&[4]), row(&[(2, -0.5)])),
        (after(&[5]), row(&[(6, step)])),
        (after(&[5, 6]), row(&[(7, step)])),
        (after(&[5, 6, 7]), row(&[(6, step)])),
        (after(&[5, 6, 7, 6]), row(&[(2, step)])),
    ];
    let table: Vec<(&[u32], &[f32])> = table
        .iter()
        .map(|(ids, row)| (ids.as_slice(), row.as_slice()))
        .collect();
    let decoder = ScriptedDecoder::from_table(&table, &[0.0; 8]);
    for (semantics, ids, score) in [
        (BeamSemantics::Transformers4_15, after(&[4, 2]), -0.2),
        (BeamSemantics::Transformers5, after(&[5, 6, 7, 6, 2]), -0.4),
    ] {
        let config = GenerationConfig {
            search: Search::Beam(BeamSearch::new(2, semantics)),
            max_length: 12,
            eos_token_id: 2,
            ..GenerationConfig::default()
        };
        let texts = generate(&decoder, &toy::groups(&[0]), &PROMPT, &config, None).unwrap();
        assert_eq!(texts[0][0].token_ids, ids, "{semantics:?}");
        assert_close("score", &[texts[0][0].sequence_score], &[score], 1e-5);
    }
}
