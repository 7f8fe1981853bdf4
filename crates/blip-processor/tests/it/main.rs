//! Goldens, properties and hostile input of blip-processor.

mod golden;
mod hostile;
mod picture;
mod property;
mod text;
#[cfg(feature = "vocab")]
mod wordpiece;
