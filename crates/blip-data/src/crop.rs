//! A random part of a picture, of random size and shape.
//!
//! ```text
//! share of the area, aspect ratio ─▶ [height, width] ─ fits? ─▶ a place for it
//!            ▲                                          │ no, at most 10 times; then the middle
//!            └──────────────────────────────────────────┘
//! ```
//!
//! Source: torchvision 0.29 `RandomResizedCrop.get_params` and `resized_crop` of PIL pictures, which
//! salesforce/BLIP@056a169 `data/__init__.py` `transform_train` begins with.

use blip_processor::{PassOrder, RgbImage, resize_bicubic};

use crate::flip::picture;
use crate::{DataError, Random};

/// How often a size is drawn before the middle is taken.
const ATTEMPTS: usize = 10;

/// A part of a picture, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CropBox {
    /// Rows above it.
    pub top: usize,
    /// Columns to the left of it.
    pub left: usize,
    /// Rows of it.
    pub height: usize,
    /// Columns of it.
    pub width: usize,
}

impl CropBox {
    /// The pixels of the box.
    ///
    /// # Shapes
    ///
    /// - image: `[height, width, 3]`, u8
    /// - result: `[self.height, self.width, 3]`, u8
    ///
    /// # Errors
    ///
    /// [`DataError::CropBox`] if the box is empty or reaches beyond the picture.
    pub fn crop(&self, image: &RgbImage) -> Result<RgbImage, DataError> {
        let fits = |start: usize, length: usize, limit: usize| {
            length > 0 && start.checked_add(length).is_some_and(|end| end <= limit)
        };
        if !fits(self.top, self.height, image.height()) || !fits(self.left, self.width, image.width()) {
            return Err(DataError::CropBox {
                crop: *self,
                width: image.width(),
                height: image.height(),
            });
        }
        let rows = image.as_bytes().chunks_exact(3 * image.width());
        let bytes = rows
            .skip(self.top)
            .take(self.height)
            .flat_map(|row| &row[3 * self.left..][..3 * self.width])
            .copied()
            .collect();
        Ok(picture(self.width, self.height, bytes))
    }

    /// The pixels of the box, resized to `[height, width]` as Pillow does it (bicubic). What lies outside of the box
    /// does not count.
    ///
    /// # Shapes
    ///
    /// - image: `[height, width, 3]`, u8
    /// - result: `[size[0], size[1], 3]`, u8
    ///
    /// # Errors
    ///
    /// [`DataError::CropBox`] as for [`crop`](Self::crop); [`DataError::Processor`] for a size that nothing is resized
    /// to.
    pub fn resized_crop(
        &self,
        image: &RgbImage,
        size: [usize; 2],
        order: PassOrder,
    ) -> Result<RgbImage, DataError> {
        Ok(resize_bicubic(&self.crop(image)?, size, order)?)
    }
}

/// Draws a part of a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RandomResizedCrop {
    scale: [f64; 2],
    ratio: [f64; 2],
}

impl RandomResizedCrop {
    /// Parts of `scale[0]..=scale[1]` of the area, 3/4 to 4/3 as wide as they are high.
    ///
    /// The original takes 0.5..=1 for fine-tuning and 0.2..=1 for pre-training.
    ///
    /// # Errors
    ///
    /// [`DataError::Parameter`] unless 0 < `scale[0]` <= `scale[1]`, both finite.
    pub fn new(scale: [f64; 2]) -> Result<Self, DataError> {
        Self {
            scale: range("scale", scale)?,
            ratio: [1.0, 1.0],
        }
        .with_ratio([3.0 / 4.0, 4.0 / 3.0])
    }

    /// With other shapes: widths by heights of `ratio[0]..=ratio[1]`, evenly spread as logarithms.
    ///
    /// # Errors
    ///
    /// [`DataError::Parameter`] unless 0 < `ratio[0]` <= `ratio[1]`, both finite.
    pub fn with_ratio(mut self, ratio: [f64; 2]) -> Result<Self, DataError> {
        self.ratio = range("ratio", ratio)?;
        Ok(self)
    }

    /// Draws a part of a picture of `[height, width]`.
    pub fn draw(&self, image: [usize; 2], random: &mut Random) -> CropBox {
        let [height, width] = image;
        for _ in 0..ATTEMPTS {
            let share = random.between(self.scale[0], self.scale[1]);
            let aspect = random.between(self.ratio[0].ln(), self.ratio[1].ln()).exp();
            if let Some([crop_height, crop_width]) = Self::size(image, share, aspect) {
                return CropBox {
                    top: random.below(height - crop_height + 1),
                    left: random.below(width - crop_width + 1),
                    height: crop_height,
                    width: crop_width,
                };
            }
        }
        self.middle(image)
    }

    /// `[height, width]` of a part that has a share of the area and an aspect ratio (width by height), if it fits.
    pub fn size([height, width]: [usize; 2], share: f64, aspect: f64) -> Option<[usize; 2]> {
        let area = height as f64 * width as f64 * share;
        // Python rounds halves to even.
        let crop_width = (area * aspect).sqrt().round_ties_even();
        let crop_height = (area / aspect).sqrt().round_ties_even();
        let fits = |side: f64, limit: usize| side >= 1.0 && side <= limit as f64;
        (fits(crop_width, width) && fits(crop_height, height))
            .then_some([crop_height as usize, crop_width as usize])
    }

    /// The largest part in the middle of a picture of `[height, width]` whose shape is allowed: what is taken if no
    /// draw fits.
    pub fn middle(&self, [height, width]: [usize; 2]) -> CropBox {
        let aspect = width as f64 / height as f64;
        let side = |length: f64, limit: usize| (length.round_ties_even() as usize).min(limit).max(1);
        let (crop_height, crop_width) = if aspect < self.ratio[0] {
            (side(width as f64 / self.ratio[0], height), width)
        } else if aspect > self.ratio[1] {
            (height, side(height as f64 * self.ratio[1], width))
        } else {
            (height, width)
        };
        CropBox {
            top: (height - crop_height) / 2,
            left: (width - crop_width) / 2,
            height: crop_height,
            width: crop_width,
        }
    }
}

impl Default for RandomResizedCrop {
    /// At least half of the area, as for fine-tuning.
    fn default() -> Self {
        Self {
            scale: [0.5, 1.0],
            ratio: [3.0 / 4.0, 4.0 / 3.0],
        }
    }
}

fn range(name: &'static str, [low, high]: [f64; 2]) -> Result<[f64; 2], DataError> {
    if low > 0.0 && low <= high && high.is_finite() {
        return Ok([low, high]);
    }
    Err(DataError::Parameter {
        name,
        expected: "two finite numbers above 0, the second not below the first",
        got: format!("[{low}, {high}]"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_spread_as_torchvisions() {
        let crop = RandomResizedCrop::default();
        let (height, width) = (400, 400);
        let mut random = Random::new(11);
        let boxes: Vec<CropBox> = (0..20_000)
            .map(|_| crop.draw([height, width], &mut random))
            .collect();
        let mean = |of: &dyn Fn(&CropBox) -> f64| boxes.iter().map(of).sum::<f64>() / boxes.len() as f64;
        let area = mean(&|part| (part.height * part.width) as f64 / (height * width) as f64);
        let aspect = mean(&|part| (part.width as f64 / part.height as f64).ln());
        // Of 200,000 boxes that torchvision 0.29 drew, the share's mean was 0.6930 and its deviation 0.1188; the
        // aspect's logarithm had 0.0000 and 0.1515. Bounds are six standard deviations of the mean of 20,000.
        assert!((area - 0.6930).abs() < 0.005, "{area}");
        assert!(aspect.abs() < 0.0065, "{aspect}");
        // Where there is room, every place is as likely.
        let place = mean(&|part| (part.top as f64 + 0.5) / (height - part.height + 1) as f64);
        assert!((place - 0.5).abs() < 0.015, "{place}");
        let place = mean(&|part| (part.left as f64 + 0.5) / (width - part.width + 1) as f64);
        assert!((place - 0.5).abs() < 0.015, "{place}");
        for part in boxes {
            assert!(part.top + part.height <= height && part.left + part.width <= width);
            let share = (part.height * part.width) as f64 / (height * width) as f64;
            assert!((0.495..=1.0).contains(&share), "{part:?}");
        }
    }

    #[test]
    fn a_box_beyond_the_picture_is_refused() {
        let image = RgbImage::new(4, 3, (0..36).collect()).unwrap();
        let whole = CropBox {
            top: 0,
            left: 0,
            height: 3,
            width: 4,
        };
        assert_eq!(whole.crop(&image).unwrap(), image);
        let part = CropBox {
            top: 1,
            left: 2,
            height: 2,
            width: 1,
        };
        assert_eq!(part.crop(&image).unwrap().as_bytes(), [18, 19, 20, 30, 31, 32]);
        for part in [
            CropBox { height: 0, ..whole },
            CropBox { width: 5, ..whole },
            CropBox { top: 1, ..whole },
            CropBox {
                left: usize::MAX,
                ..whole
            },
        ] {
            let error = part.crop(&image).unwrap_err().to_string();
            assert!(error.contains("4 x 3"), "{error}");
        }
        let error = whole
            .resized_crop(&image, [0, 4], PassOrder::default())
            .unwrap_err();
        assert!(matches!(error, DataError::Processor { .. }), "{error}");
    }

    #[test]
    fn every_picture_has_a_part() {
        let narrow = RandomResizedCrop::new([0.5, 1.0])
            .unwrap()
            .with_ratio([1e-9, 1e-8])
            .unwrap();
        let mut random = Random::new(2);
        for image in [[1, 1], [1, 1000], [1000, 1], [3, 2], [65_535, 1]] {
            for crop in [narrow, RandomResizedCrop::default()] {
                let part = crop.draw(image, &mut random);
                assert!(part.height >= 1 && part.top + part.height <= image[0], "{part:?}");
                assert!(part.width >= 1 && part.left + part.width <= image[1], "{part:?}");
            }
        }
    }

    #[test]
    fn ranges_that_mean_nothing_are_refused() {
        for range in [
            [0.0, 1.0],
            [1.0, 0.5],
            [f64::NAN, 1.0],
            [0.5, f64::INFINITY],
            [-1.0, 1.0],
        ] {
            assert!(RandomResizedCrop::new(range).is_err(), "{range:?}");
            assert!(
                RandomResizedCrop::default().with_ratio(range).is_err(),
                "{range:?}"
            );
        }
    }
}
