//! The pictures that the benches show.

use std::path::Path;

use blip_core::{Captioner, PixelValues, RgbImage};

/// The bytes of the 512 x 512 sample picture.
///
/// # Panics
///
/// If the checkout has no `examples/images`.
pub fn astronaut_png() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/images/astronaut.png");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// That picture as a model takes it, `[1, 3, height, width]`.
///
/// # Panics
///
/// If the checkout has no `examples/images`.
pub fn pixel_values(captioner: &Captioner) -> PixelValues {
    captioner
        .processor()
        .preprocess_bytes(&astronaut_png())
        .expect("the sample picture is a PNG")
}

/// A picture of any size with slopes and edges in every channel.
///
/// # Panics
///
/// If a side is 0.
pub fn test_pattern(width: usize, height: usize) -> RgbImage {
    let samples = (0..height)
        .flat_map(|y| (0..width).flat_map(move |x| [x ^ y, x + 2 * y, 3 * x]))
        .map(|sample| sample as u8)
        .collect();
    RgbImage::new(width, height, samples).expect("three samples a pixel")
}
