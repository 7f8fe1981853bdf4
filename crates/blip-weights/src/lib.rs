//! Checkpoint files for BLIP: safetensors and PyTorch, key maps as data, strict loading with a report
