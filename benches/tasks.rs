//! What a task makes of one picture that was encoded: an answer, matches of many texts, many sampled captions.
//!
//! ```text
//!              ┌ answer      question ─ grounded encoder ─ 5 tokens, 3 beams
//! HiddenStates ┼ match       128 texts, the picture's keys and values projected once
//!              └ 40 captions top-p, 20 tokens each, one state for all
//! ```
//!
//! `1 caption` stands beside `40 captions`: what one would take by itself.

use std::hint::black_box;
use std::time::Duration;

use blip_benches::{Preset, pixel_values};
use blip_core::{AnswerOptions, CaptionOptions, MatchOptions, Matcher, QuestionAnswerer};
use criterion::{Criterion, criterion_group, criterion_main};

/// First token, tokens, and no last one.
const ANSWER: usize = 1 + 5;
const CAPTION: usize = 1 + 20;

const TEXTS: usize = 128;

fn tasks(criterion: &mut Criterion) {
    let preset = Preset::from_env();
    let mut group = criterion.benchmark_group(format!("tasks/{}", preset.name()));
    group
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(10));

    let (config, options) = (preset.config(), preset.options());
    let captioner = preset.captioner();
    let encoded = captioner
        .encode(&pixel_values(&captioner))
        .expect("the processor makes pictures of the model's size");

    let answerer = QuestionAnswerer::from_seed(&config, 1, &options).expect("a preset describes a model");
    let answer_options = AnswerOptions {
        max_length: Some(ANSWER),
        min_length: Some(ANSWER),
        ..AnswerOptions::default()
    };
    group.bench_function("answer", |bencher| {
        bencher.iter(|| {
            answerer
                .answer_encoded(
                    black_box(&encoded),
                    &["how many dogs are in the picture?"],
                    &answer_options,
                )
                .expect("the options go together")
        });
    });
    drop(answerer);

    let matcher = Matcher::from_seed(&config, 1, &options).expect("a preset describes a model");
    let texts: Vec<String> = (0..TEXTS)
        .map(|index| format!("a picture of {index} dogs on the beach"))
        .collect();
    group.bench_function(format!("match/{TEXTS}"), |bencher| {
        bencher.iter(|| {
            matcher
                .match_encoded(black_box(&encoded), &texts, &MatchOptions::default())
                .expect("the texts are short")
        });
    });
    drop(matcher);

    for (name, count) in [("1 caption", 1), ("40 captions", 40)] {
        let options = CaptionOptions {
            sample: true,
            num_return_sequences: Some(count),
            max_length: Some(CAPTION),
            min_length: Some(CAPTION),
            seed: Some(1),
            ..CaptionOptions::default()
        };
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                captioner
                    .caption_encoded(black_box(&encoded), &options)
                    .expect("the options go together")
            });
        });
    }
}

criterion_group!(benches, tasks);
criterion_main!(benches);
