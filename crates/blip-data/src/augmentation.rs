//! One change of a picture, with everything that was left to chance decided.
//!
//! ```text
//! Operation + level + chance ─ RandAugment::draw ─▶ Augmentation ─ apply ─▶ RgbImage of the same size
//! ```
//!
//! Source: salesforce/BLIP@056a169 `transform/randaugment.py` `func_dict` and `arg_dict`.

use blip_processor::RgbImage;

use crate::tone::{autocontrast, brightness, equalize};
use crate::warp::{rotate, shear_x, shear_y, translate_x, translate_y};
use crate::{AutoContrast, sharpness};

/// What may be done to a picture, without the numbers: the operations that BLIP is trained with.
///
/// `randaugment.py` has four more (Solarize, Color, Contrast, Posterize), which `data/__init__.py` leaves out: captions
/// name colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Nothing.
    Identity,
    /// [`Augmentation::AutoContrast`].
    AutoContrast,
    /// [`Augmentation::Brightness`].
    Brightness,
    /// [`Augmentation::Sharpness`].
    Sharpness,
    /// [`Augmentation::Equalize`].
    Equalize,
    /// [`Augmentation::ShearX`].
    ShearX,
    /// [`Augmentation::ShearY`].
    ShearY,
    /// [`Augmentation::TranslateX`].
    TranslateX,
    /// [`Augmentation::TranslateY`].
    TranslateY,
    /// [`Augmentation::Rotate`].
    Rotate,
}

impl Operation {
    /// All of them, in the order of `data/__init__.py`.
    pub const ALL: [Self; 10] = [
        Self::Identity,
        Self::AutoContrast,
        Self::Brightness,
        Self::Sharpness,
        Self::Equalize,
        Self::ShearX,
        Self::ShearY,
        Self::TranslateX,
        Self::TranslateY,
        Self::Rotate,
    ];

    /// Whether the operation goes one way or the other by chance.
    pub fn has_direction(self) -> bool {
        matches!(
            self,
            Self::ShearX | Self::ShearY | Self::TranslateX | Self::TranslateY | Self::Rotate
        )
    }

    /// The operation at a level of 0..=10, in the positive or the negative direction.
    ///
    /// | operation | at level 5 | at level 10 |
    /// |---|---|---|
    /// | brightness, sharpness | a factor of 1: **nothing happens** | 1.9 |
    /// | shears | 0.15 | 0.3 |
    /// | translations | 5 pixels, at every size | 10 |
    /// | rotation | 15 degrees | 30 |
    pub fn at(self, level: f64, negative: bool, autocontrast: AutoContrast) -> Augmentation {
        let share = level / 10.0;
        let directed = |most: f64| if negative { -(share * most) } else { share * most };
        match self {
            Self::Identity => Augmentation::Identity,
            Self::AutoContrast => Augmentation::AutoContrast(autocontrast),
            Self::Brightness => Augmentation::Brightness {
                factor: share * 1.8 + 0.1,
            },
            Self::Sharpness => Augmentation::Sharpness {
                factor: share * 1.8 + 0.1,
            },
            Self::Equalize => Augmentation::Equalize,
            Self::ShearX => Augmentation::ShearX {
                factor: directed(0.3),
            },
            Self::ShearY => Augmentation::ShearY {
                factor: directed(0.3),
            },
            Self::TranslateX => Augmentation::TranslateX {
                pixels: directed(10.0),
            },
            Self::TranslateY => Augmentation::TranslateY {
                pixels: directed(10.0),
            },
            Self::Rotate => Augmentation::Rotate {
                degrees: directed(30.0),
            },
        }
    }
}

/// A change of a picture. All give the bytes of the original with OpenCV 4.
///
/// What moves pixels shows grey 128 where the picture ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Augmentation {
    /// Nothing.
    Identity,

    /// Stretches each channel to 0..=255, or makes it white: see [`AutoContrast`].
    AutoContrast(AutoContrast),

    /// Multiplies every sample and truncates.
    Brightness {
        /// 1 changes nothing.
        factor: f64,
    },

    /// Mixes the picture with its blurred self. The outermost pixels stay, and a result above 255 begins again at 0.
    Sharpness {
        /// 0 is blurred, 1 changes nothing, more sharpens.
        factor: f64,
    },

    /// Spreads each channel so that its values are used about equally often.
    Equalize,

    /// Moves each row to the right, in proportion to its number.
    ShearX {
        /// Pixels a row.
        factor: f64,
    },

    /// Moves each column down, in proportion to its number.
    ShearY {
        /// Pixels a column.
        factor: f64,
    },

    /// Moves the picture to the left.
    TranslateX {
        /// How far.
        pixels: f64,
    },

    /// Moves the picture up.
    TranslateY {
        /// How far.
        pixels: f64,
    },

    /// Turns the picture about its middle, counterclockwise.
    Rotate {
        /// By how much.
        degrees: f64,
    },
}

impl Augmentation {
    /// The picture, changed. No number panics.
    ///
    /// # Shapes
    ///
    /// - image and result: `[height, width, 3]`, u8
    ///
    /// # Examples
    ///
    /// ```
    /// use blip_data::Augmentation;
    /// use blip_processor::RgbImage;
    ///
    /// let image = RgbImage::new(2, 1, vec![10, 20, 30, 40, 50, 60])?;
    /// let moved = Augmentation::TranslateX { pixels: 1.0 }.apply(image);
    /// assert_eq!(moved.as_bytes(), [40, 50, 60, 128, 128, 128]);
    /// # Ok::<(), blip_processor::ProcessorError>(())
    /// ```
    pub fn apply(&self, image: RgbImage) -> RgbImage {
        match *self {
            Self::Identity => image,
            Self::AutoContrast(kind) => autocontrast(image, kind),
            Self::Brightness { factor } => brightness(image, factor),
            Self::Sharpness { factor } => sharpness::sharpness(image, factor),
            Self::Equalize => equalize(image),
            Self::ShearX { factor } => shear_x(image, factor),
            Self::ShearY { factor } => shear_y(image, factor),
            Self::TranslateX { pixels } => translate_x(image, pixels),
            Self::TranslateY { pixels } => translate_y(image, pixels),
            Self::Rotate { degrees } => rotate(image, degrees),
        }
    }
}
