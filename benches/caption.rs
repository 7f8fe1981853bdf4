//! A whole caption, from the picture file's bytes to text: 20 tokens behind `[DEC]`.
//!
//! PNG ─ preprocess ─ ViT ─ start ─ 20 steps and their search ─ text
//!
//! Weights from a seed end a text where chance has it. The end token is therefore ruled out until `max_length`, so that
//! every caption is 20 steps; a trained model's caption of COCO has about ten.

use std::hint::black_box;
use std::time::Duration;

use blip_benches::{Preset, astronaut_png};
use blip_core::CaptionOptions;
use criterion::{Criterion, criterion_group, criterion_main};

/// `[DEC]` and the tokens behind it.
const LENGTH: usize = 1 + 20;

fn caption(criterion: &mut Criterion) {
    let preset = Preset::from_env();
    let captioner = preset.captioner();
    let png = astronaut_png();
    let mut group = criterion.benchmark_group(format!("caption/{}", preset.name()));
    group
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(20));

    for (name, num_beams) in [("greedy", 1), ("3 beams", 3)] {
        let options = CaptionOptions {
            num_beams: Some(num_beams),
            max_length: Some(LENGTH),
            min_length: Some(LENGTH),
            ..CaptionOptions::default()
        };
        let captions = captioner
            .caption_bytes(&png, &options)
            .expect("the options go together");
        assert_eq!(
            captions[0].token_ids.len(),
            LENGTH,
            "the measured work is 20 tokens"
        );
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                captioner
                    .caption_bytes(black_box(&png), &options)
                    .expect("it was captioned before")
            });
        });
    }
}

criterion_group!(benches, caption);
criterion_main!(benches);
