//! Operations that look each sample up in a table: contrast, histogram, brightness.
//!
//! ```text
//! channel ─ darkest and lightest, or histogram ─▶ table [256] ─▶ every sample through the table
//! ```
//!
//! Source: salesforce/BLIP@056a169 `transform/randaugment.py` `autocontrast_func`, `equalize_func` and
//! `brightness_func`; for [`AutoContrast::Pillow`] the behaviour of Pillow's `ImageOps.autocontrast`.

use blip_processor::RgbImage;

use crate::flip::picture;

/// How samples are stretched to 0..=255 when the darkest of them is not 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AutoContrast {
    /// As the original runs, and BLIP was trained: **the channel becomes white**, every sample of it 255. Meant is
    /// what [`Pillow`](Self::Pillow) does; but the darkest sample is negated as an unsigned byte, so that 20 becomes
    /// 236 and the offset points the wrong way (`randaugment.py:28`). A channel whose darkest sample is 0 is stretched
    /// as meant.
    #[default]
    Original,

    /// As meant, and as Pillow's `ImageOps.autocontrast`: the darkest sample of the channel becomes 0, the lightest
    /// 255.
    Pillow,
}

/// A table for each of red, green and blue.
type Tables = [[u8; 256]; 3];

/// Every sample through its channel's table.
fn look_up(image: RgbImage, tables: &Tables) -> RgbImage {
    let (width, height) = (image.width(), image.height());
    let mut bytes = image.into_bytes();
    for pixel in bytes.as_chunks_mut::<3>().0 {
        for (sample, table) in pixel.iter_mut().zip(tables) {
            *sample = table[usize::from(*sample)];
        }
    }
    picture(width, height, bytes)
}

fn table(entry: impl FnMut(u8) -> u8) -> [u8; 256] {
    let mut samples: [u8; 256] = std::array::from_fn(|sample| sample as u8);
    samples = samples.map(entry);
    samples
}

/// How often each value stands in each channel.
fn histograms(image: &RgbImage) -> [[u64; 256]; 3] {
    let mut counts = [[0; 256]; 3];
    for pixel in image.as_bytes().as_chunks::<3>().0 {
        for (counts, sample) in counts.iter_mut().zip(pixel) {
            counts[usize::from(*sample)] += 1;
        }
    }
    counts
}

/// Stretches each channel to 0..=255.
pub(crate) fn autocontrast(image: RgbImage, kind: AutoContrast) -> RgbImage {
    let tables = histograms(&image).map(|counts| {
        let low = counts.iter().position(|count| *count > 0).unwrap_or(0) as u8;
        let high = counts.iter().rposition(|count| *count > 0).unwrap_or(0) as u8;
        if high <= low {
            return table(|sample| sample);
        }
        let scale = 255.0 / f64::from(high - low);
        let offset = match kind {
            AutoContrast::Original => f64::from(low.wrapping_neg()) * scale,
            AutoContrast::Pillow => -f64::from(low) * scale,
        };
        // Conversion truncates and saturates.
        table(|sample| (f64::from(sample) * scale + offset) as u8)
    });
    look_up(image, &tables)
}

/// Spreads each channel so that its values are used about equally often.
///
/// Counts are whole here and 32-bit floats in the original: the same up to 2^24 pixels.
pub(crate) fn equalize(image: RgbImage) -> RgbImage {
    let tables = histograms(&image).map(|counts| {
        let highest = counts.iter().rposition(|count| *count > 0).unwrap_or(0);
        let step = counts[..highest].iter().sum::<u64>() / 255;
        if step == 0 {
            return table(|sample| sample);
        }
        let mut sum = step / 2;
        table(|sample| {
            let entry = (sum / step).min(255) as u8;
            sum += counts[usize::from(sample)];
            entry
        })
    });
    look_up(image, &tables)
}

/// Multiplies every sample, in 32-bit floats, and truncates.
pub(crate) fn brightness(image: RgbImage, factor: f64) -> RgbImage {
    let factor = factor as f32;
    let table = table(|sample| (f32::from(sample) * factor) as u8);
    look_up(image, &[table; 3])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row whose three channels are equal.
    fn grey(samples: &[u8]) -> RgbImage {
        let bytes = samples.iter().flat_map(|sample| [*sample; 3]).collect();
        RgbImage::new(samples.len(), 1, bytes).unwrap()
    }

    fn red(image: &RgbImage) -> Vec<u8> {
        image.as_bytes().iter().copied().step_by(3).collect()
    }

    #[test]
    fn the_original_whitens_a_channel_without_black() {
        let image = grey(&[20, 30, 70]);
        assert_eq!(
            red(&autocontrast(image.clone(), AutoContrast::Original)),
            [255; 3]
        );
        assert_eq!(red(&autocontrast(image, AutoContrast::Pillow)), [0, 51, 255]);
        let image = grey(&[0, 30, 51]);
        for kind in [AutoContrast::Original, AutoContrast::Pillow] {
            assert_eq!(red(&autocontrast(image.clone(), kind)), [0, 150, 255]);
            assert_eq!(autocontrast(grey(&[7, 7]), kind), grey(&[7, 7]));
        }
    }

    #[test]
    fn a_channel_of_few_pixels_is_not_equalized() {
        let image = grey(&[1, 2, 3]);
        assert_eq!(equalize(image.clone()), image);
        let mut samples = vec![10; 255];
        samples.push(200);
        assert_eq!(red(&equalize(grey(&samples)))[254..], [0, 255]);
    }

    #[test]
    fn brightness_saturates() {
        assert_eq!(red(&brightness(grey(&[0, 10, 200]), 1.9)), [0, 19, 255]);
        assert_eq!(red(&brightness(grey(&[0, 10, 200]), -1.0)), [0, 0, 0]);
        assert_eq!(red(&brightness(grey(&[0, 10]), f64::NAN)), [0, 0]);
    }
}
