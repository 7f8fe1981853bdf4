//! Batches out of data sets.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use blip_core::{BertTokenizer, ImageProcessor, ImageProcessorConfig, Tokenizer};
use blip_data::{CaptionRecord, PairRecord, QuestionRecord, ReadOptions, Record, RecordSet, TrainTransform};
use blip_train::{BatchSource, CaptionRecords, Moment, PairRecords, QuestionRecords, Records};

fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../blip-core/tests/goldens")
}

fn tokenizer() -> Arc<dyn Tokenizer> {
    Arc::new(BertTokenizer::from_file(goldens().join("hf_caption/vocab.txt")).unwrap())
}

/// Records in a file of their own, with the goldens' pictures.
fn records<R: Record>(json: &str, batch_size: usize, transform: TrainTransform) -> Records<RecordSet<R>> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("records.json");
    std::fs::write(&file, json).unwrap();
    let data = RecordSet::open_json(&[&file], &ReadOptions::new(goldens())).unwrap();
    let processor = ImageProcessor::new(ImageProcessorConfig::new([16, 16])).unwrap();
    Records::new(data, processor, transform, tokenizer(), batch_size)
}

fn moment(epoch: usize, step: usize) -> Moment {
    Moment {
        epoch,
        step,
        steps_per_epoch: 2,
        seed: 4,
    }
}

const CAPTIONS: &str = r#"[
    {"image": "picture_0.png", "caption": "A man.", "image_id": "a"},
    {"image": "picture_0.png", "caption": "two dogs", "image_id": "a"},
    {"image": "picture_1.png", "caption": "snow", "image_id": "b"},
    {"image": "gone.png", "caption": "nothing", "image_id": "c"},
    {"image": "picture_2.png", "caption": "snow", "image_id": 7}
]"#;

#[test]
fn captions_come_in_another_order_each_epoch_and_the_same_whenever_they_are_asked_for() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = told.clone();
    let source = CaptionRecords(
        records::<CaptionRecord>(CAPTIONS, 2, TrainTransform::original(16))
            .with_prompt("a picture of ")
            .with_max_length(6)
            .on_broken(move |error| listener.lock().unwrap().push(error.to_string())),
    );
    assert_eq!(source.steps_per_epoch(), 2);
    let mut ids = Vec::new();
    for epoch in 0..6 {
        for step in 0..2 {
            let batch = source.batch(&moment(epoch, step)).unwrap();
            let again = source.batch(&moment(epoch, step)).unwrap();
            assert_eq!(batch.pixel_values.as_slice(), again.pixel_values.as_slice());
            assert_eq!(batch.texts, again.texts);
            assert_eq!(batch.pixel_values.shape(), [2, 3, 16, 16]);
            // "a picture of" of the vocabulary, behind [CLS].
            assert!((0..2).all(|row| batch.texts.row(row)[..4] == [2, 5, 8, 13]));
            assert!(batch.texts.shape()[1] <= 6);
            ids.push(batch.image_ids);
        }
    }
    assert!(ids.windows(2).any(|pair| pair[0] != pair[1]));
    let distinct: std::collections::BTreeSet<i64> = ids.into_iter().flatten().collect();
    assert_eq!(distinct.len(), 3, "two captions are of one picture");
    let told = told.lock().unwrap();
    assert!(
        told.iter().all(|error| error.contains("gone.png")) && !told.is_empty(),
        "{told:?}"
    );
}

#[test]
fn questions_come_with_all_their_answers() {
    let json = r#"[
        {"image": "picture_0.png", "question": "Is it snow?", "question_id": 1, "dataset": "vqa", "answer": ["yes", "no", "yes", "yes"]},
        {"image": "picture_1.png", "question": "what", "question_id": 2, "dataset": "vg", "answer": "snow"}
    ]"#;
    let source = QuestionRecords(records::<QuestionRecord>(json, 2, TrainTransform::original(16)));
    let batch = source.batch(&moment(0, 0)).unwrap();
    assert_eq!(batch.questions.shape()[0], 2);
    assert_eq!(batch.answers.shape()[0], 3);
    let mut weights = batch.weights.clone();
    weights.sort_by(f32::total_cmp);
    assert_eq!(weights, [0.2, 0.25, 0.75]);
    assert!(batch.question_of == [0, 0, 1] || batch.question_of == [0, 1, 1]);
}

#[test]
fn pairs_change_places() {
    let json = r#"[{"images": ["picture_0.png", "picture_1.png"], "sentence": "snow", "label": "True"}]"#;
    let source = PairRecords(records::<PairRecord>(json, 1, TrainTransform::plain(16)));
    let mut orders = [0; 2];
    let straight = source.batch(&moment(0, 0)).unwrap();
    for epoch in 0..20 {
        let batch = source.batch(&moment(epoch, 0)).unwrap();
        assert_eq!(batch.labels, [true]);
        let swapped = batch.first.as_slice() == straight.second.as_slice();
        assert!(swapped || batch.first.as_slice() == straight.first.as_slice());
        orders[usize::from(swapped)] += 1;
    }
    assert!(orders[0] > 4 && orders[1] > 4, "{orders:?}");
}
