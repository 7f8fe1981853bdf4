//! Checkpoints of both references through the real key layouts, against what the references computed.
//!
//! `../goldens/README.md` says what was recorded and how to record it again.

mod caption;
#[cfg(feature = "hub")]
mod hub;
mod load;
mod network;
mod reference;
mod workspace;
