//! The one error of this crate.

/// What is wrong with what is to be measured. All of it is the caller's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetricError {
    /// Nothing is to be measured, and there is no mean of nothing.
    #[error("captions: expected at least one, got none")]
    NoCaptions,

    /// A caption that can be compared with nothing.
    #[error("references of caption {caption}: expected at least one, got none")]
    NoReferences {
        /// Which caption, from 0.
        caption: usize,
    },

    /// No question is to be measured.
    #[error("questions: expected at least one, got none")]
    NoQuestions,

    /// A question that nobody answered.
    #[error("annotators' answers to question {question}: expected at least one, got none")]
    NoAnswers {
        /// Which question, from 0.
        question: usize,
    },

    /// Two lists that belong together and are not equally long.
    #[error("{what}: expected {expected}, got {got}")]
    Length {
        /// The list that is compared: `references`, `questions`.
        what: &'static str,
        /// As many as there are captions, or answers.
        expected: usize,
        /// How many there are.
        got: usize,
    },
}
