//! How the parts of a model are held.

use std::fmt;
use std::str::FromStr;

use blip_nn::Precision;

/// How each part's weights are held for inference on the CPU.
///
/// Heads and projections, which are small and decide, are `f32` in any case.
///
/// # Example
///
/// ```
/// use blip_core::{Precision, Precisions};
///
/// let all: Precisions = Precision::Bf16.into();
/// assert_eq!("bf16".parse(), Ok(all));
/// let eight_bits_for_pictures = Precisions {
///     image_encoder: Precision::Int8,
///     ..Precisions::default()
/// };
/// assert_eq!("image-encoder=int8".parse(), Ok(eight_bits_for_pictures));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Precisions {
    /// The ViT's.
    pub image_encoder: Precision,
    /// The text encoder's, alone, grounded in a picture, or in two.
    pub text_encoder: Precision,
    /// The decoder's, with its head over the vocabulary.
    pub text_decoder: Precision,
}

impl Precisions {
    /// The first that is not `f32`.
    pub(crate) fn reduced(&self) -> Option<Precision> {
        let all = [self.image_encoder, self.text_encoder, self.text_decoder];
        all.into_iter().find(|&precision| precision != Precision::F32)
    }
}

impl From<Precision> for Precisions {
    /// The same for all parts.
    fn from(precision: Precision) -> Self {
        Self {
            image_encoder: precision,
            text_encoder: precision,
            text_decoder: precision,
        }
    }
}

/// A text that names no precisions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} names no precision: expected f32, bf16 or int8, or some of image-encoder=…, text-encoder=… and \
     text-decoder=…, with commas between them"
)]
pub struct ParsePrecisionError {
    text: String,
}

impl FromStr for Precisions {
    type Err = ParsePrecisionError;

    /// `int8` for all parts, or `image-encoder=int8,text-decoder=bf16` for some; the others are `f32`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParsePrecisionError {
            text: text.to_owned(),
        };
        if let Some(all) = named(text) {
            return Ok(all.into());
        }
        let mut precisions = Self::default();
        let mut seen = Vec::new();
        for stated in text.split(',') {
            let (part, precision) = stated.split_once('=').ok_or_else(error)?;
            let place = match part.trim() {
                "image-encoder" => &mut precisions.image_encoder,
                "text-encoder" => &mut precisions.text_encoder,
                "text-decoder" => &mut precisions.text_decoder,
                _ => return Err(error()),
            };
            if seen.contains(&part.trim()) {
                return Err(error());
            }
            seen.push(part.trim());
            *place = named(precision.trim()).ok_or_else(error)?;
        }
        Ok(precisions)
    }
}

fn named(name: &str) -> Option<Precision> {
    let all = [Precision::F32, Precision::Bf16, Precision::Int8];
    all.into_iter().find(|precision| precision.to_string() == name)
}

impl fmt::Display for Precisions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::from(self.image_encoder) {
            return self.image_encoder.fmt(formatter);
        }
        write!(
            formatter,
            "image-encoder={},text-encoder={},text-decoder={}",
            self.image_encoder, self.text_encoder, self.text_decoder
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let all = [Precision::F32, Precision::Bf16, Precision::Int8];
        for image_encoder in all {
            for text_encoder in all {
                for text_decoder in all {
                    let precisions = Precisions {
                        image_encoder,
                        text_encoder,
                        text_decoder,
                    };
                    assert_eq!(precisions.to_string().parse(), Ok(precisions));
                }
            }
        }
        assert_eq!("f32".parse(), Ok(Precisions::default()));
    }

    #[test]
    fn what_names_none_is_refused_with_what_is_expected() {
        for text in [
            "",
            "f16",
            "int8,",
            "decoder=int8",
            "text-decoder=f16",
            "text-decoder=int8,text-decoder=f32",
        ] {
            let error = text.parse::<Precisions>().unwrap_err().to_string();
            assert!(error.contains("expected f32, bf16 or int8"), "{error}");
        }
    }
}
