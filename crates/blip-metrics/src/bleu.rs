//! BLEU: how many runs of one to four words a caption shares with its references.
//!
//! p_n = clipped matches / runs of the candidate; BLEU-n = brevity · (p_1 · … · p_n)^(1/n)
//!
//! Source: Papineni et al., 2002, as pycocoevalcap 1.2 `bleu/bleu_scorer.py` computes it with the option `closest`.

use std::collections::HashMap;

use crate::caption::CaptionSet;
use crate::ngram::{Counts, Ngram, ORDER, Vocabulary};

/// What is added to matches, so that none still gives 0 and no root of nothing.
const TINY: f64 = 1e-15;

/// What is added to what is divided by.
const SMALL: f64 = 1e-9;

/// BLEU-1 to BLEU-4, each about 0..=1: the reference's smoothing constants take 1e-9 off a perfect score.
#[derive(Clone, Debug, PartialEq)]
pub struct Bleu {
    /// Of all captions together: matches and lengths are summed before they are divided. `corpus[3]` is BLEU-4.
    pub corpus: [f64; 4],
    /// Of each caption alone.
    pub captions: Vec<[f64; 4]>,
}

/// What BLEU is computed from.
#[derive(Default)]
struct Sums {
    /// Words of the candidates.
    length: usize,
    /// Words of the references that are closest to them in length.
    reference_length: usize,
    /// Runs of the candidates, by their length.
    runs: [usize; ORDER],
    /// Those that references have as well, each as often as the one that has it most.
    matches: [usize; ORDER],
}

impl Sums {
    fn new(candidate: &Counts, references: &[Counts]) -> Self {
        let mut most: HashMap<Ngram, u32> = HashMap::new();
        for run in references.iter().flat_map(|reference| &reference.runs) {
            let count = most.entry(run.ngram).or_default();
            *count = run.count.max(*count);
        }
        let mut matches = [0; ORDER];
        for run in &candidate.runs {
            let count = most.get(&run.ngram).copied().unwrap_or_default();
            matches[run.order] += run.count.min(count) as usize;
        }
        // Of two that are equally close, the shorter one.
        let lengths = references.iter().map(|reference| reference.length);
        let closest = lengths.min_by_key(|length| (length.abs_diff(candidate.length), *length));
        Self {
            length: candidate.length,
            reference_length: closest.unwrap_or_default(),
            runs: candidate.totals(),
            matches,
        }
    }

    fn add(&mut self, other: &Self) {
        self.length += other.length;
        self.reference_length += other.reference_length;
        for order in 0..ORDER {
            self.runs[order] += other.runs[order];
            self.matches[order] += other.matches[order];
        }
    }

    fn scores(&self) -> [f64; ORDER] {
        let ratio = (self.length as f64 + TINY) / (self.reference_length as f64 + SMALL);
        let brevity = if ratio < 1.0 {
            (1.0 - 1.0 / ratio).exp()
        } else {
            1.0
        };
        let mut product = 1.0;
        std::array::from_fn(|order| {
            product *= (self.matches[order] as f64 + TINY) / (self.runs[order] as f64 + SMALL);
            f64::powf(product, 1.0 / (order + 1) as f64) * brevity
        })
    }
}

/// BLEU-1 to BLEU-4 with the reference length that is closest to the candidate's.
///
/// # Examples
///
/// ```
/// use blip_metrics::{CaptionSet, bleu};
///
/// let set = CaptionSet::from_texts(&["A dog runs on grass."], &[["A dog runs on the grass.", "A brown dog."]])?;
/// let scores = bleu(&set);
/// // Five words of five and three pairs of four are in a reference; no reference is closer to five words than six.
/// let brevity = f64::exp(1.0 - 6.0 / 5.0);
/// assert!((scores.corpus[0] - brevity).abs() < 1e-6);
/// assert!((scores.corpus[1] - brevity * f64::sqrt(3.0 / 4.0)).abs() < 1e-6);
/// assert_eq!(scores.captions, [scores.corpus]);
/// # Ok::<(), blip_metrics::MetricError>(())
/// ```
pub fn bleu(set: &CaptionSet) -> Bleu {
    let mut vocabulary = Vocabulary::default();
    let mut total = Sums::default();
    let mut captions = Vec::with_capacity(set.candidates().len());
    for (candidate, references) in set.pairs() {
        let candidate = vocabulary.count(candidate);
        let references: Vec<Counts> = references.iter().map(|words| vocabulary.count(words)).collect();
        let sums = Sums::new(&candidate, &references);
        captions.push(sums.scores());
        total.add(&sums);
    }
    Bleu {
        corpus: total.scores(),
        captions,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(candidate: &str, references: &[&str]) -> [f64; 4] {
        bleu(&CaptionSet::from_texts(&[candidate], &[references]).unwrap()).corpus
    }

    #[test]
    fn a_repeated_word_counts_as_often_as_a_reference_has_it() {
        // Papineni's example: two of seven.
        let scores = of(
            "the the the the the the the",
            &["The cat is on the mat", "There is a cat on the mat"],
        );
        assert!((scores[0] - 2.0 / 7.0).abs() < 1e-9);
        assert!(scores[1] < 1e-7);
    }

    #[test]
    fn of_two_lengths_equally_close_the_shorter_one_counts() {
        // Three words against two and four: no penalty. Against four alone there is one.
        assert!((of("a b c", &["a b c d", "a b"])[0] - 1.0).abs() < 1e-8);
        assert!((of("a b c", &["a b c d"])[0] - f64::exp(1.0 - 4.0 / 3.0)).abs() < 1e-8);
    }

    #[test]
    fn nothing_scores_nothing() {
        assert_eq!(of("", &["a dog"]), [0.0; 4]);
        assert!(of("cat", &["a dog"])[0] < 1e-14);
    }

    #[test]
    fn the_corpus_is_not_the_mean_of_its_captions() {
        let set = CaptionSet::from_texts(&["a", "b b b"], &[["a"], ["c c c"]]).unwrap();
        assert!((bleu(&set).corpus[0] - 1.0 / 4.0).abs() < 1e-9);
    }
}
