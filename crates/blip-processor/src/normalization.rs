//! Samples 0..=255 to the numbers that the image encoder takes.
//!
//! u8 [height, width, 3] ─ table of 256 values a channel ─▶ f32 [3, height, width]
//!
//! Every reference computes `(x / 255 - mean) / std` in f32, in one of two orders. A sample has 256 values: a table
//! makes either exact, and as fast as a look-up.

use crate::RgbImage;

/// OpenAI CLIP's mean of red, green and blue, which BLIP normalises with.
pub const CLIP_MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];

/// OpenAI CLIP's standard deviation of red, green and blue, which BLIP normalises with.
// The digits are those of every configuration file.
#[allow(clippy::excessive_precision)]
pub const CLIP_STD: [f32; 3] = [0.268_629_54, 0.261_302_58, 0.275_777_11];

/// Whose arithmetic turns a sample into a pixel value.
///
/// The two agree to a few units in the last place; no caption depends on it, golden values do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Normalization {
    /// `(x / 255 - mean) / std`: torchvision's `ToTensor` and `Normalize`, as salesforce/BLIP@056a169
    /// `data/__init__.py` does.
    ///
    /// Hugging Face's Pillow processor (the one of transformers 4.x, and 5.23 `BlipImageProcessorPil`) multiplies by
    /// 1 / 255 in f64 and rounds to f32, which gives the same bits for every sample.
    #[default]
    #[doc(alias = "BlipImageProcessorPil")]
    Salesforce,

    /// `(x - 255 mean) / (255 std)`: Hugging Face's torchvision processor, the default of transformers 5
    /// (`image_processing_backends.py` `rescale_and_normalize`).
    ///
    /// That processor also resizes with an arithmetic of its own, whose samples differ from Pillow's by one or two
    /// levels here and there; only pictures that already have the size come out with its very bits.
    #[doc(alias = "BlipImageProcessorFast")]
    HuggingFace,
}

impl Normalization {
    /// The pixel value of one sample.
    fn apply(self, sample: u8, mean: f32, std: f32) -> f32 {
        let sample = f32::from(sample);
        match self {
            Self::Salesforce => (sample / 255.0 - mean) / std,
            Self::HuggingFace => (sample - mean * 255.0) / (std * 255.0),
        }
    }
}

/// The pixel value of every sample of every channel.
#[derive(Clone, Debug)]
pub(crate) struct PixelTable([[f32; 256]; 3]);

impl PixelTable {
    pub(crate) fn new(normalization: Normalization, mean: [f32; 3], std: [f32; 3]) -> Self {
        Self(std::array::from_fn(|channel| {
            std::array::from_fn(|sample| normalization.apply(sample as u8, mean[channel], std[channel]))
        }))
    }

    /// `[height, width, 3]` to `[3, height, width]`.
    pub(crate) fn apply(&self, image: &RgbImage) -> Vec<f32> {
        let pixels = image.as_bytes().as_chunks::<3>().0;
        let mut values = Vec::with_capacity(image.as_bytes().len());
        for (channel, table) in self.0.iter().enumerate() {
            values.extend(pixels.iter().map(|pixel| table[usize::from(pixel[channel])]));
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_follow_each_other() {
        let image = RgbImage::new(2, 1, vec![0, 1, 2, 255, 254, 253]).unwrap();
        let values = PixelTable::new(Normalization::Salesforce, [0.0; 3], [1.0; 3]).apply(&image);
        assert_eq!(values.map_to_samples(), [0, 255, 1, 254, 2, 253]);
    }

    #[test]
    fn the_references_differ_in_the_last_bits_only() {
        let [salesforce, hugging_face] = [Normalization::Salesforce, Normalization::HuggingFace]
            .map(|normalization| PixelTable::new(normalization, CLIP_MEAN, CLIP_STD).0);
        let mut unequal = 0;
        for (left, right) in salesforce.iter().flatten().zip(hugging_face.iter().flatten()) {
            assert!((left - right).abs() <= 4.0 * f32::EPSILON, "{left} {right}");
            unequal += usize::from(left != right);
        }
        assert!(unequal > 0);
    }

    #[test]
    fn division_by_255_equals_the_product_in_f64() {
        for sample in 0..=255_u8 {
            let product = (f64::from(sample) * 0.003_921_568_627_450_98) as f32;
            assert_eq!(f32::from(sample) / 255.0, product);
        }
    }

    trait Samples {
        fn map_to_samples(&self) -> Vec<u8>;
    }

    impl Samples for Vec<f32> {
        fn map_to_samples(&self) -> Vec<u8> {
            self.iter().map(|value| (value * 255.0).round() as u8).collect()
        }
    }
}
