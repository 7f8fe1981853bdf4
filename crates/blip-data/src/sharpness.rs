//! Sharpness: a picture mixed with its blurred self.
//!
//! ```text
//! image ─ 3 x 3 mean with 5 in the middle, of 13 ─▶ blurred ─┐
//!   └──────────────────────────────────────────────────────┴▶ blurred + factor * (image - blurred)
//! ```
//!
//! Source: salesforce/BLIP@056a169 `transform/randaugment.py` `sharpness_func`; OpenCV 4's `filter2D`.

use blip_processor::RgbImage;

use crate::flip::picture;

/// Blurs (a factor below 1) or sharpens (above 1). The outermost pixels stay as they are, but at 0, where the blurred
/// picture itself is the result.
///
/// As in the original, a result beyond 0..=255 is not clipped: above 255 it begins again at 0, which only a factor
/// above 1 can bring about. BLIP's level 5 is a factor of exactly 1.
pub(crate) fn sharpness(image: RgbImage, factor: f64) -> RgbImage {
    if factor == 1.0 {
        return image;
    }
    let (width, height) = (image.width(), image.height());
    if factor == 0.0 {
        let bytes = (0..height)
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .flat_map(|(x, y)| blurred(&image, x, y))
            .collect();
        return picture(width, height, bytes);
    }
    let factor = factor as f32;
    let mut bytes = image.as_bytes().to_vec();
    for y in 1..height.saturating_sub(1) {
        for x in 1..width.saturating_sub(1) {
            let start = 3 * (y * width + x);
            for (sample, blurred) in bytes[start..start + 3].iter_mut().zip(blurred(&image, x, y)) {
                let blurred = f32::from(blurred);
                let mixed = blurred + factor * (f32::from(*sample) - blurred);
                // Truncated to 32 bits, of which the lowest 8 are kept, as NumPy does.
                *sample = mixed as i32 as u8;
            }
        }
    }
    picture(width, height, bytes)
}

/// The weighted mean around a pixel, rounded. Beyond an edge the picture is mirrored at its outermost pixels.
fn blurred(image: &RgbImage, x: usize, y: usize) -> [u8; 3] {
    let (width, height) = (image.width(), image.height());
    let mut sums = [0_u32; 3];
    for (row, row_weights) in around(y, height)
        .into_iter()
        .zip([[1, 1, 1], [1, 5, 1], [1, 1, 1]])
    {
        for (column, weight) in around(x, width).into_iter().zip(row_weights) {
            let start = 3 * (row * width + column);
            for (sum, sample) in sums.iter_mut().zip(&image.as_bytes()[start..]) {
                *sum += weight * u32::from(*sample);
            }
        }
    }
    // A thirteenth is never half-way between two numbers: OpenCV's floats round to the same.
    sums.map(|sum| ((2 * sum + 13) / 26) as u8)
}

/// The places before, at and after one.
fn around(place: usize, length: usize) -> [usize; 3] {
    let last = length - 1;
    let before = if place > 0 { place - 1 } else { 1.min(last) };
    let after = if place < last {
        place + 1
    } else {
        last.saturating_sub(1)
    };
    [before, place, after]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overshoot_begins_again() {
        let mut bytes = vec![0; 27];
        bytes[12..15].fill(255);
        let image = RgbImage::new(3, 3, bytes).unwrap();
        // 98 + 1.9 * (255 - 98) = 396.3, and 396 - 256 = 140.
        assert_eq!(sharpness(image.clone(), 1.9).as_bytes()[12], 140);
        assert_eq!(sharpness(image.clone(), 0.5).as_bytes()[12], 176);
        assert_eq!(sharpness(image.clone(), 0.5).as_bytes()[0], 0);
        // The corner's blur sees the middle four times.
        assert_eq!(sharpness(image, 0.0).as_bytes()[0], 78);
    }

    #[test]
    fn the_smallest_pictures_are_safe() {
        for (width, height) in [(1, 1), (1, 5), (5, 1), (2, 2)] {
            let image = RgbImage::new(width, height, vec![9; 3 * width * height]).unwrap();
            for factor in [0.0, 0.1, 1.9, f64::NAN, f64::INFINITY] {
                assert_eq!(sharpness(image.clone(), factor), image);
            }
        }
    }
}
