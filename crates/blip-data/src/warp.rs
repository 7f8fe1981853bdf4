//! Shear, translation and rotation: every pixel of the result looks where in the picture it comes from.
//!
//! ```text
//! [x, y] ─ inverse of the 2 x 3 matrix ─▶ place in steps of 1/32 pixel ─▶ weighted mean of the four pixels around it
//!                                                                        (grey 128 beyond the picture)
//! ```
//!
//! The arithmetic is OpenCV's fixed point, to the bit: the columns' and the row's part of a place are rounded to 1/1024
//! each, their sum to 1/32, and the mean is an exact integer rounded half up.
//!
//! Source: salesforce/BLIP@056a169 `transform/randaugment.py` `rotate_func`, `shear_x_func` and their like; the
//! behaviour of OpenCV 4's `warpAffine` (`INTER_LINEAR`, `BORDER_CONSTANT`) and `getRotationMatrix2D`. OpenCV 5
//! computes in floats and differs.

use blip_processor::RgbImage;

use crate::flip::picture;

/// What is seen beyond the picture. `randaugment.py` `replace_value`.
const FILL: u8 = 128;

/// Fractional bits of the parts of a place.
const PLACE_BITS: u32 = 10;

/// Fractional bits of a place: a pixel has 32 steps.
const STEP_BITS: u32 = 5;

/// Steps of a pixel.
const STEPS: i32 = 1 << STEP_BITS;

/// Where a pixel of the picture goes: `x' = m0 x + m1 y + m2`, `y' = m3 x + m4 y + m5`, in pixels.
type Matrix = [f64; 6];

pub(crate) fn shear_x(image: RgbImage, factor: f64) -> RgbImage {
    warp(image, [1.0, single(factor), 0.0, 0.0, 1.0, 0.0])
}

pub(crate) fn shear_y(image: RgbImage, factor: f64) -> RgbImage {
    warp(image, [1.0, 0.0, 0.0, single(factor), 1.0, 0.0])
}

pub(crate) fn translate_x(image: RgbImage, pixels: f64) -> RgbImage {
    warp(image, [1.0, 0.0, single(-pixels), 0.0, 1.0, 0.0])
}

pub(crate) fn translate_y(image: RgbImage, pixels: f64) -> RgbImage {
    warp(image, [1.0, 0.0, 0.0, 0.0, 1.0, single(-pixels)])
}

/// Turns the picture about its middle, counterclockwise.
pub(crate) fn rotate(image: RgbImage, degrees: f64) -> RgbImage {
    let (x, y) = (image.width() as f64 / 2.0, image.height() as f64 / 2.0);
    let radians = degrees * std::f64::consts::PI / 180.0;
    let (cos, sin) = (radians.cos(), radians.sin());
    let matrix = [
        cos,
        sin,
        (1.0 - cos) * x - sin * y,
        -sin,
        cos,
        sin * x + (1.0 - cos) * y,
    ];
    warp(image, matrix)
}

/// The original's matrices are of 32-bit floats, but the rotation's.
fn single(number: f64) -> f64 {
    f64::from(number as f32)
}

/// Where a pixel of the result comes from.
fn inverse([m0, m1, m2, m3, m4, m5]: Matrix) -> Matrix {
    let determinant = m0 * m4 - m1 * m3;
    let scale = if determinant == 0.0 {
        0.0
    } else {
        determinant.recip()
    };
    let [a0, a1, a3, a4] = [m4 * scale, m1 * -scale, m3 * -scale, m0 * scale];
    [a0, a1, -a0 * m2 - a1 * m5, a3, a4, -a3 * m2 - a4 * m5]
}

fn warp(image: RgbImage, matrix: Matrix) -> RgbImage {
    let (width, height) = (image.width(), image.height());
    let [m0, m1, m2, m3, m4, m5] = inverse(matrix);
    // Conversion saturates and sums wrap, so that no number panics.
    let place = |pixels: f64| (pixels * f64::from(1 << PLACE_BITS)).round_ties_even() as i32;
    let columns: Vec<[i32; 2]> = (0..width)
        .map(|x| [place(m0 * x as f64), place(m3 * x as f64)])
        .collect();
    let half_step = 1 << (PLACE_BITS - STEP_BITS - 1);
    let mut bytes = Vec::with_capacity(3 * width * height);
    for y in 0..height {
        let row =
            [m1 * y as f64 + m2, m4 * y as f64 + m5].map(|pixels| place(pixels).wrapping_add(half_step));
        for column in &columns {
            let [x, y] = [0, 1].map(|axis| row[axis].wrapping_add(column[axis]) >> (PLACE_BITS - STEP_BITS));
            bytes.extend(sampled(&image, x, y));
        }
    }
    picture(width, height, bytes)
}

/// The picture at a place in steps.
fn sampled(image: &RgbImage, x: i32, y: i32) -> [u8; 3] {
    let (left, top) = (x >> STEP_BITS, y >> STEP_BITS);
    let (right_weight, bottom_weight) = (x & (STEPS - 1), y & (STEPS - 1));
    let (left_weight, top_weight) = (STEPS - right_weight, STEPS - bottom_weight);
    let taps = [
        (left, top, left_weight * top_weight),
        (left + 1, top, right_weight * top_weight),
        (left, top + 1, left_weight * bottom_weight),
        (left + 1, top + 1, right_weight * bottom_weight),
    ];
    // Weights add up to 1024.
    let mut sums = [STEPS * STEPS / 2; 3];
    for (x, y, weight) in taps {
        for (sum, sample) in sums.iter_mut().zip(pixel(image, x, y)) {
            *sum += weight * i32::from(sample);
        }
    }
    sums.map(|sum| (sum >> (2 * STEP_BITS)) as u8)
}

fn pixel(image: &RgbImage, x: i32, y: i32) -> [u8; 3] {
    match (usize::try_from(x), usize::try_from(y)) {
        (Ok(x), Ok(y)) if x < image.width() && y < image.height() => {
            image.as_bytes().as_chunks().0[y * image.width() + x]
        }
        _ => [FILL; 3],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp() -> RgbImage {
        RgbImage::new(4, 2, (0..24).map(|sample| sample * 10).collect()).unwrap()
    }

    #[test]
    fn a_positive_translation_shows_what_lies_to_the_right() {
        let moved = translate_x(ramp(), 1.0);
        assert_eq!(moved.as_bytes()[..9], ramp().as_bytes()[3..12]);
        assert_eq!(moved.as_bytes()[9..12], [FILL; 3]);
        let moved = translate_y(ramp(), 1.0);
        assert_eq!(moved.as_bytes()[..12], ramp().as_bytes()[12..]);
        assert_eq!(moved.as_bytes()[12..], [FILL; 12]);
    }

    #[test]
    fn half_a_pixel_is_the_mean_rounded_up() {
        let image = RgbImage::new(2, 1, vec![0, 0, 0, 1, 3, 5]).unwrap();
        assert_eq!(translate_x(image, 0.5).as_bytes()[..3], [1, 2, 3]);
    }

    #[test]
    fn nothing_that_can_be_asked_for_panics() {
        for number in [0.0, 1e9, -1e9, 1e300, f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
            for warp in [shear_x, shear_y, translate_x, translate_y, rotate] {
                let image = warp(ramp(), number);
                assert_eq!((image.width(), image.height()), (4, 2));
            }
        }
        assert_eq!(rotate(ramp(), 0.0), ramp());
        assert_eq!(shear_x(ramp(), 0.0), ramp());
    }
}
