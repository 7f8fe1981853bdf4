//! Goldens, broken records, shards and determinism of blip-data.

mod archive;
mod augmentation;
mod crop;
mod fixture;
mod folder;
mod golden;
mod json;
mod record;
mod shard;
