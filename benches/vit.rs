//! One look at one picture: 111 GFLOP at `base`.
//!
//! [1, 3, 384, 384] ─ ViT-B/16 ─▶ [1, 577, 768]

use std::hint::black_box;
use std::time::Duration;

use blip_benches::{Preset, pixel_values};
use criterion::{Criterion, criterion_group, criterion_main};

fn vit(criterion: &mut Criterion) {
    let preset = Preset::from_env();
    let captioner = preset.captioner();
    let pixel_values = pixel_values(&captioner);
    let mut group = criterion.benchmark_group(format!("vit/{}", preset.name()));
    group
        .sample_size(10)
        .warm_up_time(Duration::from_secs(2))
        .measurement_time(Duration::from_secs(15));

    group.bench_function("encode", |bencher| {
        bencher.iter(|| {
            captioner
                .encode(black_box(&pixel_values))
                .expect("the processor makes what the encoder takes")
        });
    });
}

criterion_group!(benches, vit);
criterion_main!(benches);
