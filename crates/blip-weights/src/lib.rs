//! Checkpoint files for BLIP: opened, checked, and loaded into Burn modules.
//!
//! For whoever loads, inspects, converts or writes weights. This crate knows files and modules and no model:
//! which name belongs where is data ([`KeyMap`]) that the crate with the model brings along.
//!
//! ```text
//!  file or folder                     names, types, shapes                        Burn module
//!  .safetensors  ──┐                                          KeyMap
//!  shards + index ─┼─ Checkpoint::open ─▶ Checkpoint ────── load_module ──────▶ M, LoadReport
//!  .pth .pt .bin ──┘                          │               │   all or nothing: missing, unexpected and
//!                                             └─ check ◀──────┘   misshapen tensors are one error
//!  .safetensors, .pth ◀─ CheckpointWriter ◀─ module_entries ◀──────────────────── M
//! ```
//!
//! Three decisions:
//!
//! - **Headers first.** Opening reads no weights. Everything that can be wrong with names, shapes and types is
//!   found before the first value is read, and reported together.
//! - **Strict.** A tensor that nobody wants is an error too, unless the key map names it and says why. That is
//!   how a momentum copy, the wrong task or a typing error in a key map shows at once.
//! - **No code from files.** PyTorch pickles are interpreted by a reader that knows tensors and nothing else.
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `hub` | no | `Hub`: downloads from the Hugging Face hub into its usual cache. Brings `ureq` and `rustls`, whose cryptography (`ring`) needs a C compiler to build; nothing else here does |
//!
//! # Example
//!
//! ```
//! use blip_weights::{Checkpoint, DType, KeyMap, load_module, save_module};
//! use burn::module::{Initializer, Module, Param};
//! use burn::tensor::{Device, Tensor};
//!
//! // The weight of a struct of this name is [in, out]; checkpoints have [out, in].
//! #[derive(Module, Debug)]
//! struct Linear {
//!     weight: Param<Tensor<2>>,
//!     bias: Param<Tensor<1>>,
//! }
//!
//! impl Linear {
//!     fn new(d_in: usize, d_out: usize, device: &Device) -> Self {
//!         let normal = Initializer::Normal { mean: 0.0, std: 0.02 };
//!         Self { weight: normal.init([d_in, d_out], device), bias: normal.init([d_out], device) }
//!     }
//! }
//!
//! #[derive(Module, Debug)]
//! struct Attention {
//!     qkv: Linear,
//! }
//!
//! let device = Device::default();
//! let keys = KeyMap::new().table("", "encoder.attention", &[("qkv", "self.{query,key,value}")]);
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("model.safetensors");
//!
//! let trained = Attention { qkv: Linear::new(4, 6, &device) };
//! save_module(&trained, &keys, DType::F32, &path)?;
//!
//! let checkpoint = Checkpoint::open(&path)?;
//! let query = checkpoint.tensor("encoder.attention.self.query.weight").expect("it was just written");
//! assert_eq!(query.shape, [2, 4]);
//!
//! let fresh = Attention { qkv: Linear::new(4, 6, &device) };
//! let (loaded, report) = load_module(&checkpoint, fresh, &keys, &device)?;
//! assert_eq!(report.loaded.len(), 6);
//! loaded.qkv.weight.val().into_data().assert_eq(&trained.qkv.weight.val().into_data(), true);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod checkpoint;
mod dtype;
mod error;
mod fit;
mod folder;
mod format;
#[cfg(feature = "hub")]
mod hub;
mod key_map;
mod layout;
mod load;
mod mismatch;
mod nearest;
mod pytorch_file;
mod pytorch_writer;
mod safetensors_file;
mod safetensors_writer;
mod save;
mod slot;
mod tensor;
mod writer;

pub use checkpoint::{Checkpoint, SCALE_SUFFIX};
pub use dtype::DType;
pub use error::WeightsError;
pub use fit::{LoadReport, check};
pub use folder::COMPANIONS;
#[cfg(feature = "hub")]
pub use hub::{Hub, Progress};
pub use key_map::KeyMap;
pub use load::{PromisedOutputs, Promises, load_module, load_module_packed};
pub use mismatch::{Mismatch, Misshapen, Missing};
pub use save::{module_entries, module_tensors, save_module};
pub use tensor::TensorInfo;
pub use writer::CheckpointWriter;
