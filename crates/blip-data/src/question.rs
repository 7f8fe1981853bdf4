//! A picture, a question about it, and its answers.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use blip_processor::{RgbImage, pre_question};
use serde_json::Value;

use crate::field::{Fault, Object, given, shown, string, strings};
use crate::option::{Parsing, QUESTION_WORDS};
use crate::record::Content;
use crate::{ReadOptions, Record, RecordId, Targets};

/// The weight of an answer of Visual Genome. `data/vqa_dataset.py:66`.
const VISUAL_GENOME_WEIGHT: f32 = 0.2;

/// Where a question comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum QuestionSource {
    /// VQA: several people's answers. Also of records that do not say.
    #[default]
    Vqa,
    /// Visual Genome: one answer, of little weight.
    VisualGenome,
}

/// An answer and how much it counts in the loss.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightedAnswer {
    /// The answer, as it stands in the file.
    pub answer: String,
    /// For VQA the share of people who gave it, 0..=1; for Visual Genome 0.2.
    pub weight: f32,
}

/// A picture, a question about it, and its answers.
///
/// ```text
/// {"image": "val2014/….jpg", "question": "Is …?", "question_id": 12, "dataset": "vqa", "answer": ["yes", "no", …]}
/// {"image": "VG_100K/1.jpg", "question": "What …?", "question_id": 14, "dataset": "vg", "answer": "a lamp"}
/// ```
///
/// Source: salesforce/BLIP@056a169 `data/vqa_dataset.py`.
#[derive(Clone, Debug, PartialEq)]
pub struct QuestionRecord {
    /// The picture's file, as the record names it.
    pub image: String,
    /// The question.
    pub question: String,
    /// `question_id`.
    pub question_id: Option<RecordId>,
    /// `dataset`.
    pub source: QuestionSource,
    /// Each answer once, in the order of first mention.
    pub answers: Vec<WeightedAnswer>,
}

impl Content for QuestionRecord {
    fn parse(object: &Object, parsing: Parsing) -> Result<Self, Fault> {
        let source = match given(object, &["dataset"]) {
            None => QuestionSource::Vqa,
            Some((_, Value::String(name))) if name == "vqa" => QuestionSource::Vqa,
            Some((_, Value::String(name))) if name == "vg" => QuestionSource::VisualGenome,
            Some((name, other)) => return Err(Fault::new(name, r#""vqa" or "vg""#, shown(Some(other)))),
        };
        let answers = match (given(object, &["answer"]), source) {
            (None, _) => Vec::new(),
            (Some((name, value)), QuestionSource::Vqa) => weighted(strings(name, value)?),
            (Some((_, Value::String(answer))), QuestionSource::VisualGenome) => vec![WeightedAnswer {
                answer: answer.clone(),
                weight: VISUAL_GENOME_WEIGHT,
            }],
            (Some((name, other)), QuestionSource::VisualGenome) => {
                return Err(Fault::new(name, "a string", shown(Some(other))));
            }
        };
        if answers.is_empty() && parsing.targets == Targets::Required {
            return Err(Fault::new("answer", "a string or a list of strings", "none"));
        }
        let question = string(object, "question")?;
        Ok(Self {
            image: string(object, "image")?.into(),
            question: if parsing.clean {
                pre_question(question, QUESTION_WORDS)
            } else {
                question.into()
            },
            question_id: RecordId::parse(object, &["question_id"])?,
            source,
            answers,
        })
    }

    fn root<'a>(&self, options: &'a ReadOptions) -> &'a Path {
        match (&options.visual_genome_root, self.source) {
            (Some(root), QuestionSource::VisualGenome) => root,
            _ => &options.image_root,
        }
    }
}

impl Record for QuestionRecord {
    type Image = RgbImage;

    fn load<E>(&self, mut load: impl FnMut(&str) -> Result<RgbImage, E>) -> Result<RgbImage, E> {
        load(&self.image)
    }
}

/// Each answer once, with its share of all. Shares are added up in 64 bits and then rounded, as in the original.
fn weighted(answers: Vec<String>) -> Vec<WeightedAnswer> {
    let share = 1.0 / answers.len() as f64;
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut weights: Vec<f64> = Vec::new();
    for answer in answers {
        match places.entry(answer) {
            Entry::Occupied(known) => weights[*known.get()] += share,
            Entry::Vacant(new) => {
                new.insert(weights.len());
                weights.push(share);
            }
        }
    }
    let mut places: Vec<(String, usize)> = places.into_iter().collect();
    places.sort_by_key(|(_, place)| *place);
    places
        .into_iter()
        .map(|(answer, place)| WeightedAnswer {
            answer,
            weight: weights[place] as f32,
        })
        .collect()
}
