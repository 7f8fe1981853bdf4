//! Pictures from whoever means no good, and broken ones.

use blip_processor::{ImageLimits, ImageProcessor, ImageProcessorConfig, ProcessorError, RgbImage};

use crate::golden::{self, example_picture, list, text};

fn processor(limits: ImageLimits) -> ImageProcessor {
    let mut config = ImageProcessorConfig::new([8, 8]);
    config.limits = limits;
    ImageProcessor::new(config).unwrap()
}

fn decode(bytes: &[u8]) -> Result<RgbImage, ProcessorError> {
    processor(ImageLimits::default()).decode(bytes)
}

/// The golden file of a name.
fn file(name: &str) -> Vec<u8> {
    let golden = golden::read("decode.json");
    let case = list(&golden, "cases")
        .iter()
        .find(|case| text(case, "name") == name);
    golden::bytes(text(case.unwrap(), "file"))
}

/// A PNG that says another size in its header, with the right check sum.
fn png_of_size(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = file("png rgb");
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let sum = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&sum.to_be_bytes());
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(sum & 1))
        })
    })
}

#[test]
fn sizes_beyond_the_limits_are_refused_by_the_header() {
    for (width, height) in [
        (100_000, 100),
        (100, 100_000),
        (50_000, 50_000),
        (0x7fff_ffff, 0x7fff_ffff),
        (u32::MAX, u32::MAX),
    ] {
        let error = decode(&png_of_size(width, height)).unwrap_err();
        assert!(
            matches!(error, ProcessorError::TooManyPixels { width: w, height: h, .. } if (w, h) == (width, height)),
            "{error}"
        );
        assert!(
            error.to_string().contains(&format!("{width} x {height}")),
            "{error}"
        );
    }
    // The same in other formats, whose headers hold 16 bits a side.
    let mut gif = file("gif");
    gif[6..10].fill(0xff);
    assert!(matches!(decode(&gif), Err(ProcessorError::TooManyPixels { .. })));
    let mut jpeg = file("jpeg 4:2:0");
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].fill(0xff);
    assert!(matches!(decode(&jpeg), Err(ProcessorError::TooManyPixels { .. })));
    let mut bmp = file("bmp rgb");
    bmp[18..26].copy_from_slice(&[0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0]);
    assert!(matches!(decode(&bmp), Err(ProcessorError::TooManyPixels { .. })));
}

#[test]
fn limits_are_the_callers() {
    let bytes = example_picture("chelsea.png");
    let tight = ImageLimits {
        max_width: 451,
        max_height: 300,
        max_pixels: 451 * 300,
        max_file_bytes: bytes.len() as u64,
    };
    assert!(processor(tight).decode(&bytes).is_ok());
    for (limits, expected) in [
        (
            ImageLimits {
                max_width: 450,
                ..tight
            },
            "at most 450 x 300",
        ),
        (
            ImageLimits {
                max_height: 299,
                ..tight
            },
            "at most 451 x 299",
        ),
        (
            ImageLimits {
                max_pixels: 451 * 300 - 1,
                ..tight
            },
            "135299 pixels",
        ),
        (
            ImageLimits {
                max_file_bytes: bytes.len() as u64 - 1,
                ..tight
            },
            "the picture has more than",
        ),
    ] {
        let error = processor(limits).decode(&bytes).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let small = processor(ImageLimits {
        max_file_bytes: 10,
        ..tight
    });
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/images/chelsea.png");
    assert!(matches!(
        small.preprocess_file(path),
        Err(ProcessorError::FileTooLarge { limit: 10, .. })
    ));
}

#[test]
fn pictures_without_pixels_are_refused() {
    for (width, height) in [(0, 5), (6, 0), (0, 0)] {
        let error = decode(&png_of_size(width, height)).unwrap_err();
        assert!(matches!(error, ProcessorError::NoPixels { .. }), "{error}");
    }
}

#[test]
fn no_prefix_of_a_picture_is_a_picture() {
    let golden = golden::read("decode.json");
    for case in list(&golden, "cases") {
        let name = text(case, "name");
        let bytes = golden::bytes(text(case, "file"));
        // What stands behind the last row may be missing, as for Pillow: a PNG's and a GIF's end marks, a TIFF's tags
        // do not stand there.
        let rows_end = match &name[..3] {
            "png" => bytes.len() - 16,
            // Chunks are padded.
            "web" => bytes.len() - 2,
            "gif" => bytes.len() / 2,
            _ => bytes.len(),
        };
        for length in (0..rows_end).step_by(if bytes.len() < 400 { 1 } else { 7 }) {
            assert!(
                decode(&bytes[..length]).is_err(),
                "{name}: {length} of {}",
                bytes.len()
            );
        }
    }
}

#[test]
fn a_truncated_picture_is_called_truncated() {
    for name in ["astronaut.png", "rocket.jpg"] {
        let bytes = example_picture(name);
        for part in [2, 3, 10] {
            let error = decode(&bytes[..bytes.len() - bytes.len() / part]).unwrap_err();
            assert!(
                matches!(error, ProcessorError::Truncated { .. }),
                "{name}: {error}"
            );
        }
    }
    // Without its last byte, as Pillow has it.
    let bytes = example_picture("rocket.jpg");
    assert!(matches!(
        decode(&bytes[..bytes.len() - 1]),
        Err(ProcessorError::Truncated { format: "JPEG" })
    ));
}

#[test]
fn flipped_bytes_never_panic() {
    let golden = golden::read("decode.json");
    let limits = ImageLimits {
        max_pixels: 1 << 20,
        ..ImageLimits::default()
    };
    let processor = processor(limits);
    for case in list(&golden, "cases") {
        let bytes = golden::bytes(text(case, "file"));
        for at in 0..bytes.len() {
            for mask in [0xff, 0x01, 0x80] {
                let mut broken = bytes.clone();
                broken[at] ^= mask;
                // A picture or an error, whichever.
                let _ = processor.decode(&broken);
            }
        }
    }
}
