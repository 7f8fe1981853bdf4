//! Answers: ids exactly, scores closely, and the ranking of a list.

use blip_core::{Answer, AnswerOptions, QuestionAnswerer, RankOptions};
use blip_testkit::{Golden, assert_close};
use serde_json::Value;

use crate::reference::{list, load, path, pixels};

const MODELS: [&str; 2] = ["hf_vqa", "salesforce_vqa.pth"];

fn opened(model: &str) -> (QuestionAnswerer, Golden) {
    let golden = Golden::open(path(&format!("{}.safetensors", model.trim_end_matches(".pth"))));
    (load!(QuestionAnswerer, model), golden)
}

#[test]
fn questions_are_read_as_the_references_read_them() {
    for model in MODELS {
        let (answerer, golden) = opened(model);
        let encoded = answerer.encode(&pixels(&golden, "pixel_values")).unwrap();
        let got = encoded.read().unwrap();
        assert_close(
            model,
            got.as_slice(),
            &golden.f32("image.last_hidden_state"),
            1e-4,
        );

        let questions = list(&golden, "questions");
        let states = answerer.encode_questions(&encoded, &questions).unwrap();
        let mask: Vec<i64> = golden.i64("question.attention_mask");
        let got = states.read().unwrap();
        let want = golden.f32("question.hidden_states");
        // What stands on padding is nobody's business.
        let width = got.shape()[2];
        for (token, _) in mask.iter().enumerate().filter(|(_, real)| **real == 1) {
            let place = token * width..(token + 1) * width;
            assert_close(model, &got.as_slice()[place.clone()], &want[place], 1e-4);
        }
        assert!(mask.contains(&0), "the questions are of unequal length");
    }
}

#[test]
fn answers_are_the_references() {
    let mut checked = 0;
    for model in MODELS {
        let (answerer, golden) = opened(model);
        let questions = list(&golden, "questions");
        let encoded = answerer.encode(&pixels(&golden, "pixel_values")).unwrap();
        let cases: Vec<Value> = serde_json::from_str(&golden.metadata("cases")).unwrap();
        for case in &cases {
            let name = case["name"].as_str().unwrap();
            let indices: Vec<usize> = case["questions"]
                .as_array()
                .unwrap()
                .iter()
                .map(|index| index.as_u64().unwrap() as usize)
                .collect();
            let mut options = options(case);
            options.mask_question_padding = case["masked"].as_bool();
            let asked: Vec<&str> = indices.iter().map(|&index| questions[index].as_str()).collect();
            let got = if let [index] = indices[..] {
                answerer
                    .answer_encoded(&encoded.row(index), &asked, &options)
                    .unwrap()
            } else {
                answerer.answer_encoded(&encoded, &asked, &options).unwrap()
            };
            let got: Vec<Answer> = got.into_iter().flatten().collect();
            check(&format!("{model} {name}"), &golden, name, case, &got);
            checked += 1;
        }
    }
    assert_eq!(checked, 7 + 6);
}

fn options(case: &Value) -> AnswerOptions {
    let whole = |value: &Value| value.as_u64().unwrap() as usize;
    let mut options = AnswerOptions {
        num_return_sequences: Some(1),
        ..AnswerOptions::default()
    };
    for (name, value) in case["settings"].as_object().unwrap() {
        match name.as_str() {
            "num_beams" => options.num_beams = Some(whole(value)),
            "max_length" => options.max_length = Some(whole(value)),
            "min_length" => options.min_length = Some(whole(value)),
            "num_return_sequences" => options.num_return_sequences = Some(whole(value)),
            other => panic!("the argument {other} is not known"),
        }
    }
    options
}

fn check(name: &str, golden: &Golden, case_name: &str, case: &Value, got: &[Answer]) {
    let (ids, log_probs) = (
        golden.ids(&format!("{case_name}.ids")),
        golden.f32(&format!("{case_name}.token_log_probs")),
    );
    let length = golden.shape(&format!("{case_name}.ids"))[1];
    assert_eq!(got.len(), ids.len() / length, "{name}");
    for (row, answer) in got.iter().enumerate() {
        let width = answer.token_ids.len();
        assert_eq!(
            answer.token_ids,
            ids[row * length..row * length + width],
            "{name} {row}"
        );
        // What is behind it fills up: [SEP] or [PAD], without a probability.
        let behind = &log_probs[row * length + width..(row + 1) * length];
        assert!(behind.iter().all(|&log_prob| log_prob == 0.0), "{name} {row}");
        let want = &log_probs[row * length + 1..row * length + width];
        assert_close(name, &answer.token_log_probs, want, 1e-4);
        assert_eq!(answer.text, case["texts"][row].as_str().unwrap(), "{name} {row}");
        let sum: f32 = want.iter().sum();
        assert_close(name, &[answer.log_probability()], &[sum], 1e-3);
    }
    let scores = format!("{case_name}.sequence_scores");
    if golden.contains(&scores) {
        let got: Vec<f32> = got.iter().map(|answer| answer.score).collect();
        assert_close(name, &got, &golden.f32(&scores), 1e-4);
    }
}

#[test]
fn every_beam_is_an_answer_unless_fewer_are_asked_for() {
    let (answerer, golden) = opened("salesforce_vqa.pth");
    let picture = path("picture_0.png");
    let question = &list(&golden, "questions")[0];
    let all = answerer
        .answer_file(&picture, question, &AnswerOptions::default())
        .unwrap();
    assert_eq!(all.len(), 3);
    assert!(all.is_sorted_by(|a, b| a.score >= b.score));
    let one = AnswerOptions {
        num_return_sequences: Some(1),
        ..AnswerOptions::default()
    };
    let bytes = std::fs::read(&picture).unwrap();
    assert_eq!(answerer.answer_bytes(&bytes, question, &one).unwrap(), all[..1]);
}

#[test]
fn many_questions_share_one_look_at_a_picture() {
    for model in MODELS {
        let (answerer, golden) = opened(model);
        let questions = list(&golden, "questions");
        let encoded = answerer.encode(&pixels(&golden, "pixel_values")).unwrap().row(1);
        let options = AnswerOptions {
            mask_question_padding: Some(true),
            num_beams: Some(3),
            ..AnswerOptions::default()
        };
        let together = answerer.answer_encoded(&encoded, &questions, &options).unwrap();
        for (question, got) in questions.iter().zip(&together) {
            let alone = answerer.answer_encoded(&encoded, &[question], &options).unwrap();
            for (got, want) in got.iter().zip(&alone[0]) {
                assert_eq!(got.token_ids, want.token_ids, "{model}: {question}");
                assert_close(model, &[got.score], &[want.score], 1e-5);
            }
        }
    }
}

#[test]
fn a_list_is_ranked_as_the_original_ranks_it() {
    let (answerer, golden) = opened("salesforce_vqa.pth");
    let (questions, texts) = (list(&golden, "questions"), list(&golden, "answers"));
    let answers = answerer.answer_list(&texts).unwrap();
    let encoded = answerer.encode(&pixels(&golden, "pixel_values")).unwrap();
    let count = texts.len();
    let rank = |k_test, label_smoothing| {
        let options = RankOptions {
            k_test,
            label_smoothing,
        };
        answerer
            .rank_encoded(&encoded, &questions, &answers, &options)
            .unwrap()
    };
    let (scores, unsmoothed, first) = (
        golden.f32("rank.scores"),
        golden.f32("rank.scores_unsmoothed"),
        golden.f32("rank.first_token_probabilities"),
    );
    for (question, ranked) in rank(count, 0.1).iter().enumerate() {
        assert_eq!(ranked.len(), count);
        assert!(ranked.is_sorted_by(|a, b| a.score >= b.score));
        for answer in ranked {
            let place = question * count + answer.index;
            assert_eq!(answer.text, texts[answer.index]);
            assert_close("score", &[answer.score], &[scores[place]], 1e-4);
            assert_close("log p", &[answer.log_probability], &[unsmoothed[place]], 1e-4);
            assert_close("first", &[answer.first_token_probability], &[first[place]], 1e-5);
        }
    }
    for answer in rank(count, 0.0).iter().flatten() {
        assert_eq!(answer.score, answer.log_probability);
    }
    for k_test in [1, 4, count] {
        let best: Vec<i64> = rank(k_test, 0.1)
            .iter()
            .map(|ranked| ranked[0].index as i64)
            .collect();
        assert_eq!(
            best,
            golden.i64(&format!("rank.best_{k_test}")),
            "k_test {k_test}"
        );
    }
    // More than there are is all; the original stops there.
    assert_eq!(rank(10 * count, 0.1), rank(count, 0.1));
    assert!(rank(3, 0.1).iter().all(|ranked| ranked.len() == 3));
}

#[test]
fn of_equally_likely_first_words_the_first_answers_are_scored() {
    let (answerer, golden) = opened("salesforce_vqa.pth");
    let questions = list(&golden, "questions");
    let encoded = answerer.encode(&pixels(&golden, "pixel_values")).unwrap();
    let answers = answerer.answer_list(&["red dog", "red cat", "red bird"]).unwrap();
    let options = RankOptions {
        k_test: 2,
        ..RankOptions::default()
    };
    for ranked in answerer
        .rank_encoded(&encoded, &questions, &answers, &options)
        .unwrap()
    {
        let mut indices: Vec<usize> = ranked.iter().map(|answer| answer.index).collect();
        indices.sort_unstable();
        assert_eq!(indices, [0, 1]);
    }
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let (answerer, golden) = opened("hf_vqa");
    let encoded = answerer.encode(&pixels(&golden, "pixel_values")).unwrap();
    let refused = |questions: &[&str], options: &AnswerOptions| {
        answerer
            .answer_encoded(&encoded, questions, options)
            .unwrap_err()
            .to_string()
    };
    let plain = AnswerOptions::default();
    assert_eq!(
        refused(&["a", "b"], &plain),
        "input_ids: expected [a multiple of 3 pictures, length], got [2, 3]"
    );
    let long = "dog ".repeat(100);
    let message = refused(&[&long, &long, &long], &plain);
    assert_eq!(
        message,
        "input_ids: 102 tokens do not fit the model's 64 positions"
    );
    let no_beams = AnswerOptions {
        length_penalty: Some(1.0),
        ..plain.clone()
    };
    assert_eq!(
        refused(&["a", "b", "c"], &no_beams),
        "length_penalty has no effect without beam search"
    );
    assert!(answerer.check(&no_beams).is_err() && answerer.check(&plain).is_ok());
    let error = answerer.answer_list::<&str>(&[]).unwrap_err().to_string();
    assert_eq!(error, "answers: expected at least one, got none");
    let answers = answerer.answer_list(&["dog"]).unwrap();
    let none = RankOptions {
        k_test: 0,
        ..RankOptions::default()
    };
    let error = answerer.rank_encoded(&encoded, &["a", "b", "c"], &answers, &none);
    assert_eq!(
        error.unwrap_err().to_string(),
        "k_test: expected at least 1, got 0"
    );
}
