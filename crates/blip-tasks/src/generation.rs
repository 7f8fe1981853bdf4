//! Writing text with a decoder: greedy search, beam search and sampling.
//!
//! Host code without tensors: a step reads the decoder's [`Logits`](blip_traits::Logits) once and works on numbers.
//!
//! ```text
//! context [groups, tokens, width], prompt [length]
//!    │ TextDecoder::start, step_last(prompt)        once for each group
//!    ▼
//! logits [groups, vocab] ── processors ── search ──▶ next tokens, beam_idx
//!    ▲                                               │ fan_out(copies) once, then reorder(beam_idx)
//!    └────────────── TextDecoder::step ◀─────────────┘ the only loop, until every group is done
//! ```

mod beam;
mod candidate;
mod config;
mod hypothesis;
mod nucleus;
mod processor;
mod random;
mod row;
mod run;
mod score;
mod softmax;
mod transformers4;
mod transformers5;

pub use config::{BeamSearch, BeamSemantics, EarlyStopping, GenerationConfig, Sampling, Search};
pub use hypothesis::{FinishReason, Hypothesis};
pub use run::{TokenEvent, generate};
pub(crate) use score::first_token_probabilities;
pub use score::{TextScore, score_texts};
