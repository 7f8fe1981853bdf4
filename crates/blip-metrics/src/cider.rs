//! CIDEr-D: how alike a caption and its references are in their runs of words, rare ones weighing more.
//!
//! ```text
//! g_n(c)   = count of each run of n words · (ln N - ln images whose references have it)
//! sim_n    = Σ min(g_n(c), g_n(r)) · g_n(r) / (|g_n(c)| |g_n(r)|) · exp(-(l_c - l_r)² / 2σ²)
//! CIDEr-D  = 10 · mean over references and over n = 1..=4 of sim_n
//! ```
//!
//! where N is the number of images and l the number of words.
//!
//! Source: Vedantam et al., 2015, as pycocoevalcap 1.2 `cider/cider_scorer.py` computes it. There the length l is that
//! in pairs of words, which differs for captions without a word only, and those score 0.

use std::collections::HashMap;

use crate::caption::CaptionSet;
use crate::ngram::{Counts, Ngram, ORDER, Vocabulary};
use crate::score::Scores;

/// The standard deviation of the penalty for another length, in words.
const SIGMA: f64 = 6.0;

/// What the mean is multiplied by.
const SCALE: f64 = 10.0;

/// A caption as weights of its runs.
struct Weighted<'a> {
    counts: &'a Counts,
    /// A weight for each run, in their order.
    weights: Vec<f64>,
    /// The norm of the weights, for each length of run.
    norms: [f64; ORDER],
}

impl<'a> Weighted<'a> {
    fn new(counts: &'a Counts, frequency: &HashMap<Ngram, u32>, log_images: f64) -> Self {
        let mut squares = [0.0; ORDER];
        let mut weights = Vec::with_capacity(counts.runs.len());
        for run in &counts.runs {
            // A run that no reference has counts as if one had it.
            let images = frequency.get(&run.ngram).copied().unwrap_or(1);
            let weight = f64::from(run.count) * (log_images - f64::from(images).ln());
            squares[run.order] += weight * weight;
            weights.push(weight);
        }
        Self {
            counts,
            weights,
            norms: squares.map(f64::sqrt),
        }
    }

    /// The similarity to a reference, for each length of run.
    fn similarity(&self, reference: &Self) -> [f64; ORDER] {
        let runs = reference.counts.runs.iter().map(|run| run.ngram);
        let weights: HashMap<Ngram, f64> = runs.zip(reference.weights.iter().copied()).collect();
        let mut products = [0.0; ORDER];
        for (run, weight) in self.counts.runs.iter().zip(&self.weights) {
            if let Some(other) = weights.get(&run.ngram) {
                products[run.order] += weight.min(*other) * other;
            }
        }
        let difference = self.counts.length as f64 - reference.counts.length as f64;
        let penalty = f64::exp(-(difference * difference) / (2.0 * SIGMA * SIGMA));
        std::array::from_fn(|order| {
            let norms = self.norms[order] * reference.norms[order];
            let cosine = if norms == 0.0 {
                products[order]
            } else {
                products[order] / norms
            };
            cosine * penalty
        })
    }
}

/// CIDEr-D of each caption, and their mean, 0..=10.
///
/// Which runs of words are rare is learned from the references of the set: a set of one caption scores 0, and the
/// score of a caption depends on the others.
///
/// # Examples
///
/// ```
/// use blip_metrics::{CaptionSet, cider_d};
///
/// let candidates = ["a brown dog runs on grass", "a cat"];
/// let references = [["a brown dog runs on grass"], ["two people ride horses"]];
/// let scores = cider_d(&CaptionSet::from_texts(&candidates, &references)?);
/// assert!((scores.captions[0] - 10.0).abs() < 1e-9);
/// assert_eq!(scores.captions[1], 0.0);
/// assert!((scores.corpus - 5.0).abs() < 1e-9);
/// # Ok::<(), blip_metrics::MetricError>(())
/// ```
pub fn cider_d(set: &CaptionSet) -> Scores {
    let mut vocabulary = Vocabulary::default();
    let counts: Vec<(Counts, Vec<Counts>)> = set
        .pairs()
        .map(|(candidate, references)| {
            let references = references.iter().map(|words| vocabulary.count(words)).collect();
            (vocabulary.count(candidate), references)
        })
        .collect();
    let frequency = image_frequency(counts.iter().map(|(_, references)| references.as_slice()));
    let log_images = (counts.len() as f64).ln();
    let scores = counts.iter().map(|(candidate, references)| {
        let candidate = Weighted::new(candidate, &frequency, log_images);
        let mut sums = [0.0; ORDER];
        for reference in references {
            let similarity = candidate.similarity(&Weighted::new(reference, &frequency, log_images));
            for (sum, similarity) in sums.iter_mut().zip(similarity) {
                *sum += similarity;
            }
        }
        sums.iter().sum::<f64>() / ORDER as f64 / references.len() as f64 * SCALE
    });
    Scores::new(scores.collect())
}

/// For how many captions at least one reference has a run.
fn image_frequency<'a>(references: impl Iterator<Item = &'a [Counts]>) -> HashMap<Ngram, u32> {
    let mut frequency: HashMap<Ngram, (u32, usize)> = HashMap::new();
    for (image, references) in references.enumerate() {
        for run in references.iter().flat_map(|reference| &reference.runs) {
            // The second number is the last image that was counted, from 1.
            let (count, last) = frequency.entry(run.ngram).or_default();
            if *last != image + 1 {
                *count += 1;
                *last = image + 1;
            }
        }
    }
    frequency
        .into_iter()
        .map(|(ngram, (count, _))| (ngram, count))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(candidates: &[&str], references: &[&[&str]]) -> Scores {
        cider_d(&CaptionSet::from_texts(candidates, references).unwrap())
    }

    #[test]
    fn a_pair_of_single_words_is_worked_out_by_hand() {
        // N = 2, and "dog", "cat" are each with one image, so that each weighs ln 2; there are no longer runs.
        let scores = of(&["dog", "dog"], &[&["dog"], &["cat"]]);
        assert!((scores.captions[0] - 10.0 / 4.0).abs() < 1e-12);
        assert_eq!(scores.captions[1], 0.0);
    }

    #[test]
    fn repeating_a_word_does_not_pay() {
        // Clipped to one "dog", of norm 3 against 1; two words more than one.
        let scores = of(&["dog dog dog", "x"], &[&["dog"], &["cat"]]);
        let expected = 10.0 / 4.0 / 3.0 * f64::exp(-4.0 / 72.0);
        assert!((scores.captions[0] - expected).abs() < 1e-12);
    }

    #[test]
    fn what_every_image_has_weighs_nothing() {
        let scores = of(&["a", "a"], &[&["a"], &["a"]]);
        assert_eq!(scores.captions, [0.0, 0.0]);
        assert_eq!(of(&["a dog"], &[&["a dog"]]).corpus, 0.0);
    }

    #[test]
    fn an_image_counts_once_however_many_of_its_references_agree() {
        let one = of(&["dog", "x"], &[&["dog", "dog dog"], &["cat"]]);
        // Weight ln 2 each: the first reference is alike, the second is a word longer.
        let second = (1.0 * 2.0) / (1.0 * 2.0) * f64::exp(-1.0 / 72.0);
        assert!((one.captions[0] - 10.0 / 4.0 / 2.0 * (1.0 + second)).abs() < 1e-12);
    }
}
