//! What the benches share: which model they run, and the pictures that they show it.
//!
//! For whoever makes BLIP faster. One program for each idea, each of them small enough to read before its numbers are
//! believed:
//!
//! ```text
//! preprocess   picture file ─ decode ─ resize ─ normalise ─▶ PixelValues
//! vit          PixelValues ─ ViT ─▶ HiddenStates
//! decoder      HiddenStates ─ start ─▶ cross K/V; prompt; one step of 1, 3 and 40 rows; reorder
//! search       logits ─ greedy search, beam search ─▶ ids, without a network
//! caption      PixelValues ─ all of it ─▶ 20 tokens
//! tasks        HiddenStates ─▶ an answer; 128 matches; 40 sampled captions
//! load         a checkpoint's file ─▶ the networks, in each precision
//! index        query, vectors of a gallery ─ blip-index ─▶ the nearest; in memory, and off a file
//! ```
//!
//! ```sh
//! cargo bench -p blip-benches                                            # BLIP-base; about five minutes on two cores
//! cargo bench -p blip-benches --bench decoder -- 'step'                  # one program, names that match
//! cargo bench -p blip-benches -- --save-baseline before                  # then: -- --baseline before
//! BLIP_BENCH_PRECISION=int8 cargo bench -p blip-benches --bench caption  # or bf16
//! BLIP_BENCH_PRESET=tiny cargo bench -p blip-benches -- --test           # does it run? seconds
//! ```
//!
//! The weights are noise from a seed: the arithmetic is that of a trained model, the text is not, and a search ends
//! where `max_length` ends it. BLIP-base takes 0.9 GB, once for each program. Quote ratios of numbers from one run on
//! an idle machine, with the machine.

mod picture;
mod preset;

pub use picture::{astronaut_png, pixel_values, test_pattern};
pub use preset::Preset;
