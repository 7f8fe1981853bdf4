//! Goldens, closeness checks and fakes for the tests of the BLIP crates.
//!
//! For the crates' own tests; it is not published. The fakes implement the contract of `blip-traits` with numbers that
//! a test writes down, so that a task can be tested without a model:
//!
//! ```text
//! PixelValues (first pixel = context id) ─ ScriptedImageEncoder ─▶ HiddenStates (context id)
//! HiddenStates ─ ScriptedDecoder { script(context id, token prefix) ─▶ logits }
//! ids, context ids ─ ScriptedEncoder { script } ─▶ HiddenStates ─ ScriptedHead { script } ─▶ Features
//! text ◀─ WordTokenizer ─▶ ids
//! ```
//!
//! # Example
//!
//! ```
//! use blip_testkit::{ScriptedDecoder, context};
//! use blip_traits::{TextDecoder, TokenBatch};
//!
//! // A vocabulary of three; after the token 1 comes the context's own id.
//! let decoder = ScriptedDecoder::new(3, |context, prefix| match prefix {
//!     [1] => (0..3).map(|id| if id == context { 1.0 } else { 0.0 }).collect(),
//!     _ => vec![0.0; 3],
//! });
//! let mut state = decoder.start(&context(&[0, 2], &Default::default()))?;
//! let logits = decoder.step(&TokenBatch::column(&[1, 1]), &mut state)?;
//! assert_eq!(logits.last(0), [1.0, 0.0, 0.0]);
//! assert_eq!(logits.last(1), [0.0, 0.0, 1.0]);
//! # Ok::<(), blip_traits::ModelError>(())
//! ```

mod closeness;
mod decoder;
mod encoder;
mod golden;
mod image_encoder;
mod toy;
mod word_tokenizer;

pub use closeness::assert_close;
pub use decoder::{ScriptedDecoder, ScriptedState, context};
pub use encoder::{ScriptedEncoder, ScriptedHead};
pub use golden::Golden;
pub use image_encoder::{ScriptedImageEncoder, picture};
pub use toy::hashed_logits;
pub use word_tokenizer::WordTokenizer;
