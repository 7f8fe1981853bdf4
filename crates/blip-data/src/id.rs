//! What a data set calls a picture or a question.

use std::fmt;

use serde_json::Value;

use crate::field::{Fault, Object, given, shown};

/// What a data set calls a picture or a question: a number (VQA, NoCaps) or a text (COCO's `coco_522418`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordId {
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
}

impl RecordId {
    /// The first of several fields that is there.
    pub(crate) fn parse(object: &Object, names: &[&'static str]) -> Result<Option<Self>, Fault> {
        let Some((name, value)) = given(object, names) else {
            return Ok(None);
        };
        let id = match value {
            Value::String(text) => Some(Self::Text(text.clone())),
            other => other.as_i64().map(Self::Number),
        };
        match id {
            Some(id) => Ok(Some(id)),
            None => Err(Fault::new(name, "an integer or a string", shown(Some(value)))),
        }
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(formatter, "{number}"),
            Self::Text(text) => write!(formatter, "{text}"),
        }
    }
}

/// The number by which COCO's evaluation knows a picture, out of its file's name: `COCO_val2014_000000522418.jpg` is
/// 522418.
///
/// Source: salesforce/BLIP@056a169 `data/coco_karpathy_dataset.py` `coco_karpathy_caption_eval`.
pub fn coco_image_id(image: &str) -> Option<i64> {
    let name = image.rsplit('/').next()?;
    // As Python's `strip('.jpg')`: any of the characters, from both ends.
    let stem = name.trim_matches(['.', 'j', 'p', 'g']);
    stem.rsplit('_').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_number_has_no_id() {
        for image in ["", "x.jpg", "a_b.jpg", "1/", "1_.jpg", "99999999999999999999.jpg"] {
            assert_eq!(coco_image_id(image), None, "{image}");
        }
    }

    #[test]
    fn ids_are_integers_or_texts() {
        let parse =
            |json: &str| RecordId::parse(&serde_json::from_str(json).unwrap(), &["image_id", "img_id"]);
        assert_eq!(parse(r#"{"img_id": -3}"#).unwrap(), Some(RecordId::Number(-3)));
        assert_eq!(
            parse(r#"{"image_id": null, "img_id": "a"}"#)
                .unwrap()
                .unwrap()
                .to_string(),
            "a"
        );
        assert_eq!(parse("{}").unwrap(), None);
        for json in [r#"{"image_id": 1.5}"#, r#"{"img_id": []}"#, r#"{"img_id": true}"#] {
            assert_eq!(parse(json).unwrap_err().expected, "an integer or a string");
        }
    }
}
