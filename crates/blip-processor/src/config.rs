//! What the preprocessing of pictures depends on, and Hugging Face's `preprocessor_config.json`.

use serde_json::{Map, Value};

use crate::{AlphaPolicy, CLIP_MEAN, CLIP_STD, ImageLimits, Normalization, PassOrder, ProcessorError};

/// The file's name in errors.
const FILE: &str = "preprocessor_config.json";

/// How pictures become pixel values.
///
/// # Examples
///
/// ```
/// use blip_processor::{AlphaPolicy, ImageProcessorConfig, Normalization};
///
/// // BLIP's question answering works at 480 x 480.
/// let vqa = ImageProcessorConfig::new([480, 480]);
/// assert_eq!(vqa.normalization, Normalization::Salesforce);
/// assert_eq!(vqa.alpha, AlphaPolicy::Drop);
///
/// let hub = ImageProcessorConfig::from_preprocessor_json(r#"{"size": 384, "do_resize": true}"#)?;
/// assert_eq!(hub, ImageProcessorConfig::new([384, 384]));
/// # Ok::<(), blip_processor::ProcessorError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ImageProcessorConfig {
    /// `[height, width]` in pixels. BLIP keeps no aspect ratio and crops nothing: 384 for most tasks, 480 for question
    /// answering, 224 for features and pre-training.
    pub size: [usize; 2],
    /// The mean of red, green and blue, of samples in 0..=1.
    pub mean: [f32; 3],
    /// The standard deviation of red, green and blue, of samples in 0..=1.
    pub std: [f32; 3],
    /// Which Pillow's resize to follow.
    pub pass_order: PassOrder,
    /// Whose arithmetic to follow to the last bit.
    pub normalization: Normalization,
    /// What becomes of transparency.
    pub alpha: AlphaPolicy,
    /// Whether to turn a picture as its EXIF entry says. No reference does; a phone's portrait photographs need it.
    pub exif_orientation: bool,
    /// What is read of a picture that nobody vouches for.
    pub limits: ImageLimits,
}

impl ImageProcessorConfig {
    /// The original's preprocessing for `[height, width]`: CLIP's mean and standard deviation, transparency dropped,
    /// no turning.
    pub fn new(size: [usize; 2]) -> Self {
        Self {
            size,
            mean: CLIP_MEAN,
            std: CLIP_STD,
            pass_order: PassOrder::default(),
            normalization: Normalization::default(),
            alpha: AlphaPolicy::default(),
            exif_orientation: false,
            limits: ImageLimits::default(),
        }
    }

    /// The preprocessing that a Hugging Face `preprocessor_config.json` describes.
    ///
    /// Keys that are missing or null have the defaults of `BlipImageProcessor` (384 x 384, CLIP's mean and standard
    /// deviation); keys that the class does not know are ignored, as there. Everything else is as in
    /// [`new`](Self::new), which gives the bits of transformers 4.x and its Pillow processor; transformers 5.23 lays
    /// transparency on white ([`AlphaPolicy::White`]).
    ///
    /// # Errors
    ///
    /// [`ProcessorError::Json`] for what is no JSON; [`ProcessorError::Key`] for a value that is not honoured: a step
    /// that is switched off or added, a filter that is not bicubic, a size that keeps an aspect ratio.
    #[doc(alias = "BlipImageProcessor")]
    pub fn from_preprocessor_json(json: impl AsRef<[u8]>) -> Result<Self, ProcessorError> {
        let keys: Map<String, Value> =
            serde_json::from_slice(json.as_ref()).map_err(|error| ProcessorError::Json {
                file: FILE,
                source: error.into(),
            })?;
        for key in ["do_resize", "do_rescale", "do_normalize", "do_convert_rgb"] {
            expect(&keys, key, "true", |value| value.as_bool() == Some(true))?;
        }
        for key in ["do_center_crop", "do_pad"] {
            expect(&keys, key, "false", |value| value.as_bool() == Some(false))?;
        }
        expect(&keys, "resample", "3 (bicubic)", |value| {
            value.as_u64() == Some(3)
        })?;
        expect(&keys, "rescale_factor", "1 / 255", |value| {
            value
                .as_f64()
                .is_some_and(|factor| (factor * 255.0 - 1.0).abs() < 1e-12)
        })?;

        let mut config = Self::new([384, 384]);
        if let Some(size) = given(&keys, "size") {
            config.size = read_size(size)
                .ok_or_else(|| key_error("size", "an integer, or {\"height\", \"width\"}", size))?;
        }
        for (key, target) in [("image_mean", &mut config.mean), ("image_std", &mut config.std)] {
            if let Some(value) = given(&keys, key) {
                *target = read_moments(value).ok_or_else(|| key_error(key, "three numbers", value))?;
            }
        }
        Ok(config)
    }
}

/// A key's value, unless it is missing or null.
fn given<'a>(keys: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    keys.get(key).filter(|value| !value.is_null())
}

fn expect(
    keys: &Map<String, Value>,
    key: &str,
    expected: &'static str,
    accept: impl Fn(&Value) -> bool,
) -> Result<(), ProcessorError> {
    match given(keys, key) {
        Some(value) if !accept(value) => Err(key_error(key, expected, value)),
        _ => Ok(()),
    }
}

fn key_error(key: &str, expected: &'static str, got: &Value) -> ProcessorError {
    ProcessorError::Key {
        file: FILE,
        key: key.into(),
        expected,
        got: got.to_string(),
    }
}

/// `384`, as the first published files have it, or `{"height": 384, "width": 384}`.
fn read_size(value: &Value) -> Option<[usize; 2]> {
    let side = |value: &Value| value.as_u64().and_then(|side| usize::try_from(side).ok());
    match value {
        Value::Object(keys) if keys.len() == 2 => {
            Some([side(keys.get("height")?)?, side(keys.get("width")?)?])
        }
        value => side(value).map(|side| [side, side]),
    }
}

/// Three numbers; one number stands for three, as in numpy.
fn read_moments(value: &Value) -> Option<[f32; 3]> {
    if let Some(one) = value.as_f64() {
        return Some([one as f32; 3]);
    }
    let numbers: Option<Vec<f32>> = value
        .as_array()?
        .iter()
        .map(|number| number.as_f64().map(|number| number as f32))
        .collect();
    numbers?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the first published captioning checkpoints have it.
    const OLD: &str = r#"{
        "do_normalize": true, "do_pad": null, "do_rescale": true, "do_resize": true, "size_divisor": 32,
        "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711],
        "image_processor_type": "BlipImageProcessor", "processor_class": "BlipProcessor", "resample": 3,
        "rescale_factor": 0.00392156862745098, "size": 384
    }"#;

    #[test]
    fn both_forms_of_size_and_the_defaults_are_read() {
        let expected = ImageProcessorConfig::new([384, 384]);
        assert_eq!(
            ImageProcessorConfig::from_preprocessor_json(OLD).unwrap(),
            expected
        );
        assert_eq!(
            ImageProcessorConfig::from_preprocessor_json("{}").unwrap(),
            expected
        );

        let json =
            r#"{"size": {"width": 640, "height": 480}, "image_mean": 0.5, "image_std": [0.5, 0.25, 1]}"#;
        let config = ImageProcessorConfig::from_preprocessor_json(json).unwrap();
        assert_eq!(config.size, [480, 640]);
        assert_eq!(config.mean, [0.5; 3]);
        assert_eq!(config.std, [0.5, 0.25, 1.0]);
    }

    #[test]
    fn what_is_not_honoured_is_named() {
        for (json, key) in [
            (r#"{"do_resize": false}"#, "do_resize"),
            (r#"{"do_rescale": false}"#, "do_rescale"),
            (r#"{"do_normalize": 0}"#, "do_normalize"),
            (r#"{"do_convert_rgb": false}"#, "do_convert_rgb"),
            (r#"{"do_center_crop": true}"#, "do_center_crop"),
            (r#"{"do_pad": true}"#, "do_pad"),
            (r#"{"resample": 2}"#, "resample"),
            (r#"{"rescale_factor": 0.5}"#, "rescale_factor"),
            (r#"{"size": {"shortest_edge": 384}}"#, "size"),
            (r#"{"size": -1}"#, "size"),
            (r#"{"image_mean": [0.5, 0.5]}"#, "image_mean"),
            (r#"{"image_std": ["a", 1, 1]}"#, "image_std"),
        ] {
            let error = ImageProcessorConfig::from_preprocessor_json(json).unwrap_err();
            assert!(
                matches!(&error, ProcessorError::Key { key: named, .. } if named == key),
                "{error}"
            );
        }
        for json in ["", "[]", "384", "{", "\u{feff}{}"] {
            let error = ImageProcessorConfig::from_preprocessor_json(json).unwrap_err();
            assert!(matches!(error, ProcessorError::Json { .. }), "{error}");
        }
    }
}
