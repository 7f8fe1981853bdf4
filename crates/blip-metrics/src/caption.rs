//! Captions to be measured, each with its references.

use crate::error::MetricError;
use crate::tokenizer::tokenize_captions;

/// Candidate captions in words, each with one or more references in words.
///
/// The references of all candidates together are the corpus from which [`cider_d`](crate::cider_d) learns how rare
/// words are, so a set is scored as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptionSet {
    candidates: Vec<Vec<String>>,
    references: Vec<Vec<Vec<String>>>,
}

impl CaptionSet {
    /// Captions as texts, which [`tokenize_captions`] cuts into words: the candidates as one list, the references as
    /// another, in their order.
    ///
    /// # Errors
    ///
    /// [`MetricError::NoCaptions`] without a candidate, [`MetricError::Length`] unless there is one list of references
    /// for each candidate, [`MetricError::NoReferences`] if one of them is empty. An empty text is a caption of no
    /// words.
    ///
    /// # Examples
    ///
    /// ```
    /// use blip_metrics::{CaptionSet, MetricError};
    ///
    /// let set = CaptionSet::from_texts(&["A dog's bone."], &[["a bone of a dog", "The dog has a bone!"]])?;
    /// assert_eq!(set.candidates(), [["a", "dog", "'s", "bone"]]);
    /// assert_eq!(set.references()[0].len(), 2);
    ///
    /// let refused = CaptionSet::from_texts(&["a dog", "a cat"], &[["a dog"]]);
    /// let error = MetricError::Length { what: "references", expected: 2, got: 1 };
    /// assert_eq!(refused, Err(error));
    /// # Ok::<(), MetricError>(())
    /// ```
    pub fn from_texts<C, R, S>(candidates: &[C], references: &[R]) -> Result<Self, MetricError>
    where
        C: AsRef<str>,
        R: AsRef<[S]>,
        S: AsRef<str>,
    {
        check(
            candidates.len(),
            references.iter().map(|texts| texts.as_ref().len()),
        )?;
        let texts: Vec<&str> = references
            .iter()
            .flat_map(|texts| texts.as_ref().iter().map(AsRef::as_ref))
            .collect();
        let mut words = tokenize_captions(&texts).into_iter();
        Ok(Self {
            candidates: tokenize_captions(candidates),
            references: references
                .iter()
                .map(|texts| words.by_ref().take(texts.as_ref().len()).collect())
                .collect(),
        })
    }

    /// Captions as words, taken as they are.
    ///
    /// # Errors
    ///
    /// Those of [`from_texts`](Self::from_texts).
    ///
    /// # Examples
    ///
    /// ```
    /// use blip_metrics::{CaptionSet, bleu};
    ///
    /// let set = CaptionSet::from_words(&[["a", "dog"]], &[[["a", "dog"]]])?;
    /// assert!((bleu(&set).corpus[1] - 1.0).abs() < 1e-6);
    /// # Ok::<(), blip_metrics::MetricError>(())
    /// ```
    pub fn from_words<C, R, D, W, V>(candidates: &[C], references: &[R]) -> Result<Self, MetricError>
    where
        C: AsRef<[W]>,
        W: AsRef<str>,
        R: AsRef<[D]>,
        D: AsRef<[V]>,
        V: AsRef<str>,
    {
        check(
            candidates.len(),
            references.iter().map(|captions| captions.as_ref().len()),
        )?;
        Ok(Self {
            candidates: candidates.iter().map(|words| owned(words.as_ref())).collect(),
            references: references
                .iter()
                .map(|captions| {
                    captions
                        .as_ref()
                        .iter()
                        .map(|words| owned(words.as_ref()))
                        .collect()
                })
                .collect(),
        })
    }

    /// The words of each candidate.
    pub fn candidates(&self) -> &[Vec<String>] {
        &self.candidates
    }

    /// The words of each candidate's references, of which there is at least one.
    pub fn references(&self) -> &[Vec<Vec<String>>] {
        &self.references
    }

    /// Each candidate with its references.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&[String], &[Vec<String>])> {
        let references = self.references.iter().map(Vec::as_slice);
        self.candidates.iter().map(Vec::as_slice).zip(references)
    }
}

/// That there is something to measure, and something to measure it by.
fn check(candidates: usize, mut references: impl ExactSizeIterator<Item = usize>) -> Result<(), MetricError> {
    if candidates == 0 {
        return Err(MetricError::NoCaptions);
    }
    if references.len() != candidates {
        return Err(MetricError::Length {
            what: "references",
            expected: candidates,
            got: references.len(),
        });
    }
    match references.position(|count| count == 0) {
        Some(caption) => Err(MetricError::NoReferences { caption }),
        None => Ok(()),
    }
}

fn owned<S: AsRef<str>>(words: &[S]) -> Vec<String> {
    words.iter().map(|word| word.as_ref().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_measured_is_refused() {
        let none: [&str; 0] = [];
        assert_eq!(
            CaptionSet::from_texts(&none, &[none; 0]),
            Err(MetricError::NoCaptions)
        );
        let refused = CaptionSet::from_texts(&["a", "b"], &[vec!["a"], vec![]]);
        assert_eq!(refused, Err(MetricError::NoReferences { caption: 1 }));
        let refused = CaptionSet::from_words(&[["a"]], &[[["a"]], [["b"]]]).unwrap_err();
        assert_eq!(refused.to_string(), "references: expected 1, got 2");
    }

    #[test]
    fn references_keep_their_caption() {
        let references = [
            vec!["one.", "two."],
            vec!["three."],
            vec!["four.", "five.", "six."],
        ];
        let set = CaptionSet::from_texts(&["a", "b", "c"], &references).unwrap();
        let lengths: Vec<usize> = set.references().iter().map(Vec::len).collect();
        assert_eq!(lengths, [2, 1, 3]);
        assert_eq!(set.references()[2][1], ["five"]);
    }
}
