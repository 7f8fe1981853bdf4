//! VQA accuracy: an answer is as right as people agree with it, and three that do are enough.
//!
//! accuracy = mean over the annotators of min(1, others who gave this answer / 3)
//!
//! Source: Antol et al., 2015, as salesforce/LAVIS@506965b `lavis/common/vqa_tools/vqa_eval.py` computes it.

use std::collections::BTreeMap;

use crate::answer::{normalize_answer, without_signs};
use crate::error::MetricError;

/// How many annotators make an answer entirely right.
const ENOUGH: f64 = 3.0;

/// What a question was answered by people. VQA v2 has ten annotators for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VqaAnnotation {
    /// How the question begins: `what is`, `how many`. Empty where that is not known.
    pub question_type: String,
    /// `yes/no`, `number` or `other`. Empty where that is not known.
    pub answer_type: String,
    /// What each annotator answered, as the annotation file has it.
    pub answers: Vec<String>,
}

/// Accuracies in percent, with two decimals, and those of each question.
#[derive(Clone, Debug, PartialEq)]
pub struct VqaScores {
    /// Over all questions.
    pub overall: f64,
    /// Over the questions of each type.
    pub per_question_type: BTreeMap<String, f64>,
    /// Over the questions with each type of answer.
    pub per_answer_type: BTreeMap<String, f64>,
    /// Of each question in their order, 0..=1, not rounded.
    pub questions: Vec<f64>,
}

impl VqaScores {
    /// The accuracies of answers to questions, both in the same order.
    ///
    /// # Errors
    ///
    /// [`MetricError::NoQuestions`] without an answer, [`MetricError::Length`] unless there is an annotation for each
    /// answer, [`MetricError::NoAnswers`] if one of them has no answers.
    ///
    /// # Examples
    ///
    /// ```
    /// use blip_metrics::{VqaAnnotation, VqaScores};
    ///
    /// let annotation = |answer_type: &str, answers: [&str; 4]| VqaAnnotation {
    ///     answer_type: answer_type.to_owned(),
    ///     answers: answers.map(str::to_owned).to_vec(),
    ///     ..VqaAnnotation::default()
    /// };
    /// let annotations = [
    ///     annotation("number", ["2", "2", "2", "2"]),
    ///     annotation("other", ["red", "dark red", "red", "maroon"]),
    /// ];
    /// let scores = VqaScores::new(&["two", "Red."], &annotations)?;
    /// // Of "red", two annotators see one other, two see two others.
    /// assert_eq!(scores.questions, [1.0, (1.0 / 3.0 + 2.0 / 3.0 + 1.0 / 3.0 + 2.0 / 3.0) / 4.0]);
    /// assert_eq!(scores.overall, 75.0);
    /// assert_eq!(scores.per_answer_type["number"], 100.0);
    /// # Ok::<(), blip_metrics::MetricError>(())
    /// ```
    pub fn new<S: AsRef<str>>(answers: &[S], annotations: &[VqaAnnotation]) -> Result<Self, MetricError> {
        if answers.is_empty() {
            return Err(MetricError::NoQuestions);
        }
        if annotations.len() != answers.len() {
            return Err(MetricError::Length {
                what: "annotations",
                expected: answers.len(),
                got: annotations.len(),
            });
        }
        let mut questions = Vec::with_capacity(answers.len());
        let mut question_types: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        let mut answer_types: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for (question, (answer, annotation)) in answers.iter().zip(annotations).enumerate() {
            let accuracy = vqa_accuracy(answer.as_ref(), &annotation.answers);
            let accuracy = accuracy.ok_or(MetricError::NoAnswers { question })?;
            questions.push(accuracy);
            let types = [
                (&mut question_types, &annotation.question_type),
                (&mut answer_types, &annotation.answer_type),
            ];
            for (accuracies, name) in types {
                accuracies.entry(name.clone()).or_default().push(accuracy);
            }
        }
        let percents = |types: BTreeMap<String, Vec<f64>>| {
            types
                .into_iter()
                .map(|(name, accuracies)| (name, percent(&accuracies)))
                .collect()
        };
        Ok(Self {
            overall: percent(&questions),
            per_question_type: percents(question_types),
            per_answer_type: percents(answer_types),
            questions,
        })
    }
}

/// The accuracy of one answer, 0..=1, or none if nobody else answered the question.
///
/// The answer is normalised by [`normalize_answer`]. What annotators answered only loses its punctuation, and that only
/// unless all of them gave the same; capitals, articles and number words stay, so that an annotator's "Two" is never
/// matched. Each annotator counts once in the mean, against all the others.
///
/// # Examples
///
/// ```
/// use blip_metrics::vqa_accuracy;
///
/// let annotators = ["2", "2", "2", "2", "3", "3", "several", "4", "many", "two"];
/// assert_eq!(vqa_accuracy("Two", &annotators), Some(1.0));
/// // Of the two who say 3, each sees one other; the eight others see two.
/// let three = vqa_accuracy("three", &annotators).unwrap_or_default();
/// assert!((three - (2.0 * 1.0 / 3.0 + 8.0 * 2.0 / 3.0) / 10.0).abs() < 1e-12);
/// assert_eq!(vqa_accuracy::<&str>("two", &[]), None);
/// ```
pub fn vqa_accuracy<S: AsRef<str>>(answer: &str, annotators: &[S]) -> Option<f64> {
    let (first, others) = annotators.split_first()?;
    let answer = normalize_answer(answer);
    let agree = others.iter().all(|other| other.as_ref() == first.as_ref());
    let matches: Vec<bool> = annotators
        .iter()
        .map(|given| match given.as_ref() {
            given if agree => given == answer,
            given => without_signs(given) == answer,
        })
        .collect();
    let all = matches.iter().filter(|matched| **matched).count();
    let accuracies = matches
        .iter()
        .map(|matched| ((all - usize::from(*matched)) as f64 / ENOUGH).min(1.0));
    Some(accuracies.sum::<f64>() / annotators.len() as f64)
}

/// The mean in percent, rounded to two decimals.
fn percent(accuracies: &[f64]) -> f64 {
    rounded(100.0 * accuracies.iter().sum::<f64>() / accuracies.len() as f64)
}

/// The decimal number with two places that is nearest, of two equally near the even one, as Python's `round` has it.
fn rounded(value: f64) -> f64 {
    // Formatting rounds the exact value; multiplying by 100 would round twice.
    format!("{value:.2}")
        .parse()
        .expect("a formatted number is a number")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ten(answers: [(&str, usize); 2]) -> Vec<String> {
        let repeated = answers.map(|(answer, count)| vec![answer.to_owned(); count]);
        repeated.concat()
    }

    #[test]
    fn one_to_four_who_agree() {
        // Of k who agree, k see k - 1 and 10 - k see k.
        for (agreeing, expected) in [(0, 0.0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1.0), (10, 1.0)] {
            let accuracy = vqa_accuracy("yes", &ten([("yes", agreeing), ("no", 10 - agreeing)])).unwrap();
            assert!((accuracy - expected).abs() < 1e-12, "{agreeing}");
        }
    }

    #[test]
    fn annotators_lose_their_punctuation_only_if_they_differ() {
        assert_eq!(
            vqa_accuracy("t-shirt", &ten([("t-shirt", 10), ("", 0)])),
            Some(0.0)
        );
        assert_eq!(
            vqa_accuracy("t-shirt", &ten([("t-shirt", 9), ("shirt", 1)])),
            Some(1.0)
        );
        assert_eq!(
            vqa_accuracy("two", &ten([("Two", 9), ("2", 1)])).map(|a| (a * 10.0).round()),
            Some(3.0)
        );
    }

    #[test]
    fn a_lone_annotator_sees_no_other() {
        assert_eq!(vqa_accuracy("yes", &["yes"]), Some(0.0));
    }

    #[test]
    fn percents_are_rounded_as_python_rounds() {
        for (value, expected) in [
            (0.125, 0.12),
            (0.375, 0.38),
            (1.875, 1.88),
            (2.675, 2.67),
            (33.333333, 33.33),
        ] {
            assert_eq!(rounded(value), expected, "{value}");
        }
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        let none: [&str; 0] = [];
        assert_eq!(VqaScores::new(&none, &[]), Err(MetricError::NoQuestions));
        let unanswered = VqaAnnotation::default();
        let refused = VqaScores::new(&["yes"], std::slice::from_ref(&unanswered));
        assert_eq!(refused, Err(MetricError::NoAnswers { question: 0 }));
        let refused = VqaScores::new(&["yes", "no"], &[unanswered]).unwrap_err();
        assert_eq!(refused.to_string(), "annotations: expected 2, got 1");
    }
}
