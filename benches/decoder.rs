//! The decoder's share of a caption, piece by piece.
//!
//! ```text
//! start      image tokens [1, 577, 768] ─▶ the cross K/V of every layer            once for each picture
//! prompt     "[DEC] a picture of", 4 positions at once                             once for each picture
//! step/rows  one token for every row, behind the prompt                            for each token
//! reorder    the rows' own K/V moved about, as beam search does                    at most once for each step
//! ```
//!
//! One row is greedy search, three are the original's beams, forty are the captions that CapFilt samples of a picture.

use std::hint::black_box;
use std::time::Duration;

use blip_benches::{Preset, pixel_values};
use blip_core::TextDecoder;
use blip_traits::{DecoderState, TextDecoder as _, TokenBatch};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

/// "[DEC] a picture of".
const PROMPT: [u32; 4] = [30522, 1037, 3861, 1997];

/// "woman".
const NEXT: u32 = 2450;

type State = <TextDecoder as blip_traits::TextDecoder>::State;

fn decoder(criterion: &mut Criterion) {
    let preset = Preset::from_env();
    let captioner = preset.captioner();
    let decoder = captioner.decoder();
    let image = captioner
        .encode(&pixel_values(&captioner))
        .expect("the processor makes what the encoder takes");
    let prompt = TokenBatch::from_rows(&[PROMPT], 0);
    let mut group = criterion.benchmark_group(format!("decoder/{}", preset.name()));
    group
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(5));

    group.bench_function("start", |bencher| {
        bencher.iter(|| {
            decoder
                .start(black_box(&image))
                .expect("the decoder takes what the encoder gives")
        });
    });

    let started = decoder
        .start(&image)
        .expect("the decoder takes what the encoder gives");
    group.bench_function("prompt", |bencher| {
        bencher.iter_batched(
            || started.clone(),
            |state| stepped(decoder, &prompt, state),
            BatchSize::PerIteration,
        );
    });

    let prompted = stepped(decoder, &prompt, started);
    for rows in [1, 3, 40] {
        let next = TokenBatch::column(&vec![NEXT; rows]);
        group.bench_function(format!("step/{rows}"), |bencher| {
            bencher.iter_batched(
                || fanned_out(&prompted, rows),
                |state| stepped(decoder, &next, state),
                BatchSize::PerIteration,
            );
        });
    }

    group.bench_function("reorder/3", |bencher| {
        bencher.iter_batched(
            || fanned_out(&prompted, 3),
            |mut state| {
                state.reorder(&[0, 0, 1]);
                state
            },
            BatchSize::PerIteration,
        );
    });
}

/// The state after a step. It is handed back so that freeing it is not measured.
fn stepped(decoder: &TextDecoder, input_ids: &TokenBatch, mut state: State) -> State {
    let logits = decoder.step_last(input_ids, &mut state);
    black_box(logits).expect("the ids are words and the state is short");
    state
}

/// A state of its own. A mere clone would share the rows' K/V, and the step would copy them before it writes.
fn fanned_out(state: &State, rows: usize) -> State {
    let mut state = state.clone();
    state.fan_out(rows);
    state
}

criterion_group!(benches, decoder);
criterion_main!(benches);
