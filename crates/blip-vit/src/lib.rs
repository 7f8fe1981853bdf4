//! BLIP's image encoder: a Vision Transformer, on Burn.
//!
//! For whoever wants BLIP's image embeddings in a Burn program, with no text part and no image decoder: this crate,
//! and `blip-weights` to fill it from a checkpoint. Users of a whole BLIP want `blip-core`.
//!
//! ```text
//! [batch, 3, 384, 384] ─ PatchEmbed ─▶ [batch, 576, 768] ─ cls_token, pos_embed ─▶ [batch, 577, 768]
//!     ─ Block × 12 ─ LayerNorm ─▶ [batch, 577, 768], of which token 0 stands for the whole picture
//! ```
//!
//! # Example
//!
//! ```
//! use blip_traits::{ImageEncoder, PixelValues};
//! use blip_vit::{VisionTransformer, VitConfig};
//!
//! let device = burn::tensor::Device::flex();
//! let vit = VisionTransformer::new(&VitConfig::tiny(), &device)?;
//! let picture = PixelValues::new(vec![0.5; 3 * 32 * 32], [1, 32, 32])?;
//! assert_eq!(vit.encode(&picture)?.shape(), [1, 17, 32]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Sources: timm 0.4.12 `vision_transformer.py` as salesforce/BLIP@056a169 `models/vit.py` uses it; transformers 5.23
//! `models/blip/modeling_blip.py`.

mod attention;
mod block;
mod config;
mod error;
mod patch;
mod position;
mod transformer;

pub use attention::Attention;
pub use block::Block;
pub use config::VitConfig;
pub use error::VitError;
pub use patch::{PatchEmbed, PatchProjection};
pub use position::interpolate_pos_embed;
pub use transformer::{HUGGING_FACE_KEYS, VisionTransformer};
