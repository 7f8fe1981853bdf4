//! CPU kernels of BLIP's networks: slices in, slices out.
//!
//! For whoever runs a transformer on a plain CPU. Each kernel is one pass over memory with what surrounds it fused in; the
//! instruction set is chosen at run time, and a portable form of the same source runs everywhere.
//!
//! ```text
//! bias_gelu      [rows, width] + [width]          x + b, then x Φ(x)
//! layer_norm     [rows, width] (+ residual)       mean and variance of each row
//! softmax        [rows, width]                    of each row
//! attention      [batch, heads, tokens, head_dim] of each head, without a matrix of all scores
//! PackedWeight   [in, out] in f32, bf16 or int8   gelu(x W + b) + residual, of few rows (decoding) or many (pictures)
//! ```
//!
//! # Example
//!
//! ```
//! use blip_kernels::{Epilogue, PackedWeight, Precision};
//!
//! // [in, out] = [2, 3]
//! let weight = PackedWeight::new(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3], Precision::F32);
//! let mut output = [0.0; 3];
//! let epilogue = Epilogue { bias: Some(&[0.5, 0.5, 0.5]), ..Epilogue::default() };
//! weight.multiply(&[1.0, 10.0], epilogue, &mut output);
//! assert_eq!(output, [41.5, 52.5, 63.5]);
//! ```

mod attention;
mod epilogue;
mod gelu;
mod int8;
mod norm;
mod packed;
mod parallel;
mod rows;
#[cfg(test)]
mod sample;
mod softmax;
#[cfg(target_arch = "x86_64")]
mod tiles;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use attention::{Heads, Hidden, attention};
pub use epilogue::Epilogue;
pub use gelu::{bias_gelu, gelu};
pub use norm::layer_norm;
pub use packed::{PackedWeight, Precision};
pub use parallel::{ThreadsError, on_workers, set_num_threads};
pub use softmax::softmax;
