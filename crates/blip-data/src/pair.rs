//! Two pictures and a sentence that is true of them or not.

use blip_processor::{RgbImage, pre_caption};
use serde_json::Value;

use crate::field::{Fault, Object, given, shown, string};
use crate::option::{Parsing, SENTENCE_WORDS};
use crate::record::Content;
use crate::{Random, Record, Sample, Targets};

/// Two pictures and a sentence that is true of them or not: NLVR2.
///
/// ```text
/// {"images": ["dev-850-0-img0.png", "dev-850-0-img1.png"], "sentence": "The left image …", "label": "True"}
/// ```
///
/// Source: salesforce/BLIP@056a169 `data/nlvr_dataset.py`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairRecord {
    /// The left and the right picture's file, as the record names them.
    pub images: [String; 2],
    /// The sentence.
    pub sentence: String,
    /// Whether it is true: `"True"`, `"False"`, or a boolean.
    pub label: Option<bool>,
}

impl Content for PairRecord {
    fn parse(object: &Object, parsing: Parsing) -> Result<Self, Fault> {
        let pictures = given(object, &["images"]).map(|(_, value)| value);
        let names: Option<Vec<&str>> = pictures
            .and_then(Value::as_array)
            .and_then(|items| items.iter().map(Value::as_str).collect());
        let Some([left, right]) = names.as_deref() else {
            return Err(Fault::new("images", "a list of two strings", shown(pictures)));
        };
        let label = match given(object, &["label"]) {
            None if parsing.targets == Targets::Optional => None,
            Some((_, Value::Bool(label))) => Some(*label),
            Some((_, Value::String(label))) if label == "True" => Some(true),
            Some((_, Value::String(label))) if label == "False" => Some(false),
            other => {
                let value = other.map(|(_, value)| value);
                return Err(Fault::new("label", r#""True" or "False""#, shown(value)));
            }
        };
        let sentence = string(object, "sentence")?;
        Ok(Self {
            images: [(*left).into(), (*right).into()],
            sentence: if parsing.clean {
                pre_caption(sentence, SENTENCE_WORDS)
            } else {
                sentence.into()
            },
            label,
        })
    }
}

impl Record for PairRecord {
    type Image = [RgbImage; 2];

    fn load<E>(&self, mut load: impl FnMut(&str) -> Result<RgbImage, E>) -> Result<[RgbImage; 2], E> {
        let [left, right] = &self.images;
        Ok([load(left)?, load(right)?])
    }
}

impl Sample<PairRecord> {
    /// The same statement about the same pictures in the other order: the words "left" and "right" change places too.
    ///
    /// Only these very words do, in lower case and between single spaces, so the sentence should be a cleaned one.
    pub fn swapped(mut self) -> Self {
        self.image.reverse();
        self.record.images.reverse();
        self.record.sentence = exchange_left_right(&self.record.sentence);
        self
    }

    /// The pictures in their order or the other, each half of the time, as the original trains. It does so in
    /// validation and test too; there, leave it out.
    pub fn draw_order(self, random: &mut Random) -> Self {
        if random.coin(0.5) { self.swapped() } else { self }
    }
}

/// A sentence whose words "left" and "right" have changed places.
///
/// # Examples
///
/// ```
/// use blip_data::exchange_left_right;
///
/// assert_eq!(exchange_left_right("the left dog is right of it"), "the right dog is left of it");
/// assert_eq!(exchange_left_right("leftmost right-hand"), "leftmost right-hand");
/// ```
pub fn exchange_left_right(sentence: &str) -> String {
    let words: Vec<&str> = sentence
        .split(' ')
        .map(|word| match word {
            "left" => "right",
            "right" => "left",
            other => other,
        })
        .collect();
    words.join(" ")
}
