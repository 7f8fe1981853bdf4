//! Files of annotations, whole and broken.

use std::path::Path;

use blip_data::{
    CaptionRecord, DataError, Dataset, PairRecord, Position, QuestionRecord, QuestionSource, Random,
    ReadLimits, ReadOptions, Record, RecordId, RecordSet, Targets,
};
use tempfile::TempDir;

use crate::fixture::{place, png, write};

fn folder(name: &str, bytes: impl AsRef<[u8]>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.png", png(1));
    write(folder.path(), name, bytes);
    folder
}

fn open<R: Record>(folder: &Path, name: &str, options: &ReadOptions) -> Result<RecordSet<R>, DataError> {
    let options = ReadOptions {
        image_root: folder.into(),
        ..options.clone()
    };
    RecordSet::open_json(&[folder.join(name)], &options)
}

/// Opens an array of one whole record and a broken one, and gives the complaint without the file's name.
fn complaint<R: Record>(whole: &str, broken: &str, targets: Targets) -> String {
    let folder = folder("x.json", format!("[{whole}, {broken}]"));
    let options = ReadOptions {
        targets,
        ..ReadOptions::default()
    };
    let set = open::<R>(folder.path(), "x.json", &options).unwrap();
    assert_eq!(set.len(), 1, "{broken}");
    assert_eq!(set.skipped().count(), 1, "{broken}");
    let error = &set.skipped().errors()[0];
    assert_eq!(place(error), ("x.json".into(), Position::Record(1)));
    let text = error.to_string();
    text.split_once("record 1: ").unwrap().1.into()
}

const CAPTION: &str = r#"{"image": "a.png", "caption": "a"}"#;
const QUESTION: &str =
    r#"{"image": "a.png", "question": "q", "question_id": 1, "dataset": "vqa", "answer": ["a"]}"#;
const PAIR: &str = r#"{"images": ["a.png", "a.png"], "sentence": "s", "label": "True"}"#;

#[test]
fn every_broken_caption_record_is_told_with_its_place() {
    for (broken, expected) in [
        (r#"{"caption": "a"}"#, "image: expected a string, got nothing"),
        (
            r#"{"image": null, "caption": "a"}"#,
            "image: expected a string, got nothing",
        ),
        (
            r#"{"image": 7, "caption": "a"}"#,
            "image: expected a string, got 7",
        ),
        (
            r#"{"image": "a.png"}"#,
            "caption: expected a string or a list of strings, got none",
        ),
        (
            r#"{"image": "a.png", "caption": []}"#,
            "caption: expected a string or a list of strings, got none",
        ),
        (
            r#"{"image": "a.png", "caption": 1.5}"#,
            "caption: expected a string or a list of strings, got 1.5",
        ),
        (
            r#"{"image": "a.png", "captions": ["a", {}]}"#,
            "captions[1]: expected a string, got an object of 0 fields",
        ),
        (
            r#"{"image": "a.png", "caption": "a", "image_id": [1]}"#,
            "image_id: expected an integer or a string, got a list of 1",
        ),
        (
            r#"["a.png", "a"]"#,
            "record: expected a JSON object, got a list of 2",
        ),
        ("null", "record: expected a JSON object, got null"),
    ] {
        assert_eq!(
            complaint::<CaptionRecord>(CAPTION, broken, Targets::Required),
            expected
        );
    }
}

#[test]
fn every_broken_question_record_is_told_with_its_place() {
    for (broken, expected) in [
        (
            r#"{"question": "q", "answer": "a"}"#,
            "image: expected a string, got nothing",
        ),
        (
            r#"{"image": "a.png", "answer": "a"}"#,
            "question: expected a string, got nothing",
        ),
        (
            r#"{"image": "a.png", "question": "q"}"#,
            "answer: expected a string or a list of strings, got none",
        ),
        (
            r#"{"image": "a.png", "question": "q", "answer": []}"#,
            "answer: expected a string or a list of strings, got none",
        ),
        (
            r#"{"image": "a.png", "question": "q", "answer": ["a", 2]}"#,
            "answer[1]: expected a string, got 2",
        ),
        (
            r#"{"image": "a.png", "question": "q", "answer": ["a"], "dataset": "vg"}"#,
            "answer: expected a string, got a list of 1",
        ),
        (
            r#"{"image": "a.png", "question": "q", "answer": "a", "dataset": "gqa"}"#,
            r#"dataset: expected "vqa" or "vg", got "gqa""#,
        ),
        (
            r#"{"image": "a.png", "question": "q", "answer": "a", "question_id": 0.5}"#,
            "question_id: expected an integer or a string, got 0.5",
        ),
    ] {
        assert_eq!(
            complaint::<QuestionRecord>(QUESTION, broken, Targets::Required),
            expected
        );
    }
}

#[test]
fn every_broken_pair_record_is_told_with_its_place() {
    for (broken, expected) in [
        (
            r#"{"sentence": "s", "label": "True"}"#,
            "images: expected a list of two strings, got nothing",
        ),
        (
            r#"{"images": ["a"], "sentence": "s", "label": "True"}"#,
            "images: expected a list of two strings, got a list of 1",
        ),
        (
            r#"{"images": ["a", 1], "sentence": "s", "label": "True"}"#,
            "images: expected a list of two strings, got a list of 2",
        ),
        (
            r#"{"images": ["a", "b"], "label": "True"}"#,
            "sentence: expected a string, got nothing",
        ),
        (
            r#"{"images": ["a", "b"], "sentence": "s"}"#,
            r#"label: expected "True" or "False", got nothing"#,
        ),
        (
            r#"{"images": ["a", "b"], "sentence": "s", "label": "true"}"#,
            r#"label: expected "True" or "False", got "true""#,
        ),
        (
            r#"{"images": ["a", "b"], "sentence": "s", "label": 1}"#,
            r#"label: expected "True" or "False", got 1"#,
        ),
    ] {
        assert_eq!(complaint::<PairRecord>(PAIR, broken, Targets::Required), expected);
    }
}

#[test]
fn a_long_text_is_shortened_in_a_complaint() {
    let broken = format!(
        r#"{{"images": ["a", "b"], "sentence": "s", "label": "{}"}}"#,
        "é".repeat(1000)
    );
    let complaint = complaint::<PairRecord>(PAIR, &broken, Targets::Required);
    assert!(
        complaint.ends_with("é\" and more") && complaint.len() < 150,
        "{complaint}"
    );
}

#[test]
fn targets_may_be_optional_but_not_wrong() {
    let options = ReadOptions {
        targets: Targets::Optional,
        ..ReadOptions::default()
    };
    let nocaps = folder("x.json", r#"[{"image": "a.png", "img_id": 3, "extra": {}}]"#);
    let set = open::<CaptionRecord>(nocaps.path(), "x.json", &options).unwrap();
    let sample = set.sample(0).unwrap();
    assert_eq!(sample.record.image_id, Some(RecordId::Number(3)));
    assert_eq!(sample.record.captions, [""; 0]);
    assert_eq!(sample.record.draw_caption(&mut Random::new(0)), None);

    let test = folder(
        "x.json",
        r#"[{"image": "a.png", "question": "q", "question_id": 4, "dataset": "vqa"}]"#,
    );
    let set = open::<QuestionRecord>(test.path(), "x.json", &options).unwrap();
    let record = set.record(0).unwrap();
    assert_eq!(record.question_id, Some(RecordId::Number(4)));
    assert_eq!((record.source, record.answers.len()), (QuestionSource::Vqa, 0));

    let pair = folder("x.json", r#"[{"images": ["a.png", "a.png"], "sentence": "s"}]"#);
    let set = open::<PairRecord>(pair.path(), "x.json", &options).unwrap();
    assert_eq!(set.record(0).unwrap().label, None);

    let wrong = r#"{"image": "a.png", "caption": 3}"#;
    let complaint = complaint::<CaptionRecord>(CAPTION, wrong, Targets::Optional);
    assert_eq!(
        complaint,
        "caption: expected a string or a list of strings, got 3"
    );
}

#[test]
fn booleans_are_labels_too() {
    let folder = folder(
        "x.json",
        r#"[{"images": ["a.png", "a.png"], "sentence": "s", "label": false}]"#,
    );
    let set = open::<PairRecord>(folder.path(), "x.json", &ReadOptions::default()).unwrap();
    assert_eq!(set.record(0).unwrap().label, Some(false));
}

#[test]
fn texts_stay_as_they_are_if_asked() {
    let folder = folder("x.json", r#"[{"image": "a.png", "caption": ["A (dog).", "b"]}]"#);
    let options = ReadOptions {
        clean: false,
        ..ReadOptions::default()
    };
    let set = open::<CaptionRecord>(folder.path(), "x.json", &options).unwrap();
    assert_eq!(set.record(0).unwrap().captions, ["A (dog).", "b"]);
}

#[test]
fn every_caption_is_drawn() {
    let folder = folder("x.json", r#"[{"image": "a.png", "caption": ["a", "b", "c"]}]"#);
    let set = open::<CaptionRecord>(folder.path(), "x.json", &ReadOptions::default()).unwrap();
    let mut random = Random::new(8);
    let record = set.record(0).unwrap();
    let drawn: Vec<&str> = (0..3000)
        .filter_map(|_| record.draw_caption(&mut random))
        .collect();
    for caption in ["a", "b", "c"] {
        let count = drawn.iter().filter(|drawn| **drawn == caption).count();
        // Six standard deviations.
        assert!(count.abs_diff(1000) < 155, "{caption}: {count}");
    }
}

#[test]
fn lines_are_read_around_broken_ones() {
    let lines = format!(
        "\u{feff}{CAPTION}\n\n{{\"image\": \"a.png\"\n{CAPTION}\r\n[1]\n\u{fffd}x\n{}\n{CAPTION}",
        r#"{"image": "a.png", "caption": ""}"#.replace("\"\"", &format!("\"{}\"", "x".repeat(300)))
    );
    let folder = folder("x.jsonl", lines);
    let options = ReadOptions {
        limits: ReadLimits {
            max_record_bytes: 200,
            ..ReadLimits::default()
        },
        ..ReadOptions::default()
    };
    let set = open::<CaptionRecord>(folder.path(), "x.jsonl", &options).unwrap();
    let lines: Vec<Position> = (0..set.len())
        .map(|index| set.place(index).unwrap().position)
        .collect();
    assert_eq!(lines, [1, 4, 8].map(Position::Line));
    let broken: Vec<(String, Position)> = set.skipped().errors().iter().map(place).collect();
    assert_eq!(
        broken,
        [3, 5, 6, 7].map(|line| ("x.jsonl".into(), Position::Line(line)))
    );
    assert!(matches!(
        set.skipped().errors()[3],
        DataError::RecordTooLarge { limit: 200, .. }
    ));
    let report = set.skipped().to_string();
    assert!(report.starts_with("4 records left out\n"), "{report}");
    assert!(
        report.contains("line 3: record: expected a JSON object on one line, got EOF"),
        "{report}"
    );
}

#[test]
fn lines_of_invalid_utf8_are_broken_alone() {
    let mut lines = CAPTION.as_bytes().to_vec();
    lines.extend(b"\n{\"image\": \"\xff\", \"caption\": \"a\"}\n");
    let folder = folder("x.jsonl", lines);
    let set = open::<CaptionRecord>(folder.path(), "x.jsonl", &ReadOptions::default()).unwrap();
    assert_eq!((set.len(), set.skipped().count()), (1, 1));
}

#[test]
fn a_file_that_is_wholly_unreadable_is_an_error() {
    let error = |bytes: &str| {
        let folder = folder("x.json", bytes);
        open::<CaptionRecord>(folder.path(), "x.json", &ReadOptions::default()).unwrap_err()
    };
    for bytes in ["", "  \n ", "hello", "7", "\"a\""] {
        assert!(matches!(error(bytes), DataError::Form { .. }), "{bytes}");
    }
    let deep = format!("[{}1{}]", "[".repeat(500), "]".repeat(500));
    for bytes in [
        "[",
        "[{\"image\": \"a.png\"",
        &format!("[{CAPTION}"),
        &format!("[{CAPTION}] x"),
        &deep,
    ] {
        assert!(matches!(error(bytes), DataError::Json { .. }), "{bytes}");
    }
    for (bytes, skipped) in [
        ("[]", 0),
        ("[1, 2]", 2),
        (r#"{"images": [], "annotations": []}"#, 1),
        ("{\n}", 2),
    ] {
        let error = error(bytes);
        assert!(
            matches!(&error, DataError::NoRecords { skipped: got, .. } if *got == skipped),
            "{error}"
        );
        assert!(error.to_string().contains("x.json"), "{error}");
    }
    let missing =
        RecordSet::<CaptionRecord>::open_json(&["no/such.json"], &ReadOptions::default()).unwrap_err();
    assert!(matches!(&missing, DataError::Io { .. }), "{missing}");
    assert!(missing.to_string().contains("no/such.json"));
    assert!(missing.place().is_none());
    let folder = tempfile::tempdir().unwrap();
    let error = RecordSet::<CaptionRecord>::open_json(&[folder.path()], &ReadOptions::default()).unwrap_err();
    assert!(matches!(error, DataError::Io { .. }), "{error}");
}

#[test]
fn limits_are_kept() {
    let folder = folder("x.json", format!("[{CAPTION}, 1, {CAPTION}]"));
    let with = |limits: ReadLimits| {
        let options = ReadOptions {
            limits,
            ..ReadOptions::default()
        };
        open::<CaptionRecord>(folder.path(), "x.json", &options)
    };
    let limits = ReadLimits::default();
    let error = with(ReadLimits {
        max_records: 2,
        ..limits
    })
    .unwrap_err();
    assert!(
        matches!(error, DataError::TooManyRecords { limit: 2, .. }),
        "{error}"
    );
    let error = with(ReadLimits {
        max_file_bytes: 50,
        ..limits
    })
    .unwrap_err();
    assert!(
        matches!(error, DataError::FileTooLarge { limit: 50, .. }),
        "{error}"
    );
    let with_bytes = |max_record_bytes| {
        with(ReadLimits {
            max_record_bytes,
            ..limits
        })
    };
    // Records of 34 bytes, and what stands between them.
    let error = with_bytes(20).unwrap_err();
    assert_eq!(place(&error), ("x.json".into(), Position::Record(0)));
    assert!(
        matches!(error, DataError::RecordTooLarge { limit: 20, .. }),
        "{error}"
    );
    assert_eq!(with_bytes(40).unwrap().len(), 2);
    assert_eq!(
        with(ReadLimits {
            max_records: 3,
            ..limits
        })
        .unwrap()
        .len(),
        2
    );
}

#[test]
fn several_files_are_one_set_and_each_must_be_of_use() {
    let folder = folder("x.json", format!("[{CAPTION}, {{}}]"));
    write(folder.path(), "y.jsonl", r#"{"image": "a.png", "caption": "y"}"#);
    write(folder.path(), "z.json", "[{}]");
    let [x, y, z] = ["x.json", "y.jsonl", "z.json"].map(|name| folder.path().join(name));
    let options = ReadOptions::new(folder.path());
    let set = RecordSet::<CaptionRecord>::open_json(&[&x, &y], &options).unwrap();
    let captions: Vec<&str> = set.records().map(|record| record.captions[0].as_str()).collect();
    assert_eq!(captions, ["a", "y"]);
    assert_eq!(
        set.place(1).unwrap().to_string(),
        format!("{}, line 1", y.display())
    );
    assert_eq!(set.samples().filter(Result::is_ok).count(), 2);
    let error = RecordSet::<CaptionRecord>::open_json(&[&x, &z], &options).unwrap_err();
    assert!(
        matches!(&error, DataError::NoRecords { path, .. } if *path == z),
        "{error}"
    );
}

#[test]
fn only_a_hundred_complaints_are_kept() {
    let folder = folder("x.json", format!("[{}{CAPTION}]", "0, ".repeat(150)));
    let set = open::<CaptionRecord>(folder.path(), "x.json", &ReadOptions::default()).unwrap();
    assert_eq!((set.skipped().count(), set.skipped().errors().len()), (150, 100));
    assert!(set.skipped().to_string().ends_with("and 50 more"));
}

#[test]
fn a_picture_that_cannot_be_had_is_a_complaint_of_its_sample() {
    let folder = folder(
        "x.json",
        r#"[{"image": "a.png", "caption": "a"}, {"image": "missing.png", "caption": "a"},
            {"image": "broken.png", "caption": "a"}, {"image": "cut.png", "caption": "a"},
            {"image": "sub", "caption": "a"}]"#,
    );
    write(folder.path(), "broken.png", "no picture at all");
    write(folder.path(), "cut.png", &png(1)[..50]);
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    let set = open::<CaptionRecord>(folder.path(), "x.json", &ReadOptions::default()).unwrap();
    assert_eq!(set.len(), 5);
    assert!(set.sample(0).is_ok());
    for (index, name) in [(1, "missing.png"), (2, "broken.png"), (3, "cut.png"), (4, "sub")] {
        let error = set.sample(index).unwrap_err();
        assert!(
            matches!(&error, DataError::Picture { image, .. } if image == name),
            "{error}"
        );
        assert_eq!(place(&error), ("x.json".into(), Position::Record(index)));
        assert!(
            error.to_string().contains(&format!("record {index}: {name}: ")),
            "{error}"
        );
    }
    let error = set.sample(5).unwrap_err();
    assert_eq!(error.to_string(), "no sample 5: there are 5");

    let pair = crate::json::folder(
        "x.json",
        r#"[{"images": ["a.png", "b.png"], "sentence": "s", "label": "True"}]"#,
    );
    let set = open::<PairRecord>(pair.path(), "x.json", &ReadOptions::default()).unwrap();
    let error = set.sample(0).unwrap_err();
    assert!(
        matches!(&error, DataError::Picture { image, .. } if image == "b.png"),
        "{error}"
    );
}
