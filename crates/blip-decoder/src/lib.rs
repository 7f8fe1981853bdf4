//! BLIP's text decoder: a causal BERT that looks at a context while it writes, on Burn.
//!
//! For whoever wants the network alone; `blip-tasks` searches over it, and users of a whole BLIP want `blip-core`.
//! The context is a sequence of vectors with a mask: image tokens when captioning, the grounded question when
//! answering. The decoder does not know which.
//!
//! ```text
//! context [groups, tokens, width] ─ start ─▶ DecoderCache: cross K/V, once for each context
//! input_ids [rows, n] ─ step ─▶ Bert, causal, over its KvCache ─ LmHead ─▶ logits [rows, n, vocab_size]
//! ```
//!
//! # Example
//!
//! ```
//! use blip_decoder::TextDecoder;
//! use blip_nn::BertConfig;
//! use blip_traits::{DecoderState, HiddenStates, TextDecoder as _, TokenBatch};
//! use burn::tensor::{Device, Tensor};
//!
//! let device = Device::flex();
//! let decoder = TextDecoder::new(&BertConfig::tiny(), &device)?;
//! let picture = HiddenStates::new(Tensor::ones([1, 17, 32], &device));
//!
//! let mut state = decoder.start(&picture)?;
//! decoder.step(&TokenBatch::from_rows(&[[1, 2, 3]], 0), &mut state)?; // the prompt
//! state.fan_out(3); // three beams
//! let logits = decoder.step(&TokenBatch::column(&[4, 5, 6]), &mut state)?;
//! assert_eq!(logits.shape(), [3, 1, 64]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Sources: salesforce/BLIP@056a169 `models/med.py` `BertLMHeadModel`; transformers 5.23
//! `models/blip/modeling_blip_text.py`.

mod cache;
mod decoder;
mod head;

pub use cache::DecoderCache;
pub use decoder::{DECODER_FALLBACKS, DECODER_KEYS, TextDecoder};
pub use head::LmHead;
