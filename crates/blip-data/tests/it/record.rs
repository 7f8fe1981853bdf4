//! Records against what the original's data sets return.

use blip_data::{
    CaptionRecord, Dataset, PairRecord, QuestionRecord, Random, ReadOptions, RecordSet, coco_image_id,
};
use blip_processor::RgbImage;
use serde_json::Value;
use tempfile::TempDir;

use crate::fixture::{png, write};
use crate::golden::{list, read, text};

/// A folder with the golden's pictures, whose red is their number, and the records under a key.
fn folder(golden: &Value, key: &str, extra: &[(&str, u8)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, red) in golden["pictures"].as_object().unwrap() {
        write(folder.path(), name, png(red.as_u64().unwrap() as u8));
    }
    for (name, red) in extra {
        write(folder.path(), name, png(*red));
    }
    let records: Vec<&Value> = list(golden, key).iter().map(|case| &case["record"]).collect();
    write(
        folder.path(),
        "records.json",
        serde_json::to_vec(&records).unwrap(),
    );
    folder
}

fn options(folder: &TempDir) -> ReadOptions {
    ReadOptions::new(folder.path())
}

fn red(image: &RgbImage) -> u64 {
    assert_eq!((image.width(), image.height()), (3, 2));
    image.as_bytes()[0].into()
}

#[test]
fn captions_and_picture_numbers_are_the_originals() {
    let golden = read("record.json");
    let folder = folder(&golden, "captions", &[]);
    let set = RecordSet::<CaptionRecord>::open_json(&[folder.path().join("records.json")], &options(&folder))
        .unwrap();
    assert_eq!(set.skipped().count(), 0);
    let numbers = set.image_numbers();
    let cases = list(&golden, "captions");
    assert_eq!(set.len(), cases.len());
    for (index, case) in cases.iter().enumerate() {
        let sample = set.sample(index).unwrap();
        assert_eq!(case["sample"][0], red(&sample.image), "{case}");
        assert_eq!(case["sample"][1], sample.record.captions[0], "{case}");
        assert_eq!(case["sample"][2], numbers[index], "{case}");
    }
}

#[test]
fn questions_answers_and_weights_are_the_originals() {
    let golden = read("record.json");
    let folder = folder(&golden, "questions", &[("vg/c_12.png", 99)]);
    let mut options = options(&folder);
    options.visual_genome_root = Some(folder.path().join("vg"));
    let path = folder.path().join("records.json");
    let set = RecordSet::<QuestionRecord>::open_json(&[path], &options).unwrap();
    let (mut answers, mut weights, mut counts) = (Vec::new(), Vec::new(), Vec::new());
    for (index, case) in list(&golden, "questions").iter().enumerate() {
        let sample = set.sample(index).unwrap();
        assert_eq!(case["question"], sample.record.question);
        let expected = if text(&case["record"], "dataset") == "vg" {
            99
        } else {
            1
        };
        assert_eq!(red(&sample.image), expected);
        counts.push(sample.record.answers.len());
        for answer in sample.record.answers {
            answers.push(answer.answer);
            weights.push(answer.weight);
        }
    }
    assert_eq!(golden["answers"]["answers"], serde_json::json!(answers));
    assert_eq!(golden["answers"]["counts"], serde_json::json!(counts));
    let expected: Vec<f32> = list(&golden["answers"], "weights")
        .iter()
        .map(|weight| weight.as_f64().unwrap() as f32)
        .collect();
    assert_eq!(weights, expected);
}

#[test]
fn pairs_are_the_originals_in_either_order() {
    let golden = read("record.json");
    let folder = folder(&golden, "pairs", &[]);
    let path = folder.path().join("records.json");
    let set = RecordSet::<PairRecord>::open_json(&[path], &options(&folder)).unwrap();
    for (index, case) in list(&golden, "pairs").iter().enumerate() {
        let kept = set.sample(index).unwrap();
        let swapped = kept.clone().swapped();
        assert_eq!(swapped.clone().swapped(), kept);
        for (outcome, sample) in [("kept", &kept), ("swapped", &swapped)] {
            let expected = &case[outcome];
            assert_eq!(expected[0], red(&sample.image[0]), "{case}");
            assert_eq!(expected[1], red(&sample.image[1]), "{case}");
            assert_eq!(expected[2], sample.record.sentence, "{case}");
            assert_eq!(expected[3], u64::from(sample.record.label.unwrap()), "{case}");
        }
        let mut random = Random::new(1);
        let swaps = (0..1000)
            .filter(|_| kept.clone().draw_order(&mut random) == swapped)
            .count();
        assert!(swaps.abs_diff(500) < 95, "{swaps}");
    }
}

#[test]
fn image_ids_are_the_originals() {
    for case in list(&read("record.json"), "image_ids") {
        assert_eq!(
            coco_image_id(text(case, "image")),
            case["image_id"].as_i64(),
            "{case}"
        );
    }
}
