//! Scenes, texts and judgements of blip-demo, over thousands of seeds; and the trained model.

mod caption;
mod geometry;
#[cfg(feature = "weights")]
mod model;
mod pair;
mod question;
mod split;
mod statement;
