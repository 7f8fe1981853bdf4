//! The layers that BLIP's three networks share, on Burn.
//!
//! For whoever builds or changes one of the networks; users of a whole BLIP want `blip-core`.
//!
//! ```text
//!             ┌─ ViT block ──── LayerNorm ─ qkv Linear ─ attend ─ Linear ─ + ─ LayerNorm ─ Mlp ─ +      (pre-norm)
//! Linear, ────┤
//! LayerNorm   └─ BERT layer ─── qkv Linear ─ attend (KvCache) ─ Linear ─ + ─ LayerNorm
//!                               query Linear ─ attend (CrossKeyValue) ─ Linear ─ + ─ LayerNorm          (post-norm)
//!                               Mlp ─ + ─ LayerNorm
//! ```
//!
//! Weights are stored as they are multiplied: every [`Linear`] is contiguous `[in, out]`, queries, keys and values
//! are one matrix, and what a request grows ([`KvCache`], [`CrossKeyValue`]) is the caller's.
//!
//! Layers trust their input: a tensor of another shape than the docs say panics, as Burn does. The networks check
//! what comes from outside, with [`check_sizes`], [`BertEmbeddings::read_ids`] and [`check_context`].
//!
//! # Example
//!
//! ```
//! use blip_nn::{Bert, BertConfig};
//! use burn::tensor::{Int, Tensor};
//!
//! let device = burn::tensor::Device::flex();
//! let bert = Bert::new(&BertConfig::tiny(), &device);
//! let input_ids = Tensor::<2, Int>::from_ints([[5, 6, 7]], &device);
//! let hidden = bert.forward(input_ids, None, None);
//! assert_eq!(hidden.dims(), [1, 3, 32]);
//! ```

mod attention;
mod bert;
mod cache;
#[cfg(feature = "flex")]
mod cpu;
mod dropout;
mod linear;
mod mlp;
mod norm;
mod packed;
mod size;

#[cfg(feature = "flex")]
pub use blip_kernels::{ThreadsError, set_num_threads};

pub use attention::{attend, attend_with_dropout, hide_mask, merge_heads, split_fused, split_heads};
pub use bert::{
    BERT_KEYS, Bert, BertConfig, BertEmbeddings, BertLayer, ContextAttention, CrossAttention, SelfAttention,
    Sight, check_context,
};
pub use cache::{CrossKeyValue, KvCache};
pub use dropout::{TextDropout, drop_path};
pub use linear::Linear;
pub use mlp::Mlp;
pub use norm::LayerNorm;
pub use packed::{Packed, Packing, Precision, Then, WeightOutputs, WeightSource, is_packable, on_workers};
pub use size::{SizeError, check_sizes};
