//! From a checkpoint's file to a captioner, in each precision; what is stored small too.
//!
//! The file was just written, so it is read from memory: what is measured is reading, widening and packing.

use std::time::Duration;

use blip_benches::Preset;
use blip_core::{BlipModel, Captioner, Device, Layout, LoadOptions, Precision, Task, quantize};
use criterion::{Criterion, criterion_group, criterion_main};

fn load(criterion: &mut Criterion) {
    let preset = Preset::from_env();
    let config = preset.config().for_task(Task::Captioning);
    let folder = tempfile::tempdir().expect("a folder");
    let whole = folder.path().join("f32");
    let model = BlipModel::from_seed(&config, Task::Captioning.parts(), 1, &Device::flex());
    let model = model.expect("a preset describes a model");
    model
        .save(&config, Layout::HuggingFace, &whole)
        .expect("it is written");
    drop(model);

    let mut group = criterion.benchmark_group(format!("load/{}", preset.name()));
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_secs(10));
    for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
        let small = folder.path().join(format!("as {precision}"));
        quantize(&whole, precision, &small).expect("it is written");
        let options = LoadOptions {
            precision: precision.into(),
            ..LoadOptions::default()
        };
        for (stored, path) in [("from f32", &whole), ("from the same", &small)] {
            group.bench_function(format!("{precision}/{stored}"), |bencher| {
                bencher.iter(|| Captioner::from_path(path, &options).expect("it was written"));
            });
        }
        std::fs::remove_dir_all(small).expect("it is there");
    }
}

criterion_group!(benches, load);
criterion_main!(benches);
