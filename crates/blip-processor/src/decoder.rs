//! Picture files to red, green and blue, as Pillow's `Image.open(…).convert("RGB")` gives them.
//!
//! ```text
//! bytes ─ format by content ─▶ header ─ limits ─▶ samples of 8 or 16 bits ─ alpha, greys, palette ─▶ RgbImage
//! ```
//!
//! What Pillow does that is not obvious, and is done here too:
//!
//! - Colours under transparent pixels stay ([`AlphaPolicy::Drop`]).
//! - Of a 16-bit colour sample the high byte is kept; a 16-bit grey sample is *clipped* to 255, so that such a
//!   picture is nearly white.
//! - Colour profiles and gamma are ignored.
//! - Of an animation the first frame is read.
//! - A truncated file is an error.
//!
//! PNG, BMP, TIFF, GIF and WebP samples are Pillow's. A JPEG decoder may round in its own way: samples differ from
//! libjpeg-turbo's by a few levels, most of them at the edges of colours.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader};

use crate::{ProcessorError, RgbImage};

/// What becomes of transparency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AlphaPolicy {
    /// Forgets it: colours under transparent pixels show. As salesforce/BLIP, LAVIS and transformers 4.x do, by
    /// `convert("RGB")`.
    #[default]
    Drop,

    /// Lays the picture on white. As transformers 5.23 does (`image_transforms.py` `convert_to_rgb`).
    White,
}

/// What is read of a picture that nobody vouches for.
///
/// Sizes are taken from the header and compared before memory is committed to pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageLimits {
    /// The most bytes of a file, 256 MiB if not set otherwise.
    pub max_file_bytes: u64,
    /// The widest picture in pixels, 65,535 if not set otherwise.
    pub max_width: u32,
    /// The highest picture in pixels, 65,535 if not set otherwise.
    pub max_height: u32,
    /// The most pixels, 89,478,485 if not set otherwise (the number above which Pillow warns; 256 MiB of RGB). A
    /// decoder takes at most 16 bytes for each of them.
    pub max_pixels: u64,
}

impl Default for ImageLimits {
    fn default() -> Self {
        Self {
            max_file_bytes: 256 << 20,
            max_width: 65_535,
            max_height: 65_535,
            max_pixels: 89_478_485,
        }
    }
}

impl ImageLimits {
    /// The most that a decoder may take for itself, in bytes.
    fn max_alloc(&self) -> u64 {
        // What lies beside the pixels (tables, a row, a profile) must fit for small pictures too.
        self.max_pixels.saturating_mul(16).saturating_add(1 << 20)
    }

    fn check(&self, (width, height): (u32, u32)) -> Result<(), ProcessorError> {
        if width == 0 || height == 0 {
            return Err(ProcessorError::NoPixels {
                width: width as usize,
                height: height as usize,
            });
        }
        if width > self.max_width
            || height > self.max_height
            || u64::from(width) * u64::from(height) > self.max_pixels
        {
            return Err(ProcessorError::TooManyPixels {
                width,
                height,
                max_width: self.max_width,
                max_height: self.max_height,
                max_pixels: self.max_pixels,
            });
        }
        Ok(())
    }
}

/// The formats that are read.
const FORMATS: [(ImageFormat, &str); 6] = [
    (ImageFormat::Png, "PNG"),
    (ImageFormat::Jpeg, "JPEG"),
    (ImageFormat::WebP, "WebP"),
    (ImageFormat::Gif, "GIF"),
    (ImageFormat::Bmp, "BMP"),
    (ImageFormat::Tiff, "TIFF"),
];

/// Reads a picture out of its file's bytes.
pub(crate) fn decode(
    bytes: &[u8],
    limits: &ImageLimits,
    alpha: AlphaPolicy,
    exif_orientation: bool,
) -> Result<RgbImage, ProcessorError> {
    if bytes.len() as u64 > limits.max_file_bytes {
        return Err(ProcessorError::FileTooLarge {
            name: "picture",
            limit: limits.max_file_bytes,
        });
    }
    let guess = image::guess_format(bytes).ok();
    let Some(&(format, name)) = FORMATS.iter().find(|(format, _)| Some(*format) == guess) else {
        return Err(ProcessorError::UnknownFormat {
            length: bytes.len(),
            start: bytes.iter().copied().take(8).collect(),
        });
    };
    if format == ImageFormat::Jpeg && !jpeg_ends(bytes) {
        return Err(ProcessorError::Truncated { format: name });
    }
    let header = (format == ImageFormat::Png)
        .then(|| PngHeader::read(bytes))
        .flatten();
    if let Some(header) = header {
        limits.check(header.size)?;
    }
    let failed = |error| decode_error(error, name);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut own = image::Limits::no_limits();
    own.max_alloc = Some(limits.max_alloc());
    reader.limits(own);
    let mut decoder = reader.into_decoder().map_err(failed)?;
    limits.check(decoder.dimensions())?;
    // Pillow turns TIFF pictures upright when it loads them, and no others.
    let orientation = if exif_orientation || format == ImageFormat::Tiff {
        decoder.orientation().map_err(failed)?
    } else {
        Orientation::NoTransforms
    };
    let mut image = DynamicImage::from_decoder(decoder).map_err(failed)?;
    image.apply_orientation(orientation);
    let clip = header.is_some_and(|header| header.grey);
    to_rgb(image, alpha, clip, name)
}

/// What the first chunk of a PNG says.
#[derive(Clone, Copy)]
struct PngHeader {
    size: (u32, u32),
    /// Grey without an alpha channel.
    grey: bool,
}

impl PngHeader {
    fn read(bytes: &[u8]) -> Option<Self> {
        // Signature (8), length (4), "IHDR" (4), width (4), height (4), bit depth (1), colour type (1).
        let number = |at| {
            bytes
                .get(at..)
                .and_then(|rest| rest.first_chunk())
                .map(|four| u32::from_be_bytes(*four))
        };
        Some(Self {
            size: (number(16)?, number(20)?),
            grey: *bytes.get(25)? == 0,
        })
    }
}

/// Whether a JPEG has its end marker. A decoder that forgives fills the missing rows with grey instead.
fn jpeg_ends(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&[first, second]) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        at += match (first, second) {
            (0xff, 0xd9) => return true,
            // A fill byte, then whatever comes.
            (0xff, 0xff) => 1,
            // Escaped data, and markers without a payload.
            (0xff, 0x00 | 0x01 | 0xd0..=0xd8) => 2,
            (0xff, _) => match bytes.get(at + 2..).and_then(|rest| rest.first_chunk()) {
                Some(&length) => 2 + usize::from(u16::from_be_bytes(length)),
                None => return false,
            },
            _ => 1,
        };
    }
    false
}

fn decode_error(error: ImageError, format: &'static str) -> ProcessorError {
    match error {
        ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            ProcessorError::Truncated { format }
        }
        error => ProcessorError::Decode {
            format,
            source: error.into(),
        },
    }
}

/// `[height, width, channels]` of 8 or 16 bits to `[height, width, 3]` of 8.
///
/// `clip`: 16-bit greys are clipped, as Pillow does for grey pictures, and not for grey with alpha.
fn to_rgb(
    image: DynamicImage,
    alpha: AlphaPolicy,
    clip: bool,
    format: &'static str,
) -> Result<RgbImage, ProcessorError> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let blend = |pixel: [u8; 3], opacity: u8| match alpha {
        AlphaPolicy::Drop => pixel,
        AlphaPolicy::White => pixel.map(|sample| on_white(sample, opacity)),
    };
    let high = |sample: u16| (sample >> 8) as u8;
    let clipped = |sample: u16| sample.min(255) as u8;
    let data = match image {
        DynamicImage::ImageRgb8(image) => image.into_raw(),
        DynamicImage::ImageRgba8(image) => spread(&image, |[r, g, b, a]| blend([r, g, b], a)),
        DynamicImage::ImageLuma8(image) => spread(&image, |[grey]| [grey; 3]),
        DynamicImage::ImageLumaA8(image) => spread(&image, |[grey, a]| blend([grey; 3], a)),
        DynamicImage::ImageRgb16(image) => spread(&image, |pixel: [u16; 3]| pixel.map(high)),
        DynamicImage::ImageRgba16(image) => spread(&image, |[r, g, b, a]: [u16; 4]| {
            blend([r, g, b].map(high), high(a))
        }),
        DynamicImage::ImageLuma16(image) => spread(&image, |[grey]: [u16; 1]| [clipped(grey); 3]),
        DynamicImage::ImageLumaA16(image) if clip => {
            spread(&image, |[grey, a]: [u16; 2]| blend([clipped(grey); 3], high(a)))
        }
        DynamicImage::ImageLumaA16(image) => {
            spread(&image, |[grey, a]: [u16; 2]| blend([high(grey); 3], high(a)))
        }
        other => {
            return Err(ProcessorError::Samples {
                format,
                samples: format!("{:?}", other.color()),
            });
        }
    };
    RgbImage::new(width, height, data)
}

/// Every pixel of `N` samples to red, green and blue.
fn spread<const N: usize, T: Copy>(samples: &[T], pixel: impl Fn([T; N]) -> [u8; 3]) -> Vec<u8> {
    let pixels = samples.as_chunks().0.iter();
    pixels
        .map(|samples| pixel(*samples))
        .collect::<Vec<_>>()
        .into_flattened()
}

/// A sample on white paper, rounded as Pillow's `alpha_composite` does on an opaque background.
fn on_white(sample: u8, opacity: u8) -> u8 {
    // Seven more bits of precision; the division by 255 is by shifts.
    let (sample, opacity) = (u32::from(sample), u32::from(opacity));
    let sum = ((sample * opacity + 255 * (255 - opacity)) << 7) + (0x80 << 7);
    ((((sum >> 8) + sum) >> 8) >> 7) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode_bytes(bytes: &[u8]) -> Result<RgbImage, ProcessorError> {
        decode(bytes, &ImageLimits::default(), AlphaPolicy::Drop, false)
    }

    #[test]
    fn opaque_keeps_and_transparent_is_white() {
        for sample in 0..=255 {
            assert_eq!(on_white(sample, 255), sample);
            assert_eq!(on_white(sample, 0), 255);
        }
    }

    #[test]
    fn what_is_no_picture_is_named() {
        for bytes in [&b""[..], b"\x89PN", b"<svg></svg>", &[0; 100]] {
            let error = decode_bytes(bytes).unwrap_err();
            assert!(matches!(error, ProcessorError::UnknownFormat { .. }), "{error}");
        }
    }

    #[test]
    fn the_end_of_a_jpeg_is_found_behind_segments_and_fill_bytes() {
        let start = b"\xff\xd8\xff\xe0\x00\x04\xff\xd9";
        assert!(!jpeg_ends(start));
        let whole = [
            &start[..],
            b"\xff\xda\x00\x02\x12\xff\x00\xff\xd0\x34\xff\xff\xd9",
        ]
        .concat();
        assert!(jpeg_ends(&whole));
        assert!(!jpeg_ends(&whole[..whole.len() - 1]));
    }
}
