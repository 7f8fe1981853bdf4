//! BLIP's text encoder: a BERT that reads text alone, while looking at a picture, or while looking at two, on Burn.
//!
//! For whoever wants the network alone; `blip-tasks` answers, matches and searches with it, and users of a whole BLIP want
//! `blip-core`.
//!
//! ```text
//! text ─ TextEncoder ────────────────────────────▶ hidden_states [texts, length, hidden_size]      mode 'text'
//! image [images, tokens, width] ─ ground ─▶ GroundedContext: cross K/V, once for each picture
//! text, GroundedContext ─ TextEncoder ───────────▶ hidden_states                                   mode 'multimodal'
//! text, two images ─ PairEncoder ────────────────▶ hidden_states                                   NLVR2
//!                                                   └ token 0 ─ Linear or ClassHead ─▶ scores
//! ```
//!
//! # Example
//!
//! ```
//! use blip_encoder::TextEncoder;
//! use blip_nn::BertConfig;
//! use blip_traits::{GroundedEncoder, HiddenStates, TextEncoder as _, TokenBatch};
//! use burn::tensor::{Device, Tensor};
//!
//! let device = Device::flex();
//! let encoder = TextEncoder::new(&BertConfig::tiny(), &device)?;
//! let texts = TokenBatch::from_rows(&[vec![1, 2, 3], vec![1, 2]], 0); // padded, which changes nothing
//! assert_eq!(encoder.encode_text(&texts)?.shape(), [2, 3, 32]);
//!
//! let picture = HiddenStates::new(Tensor::ones([1, 17, 32], &device));
//! let context = encoder.ground(&picture)?; // once for both texts
//! assert_eq!(encoder.encode_grounded(&texts, &context)?.shape(), [2, 3, 32]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Sources: salesforce/BLIP@056a169 `models/med.py` `BertModel`, `models/nlvr_encoder.py`; transformers 5.23
//! `models/blip/modeling_blip_text.py`.

mod context;
mod encoder;
mod head;
mod pair;
mod twin;

pub use context::GroundedContext;
pub use encoder::TextEncoder;
pub use head::{CLASS_HEAD_KEYS, ClassHead};
pub use pair::{PAIR_KEYS, PairEncoder, PairLayer};
pub use twin::TwinCrossAttention;
