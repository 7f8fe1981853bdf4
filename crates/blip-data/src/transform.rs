//! What training does to a picture before it is normalised.
//!
//! ```text
//! RgbImage ─ part of it ─▶ ─ resize, bicubic ─▶ ─ mirror? ─▶ ─ RandAugment ─▶ RgbImage of the model's size
//!            └───── TrainTransform::draw decides, TransformPlan::apply does ─────┘
//! ```
//!
//! Source: salesforce/BLIP@056a169 `data/__init__.py` `transform_train` and `transform_test`, short of `ToTensor` and
//! `Normalize`, which `blip_processor::ImageProcessor::preprocess` does.

use blip_processor::{PassOrder, RgbImage, resize_bicubic};

use crate::{Augmentation, CropBox, DataError, RandAugment, Random, RandomResizedCrop, flip_horizontal};

/// How pictures are changed in training.
///
/// # Left and right
///
/// A mirrored picture of a dog on the left shows one on the right. The original mirrors all the same: in captioning,
/// retrieval, question answering and pairs, words notwithstanding. [`original`](Self::original) does so too;
/// set `flip` to 0 where it matters.
///
/// # Examples
///
/// ```
/// use blip_data::{Random, TrainTransform};
/// use blip_processor::RgbImage;
///
/// let image = RgbImage::new(640, 480, vec![90; 640 * 480 * 3])?;
/// let transform = TrainTransform { flip: 0.0, ..TrainTransform::original(384) };
/// let (seed, epoch, index) = (42, 0, 17);
/// let augmented = transform.apply(&image, &mut Random::of_sample(seed, epoch, index))?;
/// assert_eq!((augmented.width(), augmented.height()), (384, 384));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[doc(alias = "transform_train")]
pub struct TrainTransform {
    /// `[height, width]` of the result, in pixels.
    pub size: [usize; 2],
    /// Which part of the picture is taken; all of it if none.
    pub crop: Option<RandomResizedCrop>,
    /// The probability of the mirror image.
    pub flip: f64,
    /// Which changes follow; none if none.
    pub randaugment: Option<RandAugment>,
    /// Which Pillow's resize to follow.
    pub pass_order: PassOrder,
}

impl TrainTransform {
    /// The original's for fine-tuning, to `size` x `size` pixels: a part of at least half of the area, mirrored half
    /// of the time, two operations of RandAugment. Pre-training takes a fifth of the area and more
    /// (`pretrain.py`): `crop: Some(RandomResizedCrop::new([0.2, 1.0])?)`.
    pub fn original(size: usize) -> Self {
        Self {
            crop: Some(RandomResizedCrop::default()),
            flip: 0.5,
            randaugment: Some(RandAugment::original()),
            ..Self::plain(size)
        }
    }

    /// No change but the size, `size` x `size` pixels: the original's `transform_test`.
    #[doc(alias = "transform_test")]
    pub fn plain(size: usize) -> Self {
        Self {
            size: [size, size],
            crop: None,
            flip: 0.0,
            randaugment: None,
            pass_order: PassOrder::default(),
        }
    }

    /// Decides what is done to a picture of `[height, width]`.
    pub fn draw(&self, image: [usize; 2], random: &mut Random) -> TransformPlan {
        TransformPlan {
            crop: self.crop.as_ref().map(|crop| crop.draw(image, random)),
            size: self.size,
            pass_order: self.pass_order,
            flip: random.coin(self.flip),
            augmentations: match &self.randaugment {
                Some(randaugment) => randaugment.draw(random),
                None => Vec::new(),
            },
        }
    }

    /// Decides, and does it.
    ///
    /// # Shapes
    ///
    /// - image: `[height, width, 3]`, u8
    /// - result: `[size[0], size[1], 3]`, u8
    ///
    /// # Errors
    ///
    /// [`DataError::Processor`] for a size that nothing is resized to: 0, or above
    /// [`MAX_RESIZED_SIDE`](blip_processor::MAX_RESIZED_SIDE).
    pub fn apply(&self, image: &RgbImage, random: &mut Random) -> Result<RgbImage, DataError> {
        self.draw([image.height(), image.width()], random).apply(image)
    }
}

/// What is done to one picture, with nothing left to chance.
#[derive(Clone, Debug, PartialEq)]
pub struct TransformPlan {
    /// Which part is taken; all of the picture if none.
    pub crop: Option<CropBox>,
    /// `[height, width]` that the part is resized to, in pixels.
    pub size: [usize; 2],
    /// Which Pillow's resize to follow.
    pub pass_order: PassOrder,
    /// Whether it is mirrored then.
    pub flip: bool,
    /// What is done then, in this order.
    pub augmentations: Vec<Augmentation>,
}

impl TransformPlan {
    /// Does it.
    ///
    /// # Shapes
    ///
    /// - image: `[height, width, 3]`, u8
    /// - result: `[size[0], size[1], 3]`, u8
    ///
    /// # Errors
    ///
    /// [`DataError::CropBox`] if the part reaches beyond the picture; [`DataError::Processor`] for a size that nothing
    /// is resized to.
    pub fn apply(&self, image: &RgbImage) -> Result<RgbImage, DataError> {
        let mut image = match &self.crop {
            Some(part) => part.resized_crop(image, self.size, self.pass_order)?,
            None => resize_bicubic(image, self.size, self.pass_order)?,
        };
        if self.flip {
            image = flip_horizontal(image);
        }
        Ok(self
            .augmentations
            .iter()
            .fold(image, |image, augmentation| augmentation.apply(image)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp() -> RgbImage {
        let samples = (0..20 * 30 * 3).map(|sample| (sample * 7 % 256) as u8).collect();
        RgbImage::new(30, 20, samples).unwrap()
    }

    #[test]
    fn the_same_seed_gives_the_same_picture() {
        let transform = TrainTransform::original(16);
        let at = |seed, epoch, index| {
            transform
                .apply(&ramp(), &mut Random::of_sample(seed, epoch, index))
                .unwrap()
        };
        assert_eq!(at(1, 2, 3), at(1, 2, 3));
        for other in [at(0, 2, 3), at(1, 0, 3), at(1, 2, 0)] {
            assert_ne!(other, at(1, 2, 3));
        }
    }

    #[test]
    fn plain_is_the_resize_alone() {
        let transform = TrainTransform::plain(16);
        let plain = transform.apply(&ramp(), &mut Random::new(0)).unwrap();
        assert_eq!(
            plain,
            resize_bicubic(&ramp(), [16, 16], PassOrder::default()).unwrap()
        );
    }

    #[test]
    fn half_of_the_pictures_are_mirrored_unless_it_is_switched_off() {
        let original = TrainTransform::original(16);
        let off = TrainTransform {
            flip: 0.0,
            ..original.clone()
        };
        let flips = |transform: &TrainTransform| {
            (0..10_000)
                .filter(|index| {
                    transform
                        .draw([20, 30], &mut Random::of_sample(1, 1, *index))
                        .flip
                })
                .count()
        };
        assert!(flips(&original).abs_diff(5000) < 300);
        assert_eq!(flips(&off), 0);
    }

    #[test]
    fn a_size_of_nothing_is_refused() {
        for size in [0, usize::MAX] {
            let error = TrainTransform::original(size)
                .apply(&ramp(), &mut Random::new(0))
                .unwrap_err();
            assert!(matches!(error, DataError::Processor { .. }), "{error}");
        }
    }
}
