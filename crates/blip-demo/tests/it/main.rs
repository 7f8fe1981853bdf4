//! Scenes, texts and judgements of blip-demo, over thousands of seeds.

mod caption;
mod geometry;
mod pair;
mod question;
mod split;
mod statement;
