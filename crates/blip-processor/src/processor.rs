//! Pictures to pixel values.
//!
//! ```text
//! file ─▶ bytes ─ decode ─▶ RgbImage ─ resize, bicubic ─▶ u8 [height, width, 3] ─ normalise ─▶ f32 [1, 3, height, width]
//! ```
//!
//! Source: salesforce/BLIP@056a169 `demo.ipynb` `load_demo_image` and `data/__init__.py` `transform_test`; transformers
//! 5.23 `models/blip/image_processing_pil_blip.py`.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use blip_traits::PixelValues;

use crate::bicubic::MAX_RESIZED_SIDE;
use crate::decoder::decode;
use crate::normalization::PixelTable;
use crate::{ImageProcessorConfig, ProcessorError, RgbImage, resize_bicubic};

/// Makes what the image encoder takes out of a picture in any state: a file, its bytes, or decoded samples.
///
/// It holds no picture: one processor serves many threads. [`PixelValues::concat`] makes a batch of several results.
///
/// # Examples
///
/// ```
/// use blip_processor::{ImageProcessor, ImageProcessorConfig, RgbImage};
///
/// let processor = ImageProcessor::new(ImageProcessorConfig::new([384, 384]))?;
/// let grey = RgbImage::new(640, 480, vec![128; 640 * 480 * 3])?;
/// let pixel_values = processor.preprocess(&grey)?;
/// assert_eq!(pixel_values.shape(), [1, 3, 384, 384]);
/// # Ok::<(), blip_processor::ProcessorError>(())
/// ```
#[derive(Clone, Debug)]
#[doc(alias = "BlipImageProcessor")]
pub struct ImageProcessor {
    config: ImageProcessorConfig,
    table: PixelTable,
}

impl ImageProcessor {
    /// A processor.
    ///
    /// # Errors
    ///
    /// [`ProcessorError::TargetSize`] if a side of the size is 0 or above [`MAX_RESIZED_SIDE`];
    /// [`ProcessorError::Moments`] if the mean or the standard deviation gives no finite pixel values.
    pub fn new(config: ImageProcessorConfig) -> Result<Self, ProcessorError> {
        let [height, width] = config.size;
        if !(1..=MAX_RESIZED_SIDE).contains(&height) || !(1..=MAX_RESIZED_SIDE).contains(&width) {
            return Err(ProcessorError::TargetSize {
                width,
                height,
                limit: MAX_RESIZED_SIDE,
            });
        }
        for (name, got, nonzero) in [
            ("image_mean", config.mean, false),
            ("image_std", config.std, true),
        ] {
            if got
                .iter()
                .any(|value| !value.is_finite() || (nonzero && *value == 0.0))
            {
                return Err(ProcessorError::Moments { name, got });
            }
        }
        let table = PixelTable::new(config.normalization, config.mean, config.std);
        Ok(Self { config, table })
    }

    /// What it was made of.
    pub fn config(&self) -> &ImageProcessorConfig {
        &self.config
    }

    /// Reads, resizes and normalises a picture file: PNG, JPEG, WebP, GIF, BMP or TIFF by its content.
    ///
    /// # Shapes
    ///
    /// - output: `[1, 3, height, width]`
    ///
    /// # Errors
    ///
    /// What [`decode_file`](Self::decode_file) says.
    pub fn preprocess_file(&self, path: impl AsRef<Path>) -> Result<PixelValues, ProcessorError> {
        self.preprocess(&self.decode_file(path)?)
    }

    /// Decodes, resizes and normalises the bytes of a picture file.
    ///
    /// # Shapes
    ///
    /// - output: `[1, 3, height, width]`
    ///
    /// # Errors
    ///
    /// What [`decode`](Self::decode) says.
    pub fn preprocess_bytes(&self, bytes: &[u8]) -> Result<PixelValues, ProcessorError> {
        self.preprocess(&self.decode(bytes)?)
    }

    /// Resizes and normalises decoded samples.
    ///
    /// # Shapes
    ///
    /// - image: `[any height, any width, 3]`
    /// - output: `[1, 3, height, width]`
    ///
    /// # Errors
    ///
    /// None for now: [`new`](Self::new) has checked the size.
    pub fn preprocess(&self, image: &RgbImage) -> Result<PixelValues, ProcessorError> {
        let [height, width] = self.config.size;
        let resized = resize_bicubic(image, [height, width], self.config.pass_order)?;
        let values = self.table.apply(&resized);
        Ok(PixelValues::new(values, [1, height, width]).expect("the table gives three values a pixel"))
    }

    /// Reads and decodes a picture file, within the configuration's limits.
    ///
    /// # Errors
    ///
    /// [`ProcessorError::Io`] if the file cannot be read, and what [`decode`](Self::decode) says.
    pub fn decode_file(&self, path: impl AsRef<Path>) -> Result<RgbImage, ProcessorError> {
        let limit = self.config.limits.max_file_bytes;
        self.decode(&read_file(path.as_ref(), "picture", limit)?)
    }

    /// Decodes the bytes of a picture file, within the configuration's limits.
    ///
    /// # Errors
    ///
    /// [`ProcessorError::FileTooLarge`], [`UnknownFormat`](ProcessorError::UnknownFormat),
    /// [`TooManyPixels`](ProcessorError::TooManyPixels), [`NoPixels`](ProcessorError::NoPixels),
    /// [`Truncated`](ProcessorError::Truncated), [`Samples`](ProcessorError::Samples), or
    /// [`Decode`](ProcessorError::Decode) for whatever else is wrong with the picture.
    pub fn decode(&self, bytes: &[u8]) -> Result<RgbImage, ProcessorError> {
        let config = &self.config;
        decode(bytes, &config.limits, config.alpha, config.exif_orientation)
    }
}

/// A file's bytes, unless there are more than `limit`.
pub(crate) fn read_file(path: &Path, name: &'static str, limit: u64) -> Result<Vec<u8>, ProcessorError> {
    let failed = |source| ProcessorError::Io {
        path: path.into(),
        source,
    };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(ProcessorError::FileTooLarge { name, limit });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_that_cannot_work_is_refused() {
        for size in [[0, 384], [384, 0], [MAX_RESIZED_SIDE + 1, 1]] {
            let error = ImageProcessor::new(ImageProcessorConfig::new(size)).unwrap_err();
            assert!(matches!(error, ProcessorError::TargetSize { .. }), "{error}");
        }
        let mut config = ImageProcessorConfig::new([1, 1]);
        config.std = [1.0, 0.0, 1.0];
        let error = ImageProcessor::new(config.clone()).unwrap_err().to_string();
        assert!(error.contains("image_std is [1.0, 0.0, 1.0]"), "{error}");
        config.std = [1.0; 3];
        config.mean[2] = f32::NAN;
        assert!(ImageProcessor::new(config).is_err());
    }

    #[test]
    fn a_missing_file_is_named() {
        let processor = ImageProcessor::new(ImageProcessorConfig::new([1, 1])).unwrap();
        let error = processor.preprocess_file("no/such.png").unwrap_err().to_string();
        assert!(error.contains("no/such.png"), "{error}");
    }
}
