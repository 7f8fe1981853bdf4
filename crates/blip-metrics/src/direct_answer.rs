//! The accuracy of A-OKVQA's direct answers: three annotators who gave exactly this answer are enough.
//!
//! Source: Schwenk et al., 2022, as salesforce/LAVIS@506965b `lavis/tasks/vqa.py:281` computes it.

use crate::error::MetricError;

/// The accuracy of one answer, 0..=1: the share of three annotators who gave it, letter by letter, at most 1.
///
/// Nothing is normalised; A-OKVQA's answers are in lower case. Without annotators it is 0.
///
/// # Examples
///
/// ```
/// use blip_metrics::direct_answer_accuracy;
///
/// let answers = ["surfing", "surfing", "sport", "swim", "surf"];
/// assert_eq!(direct_answer_accuracy("surfing", &answers), 2.0 / 3.0);
/// assert_eq!(direct_answer_accuracy("Surfing", &answers), 0.0);
/// ```
pub fn direct_answer_accuracy<S: AsRef<str>>(answer: &str, annotators: &[S]) -> f64 {
    let matches = annotators.iter().filter(|given| given.as_ref() == answer).count();
    (matches as f64 / 3.0).min(1.0)
}

/// The mean of [`direct_answer_accuracy`] over questions, in percent, not rounded.
///
/// # Errors
///
/// [`MetricError::NoQuestions`] without an answer, [`MetricError::Length`] unless there is a list of annotators'
/// answers for each.
///
/// # Examples
///
/// ```
/// use blip_metrics::mean_direct_answer_accuracy;
///
/// let annotators = [["red", "red", "red"], ["cat", "dog", "cow"]];
/// let mean = mean_direct_answer_accuracy(&["red", "horse"], &annotators)?;
/// assert_eq!(mean, 50.0);
/// # Ok::<(), blip_metrics::MetricError>(())
/// ```
pub fn mean_direct_answer_accuracy<A, R, S>(answers: &[A], annotators: &[R]) -> Result<f64, MetricError>
where
    A: AsRef<str>,
    R: AsRef<[S]>,
    S: AsRef<str>,
{
    if answers.is_empty() {
        return Err(MetricError::NoQuestions);
    }
    if annotators.len() != answers.len() {
        return Err(MetricError::Length {
            what: "annotators' answers",
            expected: answers.len(),
            got: annotators.len(),
        });
    }
    let accuracies = answers
        .iter()
        .zip(annotators)
        .map(|(answer, given)| direct_answer_accuracy(answer.as_ref(), given.as_ref()));
    Ok(accuracies.sum::<f64>() / answers.len() as f64 * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fourth_who_agrees_adds_nothing() {
        assert_eq!(direct_answer_accuracy("a", &["a"; 3]), 1.0);
        assert_eq!(direct_answer_accuracy("a", &["a"; 10]), 1.0);
        assert_eq!(direct_answer_accuracy::<&str>("a", &[]), 0.0);
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        let none: [&str; 0] = [];
        assert_eq!(
            mean_direct_answer_accuracy(&none, &[none; 0]),
            Err(MetricError::NoQuestions)
        );
        let refused = mean_direct_answer_accuracy(&["a"], &[["a"], ["b"]]).unwrap_err();
        assert_eq!(refused.to_string(), "annotators' answers: expected 1, got 2");
    }
}
