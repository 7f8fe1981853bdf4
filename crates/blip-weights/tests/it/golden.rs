//! The files beside this test, and what torch read back from them.

use std::path::PathBuf;

use blip_weights::{Checkpoint, DType};

/// Every file that holds the state dict, and the element type of its floats.
pub(crate) const STATE_FILES: [(&str, DType); 10] = [
    ("model.safetensors", DType::F32),
    ("sharded", DType::F32),
    ("pytorch_model.bin", DType::F32),
    ("wrapped.pth", DType::F32),
    ("legacy.pth", DType::F32),
    ("state_dict.pt", DType::F32),
    ("f16.safetensors", DType::F16),
    ("bf16.bin", DType::BF16),
    ("f64.bin", DType::F64),
    ("f64.safetensors", DType::F64),
];

pub(crate) fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/goldens")
        .join(name)
}

pub(crate) fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).expect("a golden file")
}

pub(crate) fn open(name: &str) -> Checkpoint {
    Checkpoint::open(path(name)).unwrap_or_else(|error| panic!("{name}: {error:?}"))
}

/// Name, shape and values of each tensor in `part` (`state`, `views`), sorted by name.
pub(crate) fn expected(part: &str) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let json: serde_json::Value = serde_json::from_slice(&bytes("expected.json")).expect("JSON");
    let tensors: std::collections::BTreeMap<String, (Vec<usize>, Vec<f32>)> =
        serde_json::from_value(json[part].clone()).expect("names with shapes and values");
    tensors
        .into_iter()
        .map(|(name, (shape, values))| (name, shape, values))
        .collect()
}
