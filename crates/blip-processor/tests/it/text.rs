//! Cleaning against the original's own functions.

use blip_processor::{pre_caption, pre_question};

use crate::golden::{self, list, number, text};

#[test]
fn captions_and_questions_are_cleaned_as_the_original_does() {
    for case in list(&golden::read("text.json"), "cases") {
        let max_words = number(&case["max_words"]);
        let source = text(case, "text");
        assert_eq!(
            pre_caption(source, max_words),
            text(case, "caption"),
            "{source:?}"
        );
        assert_eq!(
            pre_question(source, max_words),
            text(case, "question"),
            "{source:?}"
        );
    }
}
