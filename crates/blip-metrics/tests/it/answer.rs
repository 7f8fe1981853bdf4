//! Accuracies of answers.

use std::collections::BTreeMap;

use blip_metrics::{
    VqaAnnotation, VqaScores, direct_answer_accuracy, mean_direct_answer_accuracy, normalize_answer,
    vqa_accuracy,
};
use serde_json::Value;

use crate::golden::{assert_close, list, number, read, text, texts};

#[test]
fn answers_are_normalised_as_the_reference_does_it() {
    let golden = read("answers.json");
    let questions = list(&golden["questions"]);
    assert!(questions.len() >= 80);
    for question in questions {
        let answer = text(&question["answer"]);
        assert_eq!(
            normalize_answer(answer),
            text(&question["normalized"]),
            "{answer:?}"
        );
    }
}

#[test]
fn accuracies_are_the_references() {
    let golden = read("answers.json");
    let questions = list(&golden["questions"]);
    let answers: Vec<&str> = questions
        .iter()
        .map(|question| text(&question["answer"]))
        .collect();
    let annotations: Vec<VqaAnnotation> = questions
        .iter()
        .map(|question| VqaAnnotation {
            question_type: text(&question["question_type"]).to_owned(),
            answer_type: text(&question["answer_type"]).to_owned(),
            answers: texts(&question["annotators"])
                .into_iter()
                .map(str::to_owned)
                .collect(),
        })
        .collect();

    let scores = VqaScores::new(&answers, &annotations).unwrap();
    for ((question, accuracy), annotation) in questions.iter().zip(&scores.questions).zip(&annotations) {
        let what = question.to_string();
        assert_close(*accuracy, &question["accuracy"], 1e-15, &what);
        assert_eq!(
            vqa_accuracy(text(&question["answer"]), &annotation.answers),
            Some(*accuracy),
            "{what}"
        );
    }
    // Rounded to two decimals these are equal or wrong.
    let expected = &golden["accuracy"];
    let by_name = |value: &Value| -> BTreeMap<String, f64> {
        let types = value.as_object().unwrap().iter();
        types
            .map(|(name, accuracy)| (name.clone(), number(accuracy)))
            .collect()
    };
    assert_eq!(scores.overall, number(&expected["overall"]));
    assert_eq!(scores.per_question_type, by_name(&expected["per_question_type"]));
    assert_eq!(scores.per_answer_type, by_name(&expected["per_answer_type"]));
}

#[test]
fn direct_answers_are_as_right_as_the_reference_says() {
    let golden = read("answers.json");
    let questions = list(&golden["direct_answers"]);
    for question in questions {
        let percent =
            100.0 * direct_answer_accuracy(text(&question["answer"]), &texts(&question["annotators"]));
        assert_close(percent, &question["percent"], 1e-15, &question.to_string());
    }
    let answers: Vec<&str> = questions
        .iter()
        .map(|question| text(&question["answer"]))
        .collect();
    let annotators: Vec<Vec<&str>> = questions
        .iter()
        .map(|question| texts(&question["annotators"]))
        .collect();
    let mean = mean_direct_answer_accuracy(&answers, &annotators).unwrap();
    assert_close(mean, &golden["direct_answer_percent"], 1e-15, "mean");
}
