//! What a picture costs before the network sees it, on one core.
//!
//! ```text
//! PNG 512 x 512 ─ decode ─▶ u8 [512, 512, 3] ─ resize ─▶ u8 [384, 384, 3] ─ normalise ─▶ f32 [3, 384, 384]
//! photograph 2048 x 1365                     ─ resize ─▶
//! ```

use std::hint::black_box;

use blip_benches::{astronaut_png, test_pattern};
use blip_processor::{ImageProcessor, ImageProcessorConfig, PassOrder, resize_bicubic};
use criterion::{Criterion, criterion_group, criterion_main};

const SIDE: usize = 384;

fn preprocess(criterion: &mut Criterion) {
    let processor = ImageProcessor::new(ImageProcessorConfig::new([SIDE; 2])).expect("a usual size");
    let png = astronaut_png();
    let astronaut = processor.decode(&png).expect("the sample picture is a PNG");
    let mut group = criterion.benchmark_group("preprocess");

    group.bench_function("decode/512x512.png", |bencher| {
        bencher.iter(|| processor.decode(black_box(&png)).expect("it was decoded before"));
    });
    for (name, picture) in [
        ("resize/512x512", &astronaut),
        ("resize/2048x1365", &test_pattern(2048, 1365)),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                resize_bicubic(black_box(picture), [SIDE; 2], PassOrder::default()).expect("a usual size")
            });
        });
    }
    // Resizing leaves out both passes and copies a picture that has the size already.
    let resized = test_pattern(SIDE, SIDE);
    group.bench_function("normalise/384x384", |bencher| {
        bencher.iter(|| processor.preprocess(black_box(&resized)).expect("a usual size"));
    });
    group.bench_function("all/512x512.png", |bencher| {
        bencher.iter(|| {
            processor
                .preprocess_bytes(black_box(&png))
                .expect("it was decoded before")
        });
    });
}

criterion_group!(benches, preprocess);
criterion_main!(benches);
