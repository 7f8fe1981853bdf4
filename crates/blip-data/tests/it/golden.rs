//! Reads the goldens that `tests/goldens/make_goldens.py` makes.

use blip_processor::{ImageProcessor, ImageProcessorConfig, RgbImage};
use serde_json::Value;

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/goldens/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// A JSON file of `tests/goldens`.
pub(crate) fn read(name: &str) -> Value {
    serde_json::from_slice(&bytes(name)).unwrap()
}

/// A picture of `tests/goldens`.
pub(crate) fn picture(name: &str) -> RgbImage {
    let processor = ImageProcessor::new(ImageProcessorConfig::new([1, 1])).unwrap();
    processor.decode(&bytes(name)).unwrap()
}

/// The pictures of a sheet, one below the other, each of as many rows.
pub(crate) fn sheet(name: &str, rows: usize) -> Vec<RgbImage> {
    let sheet = picture(name);
    let width = sheet.width();
    assert_eq!(sheet.height() % rows, 0);
    sheet
        .as_bytes()
        .chunks_exact(rows * width * 3)
        .map(|bytes| RgbImage::new(width, rows, bytes.to_vec()).unwrap())
        .collect()
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

pub(crate) fn number(case: &Value, key: &str) -> usize {
    case[key].as_u64().unwrap() as usize
}

/// A number that the generator wrote as a text: `serde_json` may be off by a bit.
pub(crate) fn exact(value: &Value) -> f64 {
    value.as_str().unwrap().parse().unwrap()
}

/// 64-bit FNV-1a, as the generator writes it.
pub(crate) fn fnv1a(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// The generator's noise picture.
pub(crate) fn noise(numbers: &Value) -> RgbImage {
    let [width, height, seed, low, high] =
        ["width", "height", "seed", "low", "high"].map(|key| number(numbers, key));
    let mut state = seed as u32;
    let samples = (0..width * height * 3).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (low + (state >> 16) as usize % (high - low + 1)) as u8
    });
    RgbImage::new(width, height, samples.collect()).unwrap()
}
