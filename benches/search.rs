//! What the search itself costs: 20 tokens over a vocabulary of 30,524, without a network.
//!
//! ```text
//! logits made before ─ ScriptedDecoder (copies them) ─▶ greedy search, three beams ─▶ ids
//! ```
//!
//! The fake decoder copies every row of logits twice. What that costs is measured too, as `copying`: the search is the
//! difference.

use std::hint::black_box;

use blip_core::Device;
use blip_tasks::{BeamSearch, BeamSemantics, GenerationConfig, Search, generate};
use blip_testkit::{ScriptedDecoder, context, hashed_logits};
use blip_traits::{DecoderState, HiddenStates, TextDecoder, TokenBatch};
use criterion::{Criterion, criterion_group, criterion_main};

const VOCABULARY: usize = 30_524;

/// "[DEC]".
const PROMPT: [u32; 1] = [30522];

/// Tokens that are written behind the prompt.
const TOKENS: usize = 20;

fn search(criterion: &mut Criterion) {
    let decoder = decoder();
    let picture = context(&[0], &Device::flex());
    let mut group = criterion.benchmark_group("search");

    let three_beams = |semantics| Search::Beam(BeamSearch::new(3, semantics));
    for (name, search) in [
        ("greedy", Search::Greedy),
        ("3 beams/salesforce", three_beams(BeamSemantics::Transformers4_15)),
        ("3 beams/hugging_face", three_beams(BeamSemantics::Transformers5)),
    ] {
        let config = GenerationConfig {
            search,
            max_length: PROMPT.len() + TOKENS,
            // The end token is ruled out, so that every search has the same number of steps.
            min_length: PROMPT.len() + TOKENS,
            ..GenerationConfig::default()
        };
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                generate(&decoder, black_box(&picture), &PROMPT, &config, None)
                    .expect("the settings go together")
            });
        });
    }
    for rows in [1, 3] {
        group.bench_function(format!("copying/{rows}"), |bencher| {
            bencher.iter(|| copy_logits(&decoder, black_box(&picture), rows));
        });
    }
}

/// A decoder whose logits depend on the last token, and are at hand.
fn decoder() -> ScriptedDecoder {
    let rows: Vec<Vec<f32>> = (0..16)
        .map(|last| hashed_logits(1, 0, &[last], VOCABULARY))
        .collect();
    ScriptedDecoder::new(VOCABULARY, move |_, prefix| {
        let last = prefix.last().map_or(0, |&id| id as usize);
        rows[last % rows.len()].clone()
    })
}

/// As many steps as a search makes, without a search.
fn copy_logits(decoder: &ScriptedDecoder, picture: &HiddenStates, rows: usize) {
    let mut state = decoder
        .start(picture)
        .expect("the context is of the fake's width");
    let mut input_ids = TokenBatch::column(&PROMPT);
    for step in 0..TOKENS {
        let logits = decoder.step(&input_ids, &mut state);
        black_box(logits).expect("the ids are in the vocabulary");
        if step == 0 {
            state.fan_out(rows);
            input_ids = TokenBatch::column(&vec![PROMPT[0]; rows]);
        }
    }
}

criterion_group!(benches, search);
criterion_main!(benches);
