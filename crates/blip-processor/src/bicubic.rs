//! Pillow's bicubic resize of 8-bit pictures, byte for byte.
//!
//! ```text
//! u8 [height, width, 3] ─ horizontal pass ─▶ u8 [height, new_width, 3] ─ vertical pass ─▶ u8 [new_height, new_width, 3]
//!                         (or the vertical pass first, see PassOrder)
//! ```
//!
//! Every output sample is a weighted mean of the input samples around it. The kernel is Keys' cubic with a = -0.5,
//! stretched by the scale when the picture shrinks, so that no input pixel is skipped. Three choices decide the bytes:
//! weights are normalised in f64 and then rounded to 22 fractional bits, sums are exact integers, and the result of
//! the first pass is rounded to u8 before the second. A pass whose axis keeps its length is left out.
//!
//! Source: the behaviour of Pillow 12 and 13 `Image.resize(size, BICUBIC)` (`ImagingResample` for 8-bit pictures),
//! which torchvision's `Resize` calls for PIL pictures.

use std::borrow::Cow;

use crate::{ProcessorError, RgbImage};

/// The longest side that a picture is resized to.
pub const MAX_RESIZED_SIDE: usize = 8192;

/// Fractional bits of a weight: 32, less 8 for the sample and 2 for sums above 1 and the sign.
const PRECISION: u32 = 22;

/// Which pass comes first. The rounding between the passes makes some samples differ by a level or two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PassOrder {
    /// The horizontal pass, always: Pillow up to 12, with which BLIP was trained and its numbers were published.
    Pillow12,

    /// The vertical pass, if rows become fewer and the height loses more than twice the pixels that the width loses:
    /// Pillow 13 (python-pillow/Pillow#9549). Portraits and small upright pictures are concerned; 2048 x 1365 is not.
    #[default]
    Pillow13,
}

impl PassOrder {
    fn vertical_first(self, image: &RgbImage, [height, width]: [usize; 2]) -> bool {
        let loss = |from: usize, to: usize| from as i64 - to as i64;
        let (rows, columns) = (loss(image.height(), height), loss(image.width(), width));
        self == Self::Pillow13 && rows > 0 && rows > 2 * columns
    }
}

/// Resizes a picture to `[height, width]` as Pillow does, keeping no aspect ratio.
///
/// # Errors
///
/// [`ProcessorError::TargetSize`] if a side is 0 or above [`MAX_RESIZED_SIDE`].
///
/// # Examples
///
/// ```
/// use blip_processor::{PassOrder, RgbImage, resize_bicubic};
///
/// let edge = RgbImage::new(2, 1, vec![0, 0, 0, 255, 255, 255])?;
/// let wide = resize_bicubic(&edge, [1, 4], PassOrder::default())?;
/// let red: Vec<u8> = wide.as_bytes().iter().copied().step_by(3).collect();
/// assert_eq!(red, [0, 53, 202, 255]);
/// # Ok::<(), blip_processor::ProcessorError>(())
/// ```
pub fn resize_bicubic(
    image: &RgbImage,
    [height, width]: [usize; 2],
    order: PassOrder,
) -> Result<RgbImage, ProcessorError> {
    let sides = 1..=MAX_RESIZED_SIDE;
    if !sides.contains(&width) || !sides.contains(&height) {
        return Err(ProcessorError::TargetSize {
            width,
            height,
            limit: MAX_RESIZED_SIDE,
        });
    }
    let resized = if order.vertical_first(image, [height, width]) {
        resize_rows(resize_columns(Cow::Borrowed(image), height), width)
    } else {
        resize_columns(resize_rows(Cow::Borrowed(image), width), height)
    };
    Ok(resized.into_owned())
}

/// The input samples that make one output sample.
struct Window {
    /// The first of them.
    start: usize,
    /// Their weights, in units of 2^-22.
    weights: Vec<i32>,
}

/// One window for every output sample of an axis.
fn windows(input: usize, output: usize) -> Vec<Window> {
    let scale = input as f64 / output as f64;
    let stretch = scale.max(1.0);
    let support = 2.0 * stretch;
    (0..output)
        .map(|index| {
            let center = (index as f64 + 0.5) * scale;
            // Conversion truncates and saturates at 0.
            let start = (center - support + 0.5) as usize;
            let end = ((center + support + 0.5) as usize).min(input);
            let weights: Vec<f64> = (start..end)
                .map(|sample| cubic((sample as f64 - center + 0.5) * stretch.recip()))
                .collect();
            let sum: f64 = weights.iter().sum();
            Window {
                start,
                weights: weights.iter().map(|weight| fixed(weight / sum)).collect(),
            }
        })
        .collect()
}

/// Keys' cubic convolution kernel with a = -0.5.
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

/// A weight in units of 2^-22, halves rounded away from zero.
fn fixed(weight: f64) -> i32 {
    let scaled = weight * f64::from(1 << PRECISION);
    (scaled + 0.5_f64.copysign(scaled)) as i32
}

/// The u8 nearest to a sum that began at [`HALF`].
fn round(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// One half in units of 2^-22.
const HALF: i32 = 1 << (PRECISION - 1);

/// Rows that the horizontal pass takes at once.
const ROWS: usize = 16;

/// The horizontal pass, `[height, width, 3]` to `[height, new_width, 3]`.
fn resize_rows(image: Cow<'_, RgbImage>, new_width: usize) -> Cow<'_, RgbImage> {
    let (width, height) = (image.width(), image.height());
    if width == new_width {
        return image;
    }
    let windows = windows(width, new_width);
    let mut output = vec![0; height * new_width * 3];
    // [width, ROWS, 3]: a weight meets neighbours in memory, which the CPU multiplies together.
    let mut columns = vec![[0_u8; 3 * ROWS]; width];
    let blocks = image.as_bytes().chunks(3 * width * ROWS);
    for (block, output) in blocks.zip(output.chunks_mut(3 * new_width * ROWS)) {
        for (lane, row) in block.chunks_exact(3 * width).enumerate() {
            for (column, pixel) in columns.iter_mut().zip(row.as_chunks::<3>().0) {
                column.as_chunks_mut::<3>().0[lane] = *pixel;
            }
        }
        for (x, window) in windows.iter().enumerate() {
            let mut sums = [HALF; 3 * ROWS];
            for (samples, &weight) in columns[window.start..].iter().zip(&window.weights) {
                add_weighted(&mut sums, samples, weight);
            }
            let column = sums.map(round);
            for (lane, row) in output.chunks_exact_mut(3 * new_width).enumerate() {
                row.as_chunks_mut::<3>().0[x] = column.as_chunks().0[lane];
            }
        }
    }
    Cow::Owned(RgbImage::from_parts(new_width, height, output))
}

/// One term of every weighted mean. Sums stay below 2^31: weights add up to 1, and their magnitudes to less than 2.
#[inline(always)]
fn add_weighted(sums: &mut [i32], samples: &[u8], weight: i32) {
    for (sum, &sample) in sums.iter_mut().zip(samples) {
        *sum = sum.wrapping_add(i32::from(sample).wrapping_mul(weight));
    }
}

/// The vertical pass, `[height, width, 3]` to `[new_height, width, 3]`.
fn resize_columns(image: Cow<'_, RgbImage>, new_height: usize) -> Cow<'_, RgbImage> {
    let (width, height) = (image.width(), image.height());
    if height == new_height {
        return image;
    }
    let row = width * 3;
    let mut output = vec![0; new_height * row];
    let mut sums = vec![0_i32; row];
    for (window, output) in windows(height, new_height)
        .iter()
        .zip(output.chunks_exact_mut(row))
    {
        sums.fill(HALF);
        let rows = image.as_bytes()[window.start * row..].chunks_exact(row);
        for (samples, &weight) in rows.zip(&window.weights) {
            add_weighted(&mut sums, samples, weight);
        }
        for (output, &sum) in output.iter_mut().zip(&sums) {
            *output = round(sum);
        }
    }
    Cow::Owned(RgbImage::from_parts(width, new_height, output))
}
