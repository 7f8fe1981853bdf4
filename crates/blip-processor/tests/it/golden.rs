//! Reads the goldens that `tests/goldens/make_goldens.py` makes.

use blip_processor::RgbImage;
use serde_json::Value;

/// A file of `tests/goldens`.
pub(crate) fn read(name: &str) -> Value {
    let path = format!("{}/tests/goldens/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// One of the example pictures.
pub(crate) fn example_picture(name: &str) -> Vec<u8> {
    let path = format!("{}/../../examples/images/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).unwrap()
}

/// The list under a key.
pub(crate) fn list<'a>(golden: &'a Value, key: &str) -> &'a [Value] {
    let list = golden[key].as_array().unwrap();
    assert!(!list.is_empty());
    list
}

pub(crate) fn text<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key].as_str().unwrap()
}

pub(crate) fn number(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

/// `[width, height]`, as Pillow orders them.
pub(crate) fn size(value: &Value) -> [usize; 2] {
    [number(&value[0]), number(&value[1])]
}

/// 64-bit FNV-1a, as the generator writes it.
pub(crate) fn fnv1a(bytes: impl IntoIterator<Item = u8>) -> String {
    let hash = bytes.into_iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

pub(crate) fn fnv1a_f32(values: &[f32]) -> String {
    fnv1a(values.iter().flat_map(|value| value.to_le_bytes()))
}

pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks_exact(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// The generator's noise picture; `stark` makes it black and white for the largest overshoot.
pub(crate) fn noise([width, height]: [usize; 2], seed: usize, stark: bool) -> RgbImage {
    let mut state = seed as u32;
    let samples = (0..width * height * 3).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let sample = (state >> 24) as u8;
        if stark {
            if sample >= 128 { 255 } else { 0 }
        } else {
            sample
        }
    });
    RgbImage::new(width, height, samples.collect()).unwrap()
}
