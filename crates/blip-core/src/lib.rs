//! BLIP in Rust: captions, answers, matching and search from Hugging Face or original checkpoints
