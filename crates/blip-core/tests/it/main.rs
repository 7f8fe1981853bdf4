//! Checkpoints of both references through the real key layouts, against what the references computed.
//!
//! `../goldens/README.md` says what was recorded and how to record it again.

mod answer;
mod caption;
mod feature;
#[cfg(feature = "hub")]
mod hub;
mod load;
mod matching;
mod network;
mod part;
mod reference;
mod workspace;
