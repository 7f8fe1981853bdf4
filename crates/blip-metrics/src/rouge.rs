//! ROUGE-L: the longest row of words that a caption and a reference have in common, in order, with gaps.
//!
//! P = common / words of the candidate, R = common / words of the reference, each the best over the references;
//! F = (1 + β²) P R / (R + β² P) with β = 1.2
//!
//! Source: Lin, 2004, as pycocoevalcap 1.2 `rouge/rouge.py` computes it. There P and R may come from different
//! references, and a caption of no words is one empty word.

use crate::caption::CaptionSet;
use crate::score::Scores;

/// How much recall weighs against precision.
const BETA: f64 = 1.2;

/// ROUGE-L of each caption, and their mean, 0..=1.
///
/// # Examples
///
/// ```
/// use blip_metrics::{CaptionSet, rouge_l};
///
/// let set = CaptionSet::from_texts(&["a dog on grass"], &[["a brown dog on the grass"]])?;
/// // All four words are in order among the six of the reference.
/// let (precision, recall, beta) = (1.0, 4.0 / 6.0, 1.2_f64.powi(2));
/// let expected = (1.0 + beta) * precision * recall / (recall + beta * precision);
/// assert!((rouge_l(&set).corpus - expected).abs() < 1e-12);
/// # Ok::<(), blip_metrics::MetricError>(())
/// ```
pub fn rouge_l(set: &CaptionSet) -> Scores {
    Scores::new(
        set.pairs()
            .map(|(candidate, references)| score(candidate, references))
            .collect(),
    )
}

fn score(candidate: &[String], references: &[Vec<String>]) -> f64 {
    let empty = [String::new()];
    let or_empty = |words| {
        if <[String]>::is_empty(words) {
            &empty
        } else {
            words
        }
    };
    let candidate = or_empty(candidate);
    let (mut precision, mut recall) = (0.0_f64, 0.0_f64);
    for reference in references {
        let reference = or_empty(reference);
        let common = common_length(candidate, reference) as f64;
        precision = precision.max(common / candidate.len() as f64);
        recall = recall.max(common / reference.len() as f64);
    }
    if precision == 0.0 || recall == 0.0 {
        return 0.0;
    }
    let weight = BETA * BETA;
    ((1.0 + weight) * precision * recall) / (recall + weight * precision)
}

/// The length of the longest common subsequence.
fn common_length(one: &[String], other: &[String]) -> usize {
    // One row of the table: the longest of the words of `one` so far and the first words of `other`.
    let mut row = vec![0; other.len() + 1];
    for word in one {
        let mut diagonal = 0;
        for (place, against) in other.iter().enumerate() {
            let above = row[place + 1];
            row[place + 1] = if word == against {
                diagonal + 1
            } else {
                above.max(row[place])
            };
            diagonal = above;
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(candidate: &str, references: &[&str]) -> f64 {
        rouge_l(&CaptionSet::from_texts(&[candidate], &[references]).unwrap()).corpus
    }

    #[test]
    fn order_counts_and_gaps_do_not() {
        // Common are "police the gunman" and "the gunman": three of four, and two of four.
        assert!((of("police kill the gunman", &["police killed the gunman"]) - 0.75).abs() < 1e-12);
        assert!((of("the gunman kill police", &["police killed the gunman"]) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn precision_and_recall_are_taken_from_whichever_reference_is_best() {
        // Precision 1 with the first, recall 1 with the second.
        assert!((of("a b", &["a b c d", "b"]) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn nothing_equals_nothing_only() {
        assert_eq!(of("", &["a dog"]), 0.0);
        assert_eq!(of("a dog", &["", "cats"]), 0.0);
        assert!((of("", &["", "a dog"]) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn common_words_are_found_in_any_order_of_the_two() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let (one, other) = (words("a b c b d a b"), words("b d c a b a"));
        assert_eq!(common_length(&one, &other), 4);
        assert_eq!(common_length(&other, &one), 4);
        assert_eq!(common_length(&one, &[]), 0);
    }
}
