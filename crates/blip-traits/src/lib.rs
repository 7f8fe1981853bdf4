//! The contract between BLIP's parts.
//!
//! For whoever writes a part (an encoder of their own, a remote decoder, another tokenizer) or composes
//! parts into a task: narrow traits, and the values that pass between them. No model and no I/O lives here.
//!
//! ```text
//! PixelValues ─ ImageEncoder ─▶ HiddenStates ─┬─ TextDecoder::start ─▶ State ─ step(TokenBatch) ─▶ Logits
//!                                             └─ GroundedEncoder (TokenBatch) ─▶ HiddenStates
//! TokenBatch  ─ TextEncoder  ─▶ HiddenStates ─ Head ─▶ Features ─ VectorIndex ─▶ Neighbor
//! ```
//!
//! Three conventions hold everywhere and are converted in one named place each:
//!
//! - Masks say `true` = attend, as BLIP and Hugging Face do ([`AttentionMask`]). Burn says `true` = hide;
//!   `blip-nn` converts.
//! - What comes from or goes to the outside is on the host ([`PixelValues`], [`TokenBatch`], [`Logits`],
//!   [`Features`]), so an engine that is not Burn can stand in. Only [`HiddenStates`], which pass between networks, are tensors.
//! - A model holds weights and no request. Whatever grows during a request is a value of the caller
//!   ([`TextDecoder::State`], [`GroundedEncoder::Context`]), so that one model serves many threads.
//!
//! # Example
//!
//! ```
//! use blip_traits::{AttentionMask, TokenBatch};
//!
//! // Two questions of unequal length, padded on the right with 0.
//! let batch = TokenBatch::from_rows(&[vec![101, 2054, 102], vec![101, 102]], 0);
//! assert_eq!(batch.shape(), [2, 3]);
//! assert_eq!(batch.row(1), [101, 102, 0]);
//! assert_eq!(batch.attention_mask(), &AttentionMask::from_lengths(&[3, 2], 3));
//! ```

mod error;
mod features;
mod hidden;
mod index;
mod logits;
mod mask;
mod model;
mod pixel;
mod special;
mod token;
mod tokenizer;

pub use error::ModelError;
pub use features::Features;
pub use hidden::HiddenStates;
pub use index::{Neighbor, VectorIndex};
pub use logits::Logits;
pub use mask::AttentionMask;
pub use model::{DecoderState, GroundedEncoder, Head, ImageEncoder, PairEncoder, TextDecoder, TextEncoder};
pub use pixel::PixelValues;
pub use special::SpecialTokens;
pub use token::TokenBatch;
pub use tokenizer::Tokenizer;
