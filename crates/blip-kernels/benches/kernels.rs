//! Each kernel at the sizes of BLIP-base: `cargo bench -p blip-kernels`.

use std::hint::black_box;

use blip_kernels::{
    Epilogue, Heads, Hidden, PackedWeight, Precision, attention, bias_gelu, layer_norm, softmax,
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Tokens of a picture of 384 x 384.
const TOKENS: usize = 577;

fn values(count: usize) -> Vec<f32> {
    (0..count)
        .map(|index| (index.wrapping_mul(2_654_435_761) % 2001) as f32 / 1000.0 - 1.0)
        .collect()
}

fn rows(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("rows");
    let (mut hidden, bias) = (values(TOKENS * 3072), values(3072));
    group.bench_function("bias_gelu 577 x 3072", |bench| {
        bench.iter(|| bias_gelu(black_box(&mut hidden), &bias));
    });
    let mut scores = values(12 * TOKENS * TOKENS);
    group.bench_function("softmax 12 x 577 x 577", |bench| {
        bench.iter(|| softmax(black_box(&mut scores), TOKENS));
    });
    let (states, residual, gamma) = (values(TOKENS * 768), values(TOKENS * 768), values(768));
    let mut output = vec![0.0; TOKENS * 768];
    group.bench_function("layer_norm 577 x 768", |bench| {
        bench.iter(|| {
            layer_norm(
                black_box(&states),
                Some(&residual),
                [&gamma, &gamma],
                1e-6,
                &mut output,
            )
        });
    });
    group.finish();
}

fn packed(bench: &mut Criterion) {
    for (name, [d_in, d_out]) in [
        ("packed 768 x 768", [768, 768]),
        ("packed 768 x 3072", [768, 3072]),
        ("packed 3072 x 768", [3072, 768]),
        ("packed 768 x 30524", [768, 30524]),
    ] {
        let mut group = bench.benchmark_group(name);
        let weight = values(d_in * d_out);
        for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
            let packed = PackedWeight::new(&weight, [d_in, d_out], precision);
            group.throughput(Throughput::Bytes(packed.size() as u64));
            for count in [1, 3, 8, TOKENS] {
                // Pictures have no words.
                if count == TOKENS && d_out > 4096 {
                    continue;
                }
                let (input, mut output) = (values(count * d_in), vec![0.0; count * d_out]);
                group.bench_function(BenchmarkId::new(format!("{precision:?}"), count), |bench| {
                    bench.iter(|| packed.multiply(black_box(&input), Epilogue::default(), &mut output));
                });
            }
        }
        group.finish();
    }
}

fn attended(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("attention");
    let fused = values(TOKENS * 3 * 768);
    for queries in [1, 3, 20, TOKENS] {
        // Of a picture's tokens, side by side in a row of queries, keys and values; of what is read again and again, by heads.
        let strides = match queries {
            TOKENS => [TOKENS * 3 * 768, 64, 3 * 768],
            _ => [TOKENS * 768, TOKENS * 64, 64],
        };
        let part = if queries == TOKENS { 768 } else { TOKENS * 768 };
        let heads =
            |index: usize, tokens: usize| Heads::new(&fused[index * part..], [1, 12, tokens, 64], strides);
        let mut output = vec![0.0; queries * 768];
        for precision in [Precision::F32, Precision::Bf16] {
            group.bench_function(format!("{precision:?} {queries} of {TOKENS}"), |bench| {
                bench.iter(|| {
                    let query = black_box(heads(0, queries));
                    attention(
                        query,
                        heads(1, TOKENS),
                        heads(2, TOKENS),
                        Hidden::default(),
                        precision,
                        &mut output,
                    );
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, rows, packed, attended);
criterion_main!(benches);
