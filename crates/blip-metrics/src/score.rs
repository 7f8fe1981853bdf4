//! Scores of captions by each metric.

use crate::bleu::{Bleu, bleu};
use crate::caption::CaptionSet;
use crate::cider::cider_d;
use crate::error::MetricError;
use crate::rouge::rouge_l;

/// One metric of each caption, and their mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// The mean over the captions.
    pub corpus: f64,
    /// Of each caption, in the order of the set.
    pub captions: Vec<f64>,
}

impl Scores {
    pub(crate) fn new(captions: Vec<f64>) -> Self {
        Self {
            corpus: captions.iter().sum::<f64>() / captions.len() as f64,
            captions,
        }
    }
}

/// All metrics of a set of captions.
///
/// Papers give them times 100: BLIP's CIDEr of 133.3 on COCO is `cider_d.corpus` 1.333.
#[derive(Clone, Debug, PartialEq)]
pub struct CaptionScores {
    /// BLEU-1 to BLEU-4, 0..=1.
    pub bleu: Bleu,
    /// ROUGE-L, 0..=1.
    pub rouge_l: Scores,
    /// CIDEr-D, 0..=10.
    pub cider_d: Scores,
}

impl CaptionScores {
    /// The scores of a set.
    pub fn new(set: &CaptionSet) -> Self {
        Self {
            bleu: bleu(set),
            rouge_l: rouge_l(set),
            cider_d: cider_d(set),
        }
    }

    /// The scores of candidates as texts, each with the texts of its references.
    ///
    /// # Errors
    ///
    /// [`MetricError::NoCaptions`] without a pair, [`MetricError::NoReferences`] for a candidate without a reference.
    ///
    /// # Examples
    ///
    /// ```
    /// use blip_metrics::CaptionScores;
    ///
    /// let scores = CaptionScores::from_pairs(&[
    ///     ("A brown dog runs.", vec!["A brown dog runs on grass.", "A dog plays."]),
    ///     ("Two people at a table.", vec!["People sit at a table."]),
    /// ])?;
    /// assert!(scores.bleu.corpus[3] < scores.bleu.corpus[0]);
    /// assert_eq!(scores.cider_d.captions.len(), 2);
    /// # Ok::<(), blip_metrics::MetricError>(())
    /// ```
    pub fn from_pairs<C, R, S>(pairs: &[(C, R)]) -> Result<Self, MetricError>
    where
        C: AsRef<str>,
        R: AsRef<[S]>,
        S: AsRef<str>,
    {
        let candidates: Vec<&str> = pairs.iter().map(|(candidate, _)| candidate.as_ref()).collect();
        let references: Vec<&[S]> = pairs.iter().map(|(_, references)| references.as_ref()).collect();
        Ok(Self::new(&CaptionSet::from_texts(&candidates, &references)?))
    }
}
