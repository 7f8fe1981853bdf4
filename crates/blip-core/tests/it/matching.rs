//! Matching, search, classification, films and their evaluation.

use blip_core::Device;
use blip_core::{
    AlphaPolicy, Blip, BuildEvent, BuildOptions, CaptionOptions, Captioner, Classifier, FirstToken,
    LoadOptions, MatchOptions, Matcher, Reference, RetrievalMetrics, RetrievalScores, Retriever,
    SearchOptions, frame_indices,
};
use blip_testkit::{Golden, assert_close};
use serde_json::Value;

use crate::reference::{list, load, options, original, path, pixels};

const RETRIEVAL: &str = "salesforce_retrieval.pth";

fn retrieval() -> (Matcher, Golden) {
    (
        load!(Matcher, RETRIEVAL),
        Golden::open(path("salesforce_retrieval.safetensors")),
    )
}

fn with_first(first: FirstToken) -> MatchOptions {
    MatchOptions {
        first_token: Some(first),
    }
}

#[test]
fn matches_are_the_references() {
    let hugging_face = (load!(Matcher, "hf_itm"), Golden::open(path("hf_itm.safetensors")));
    let cases = [
        (hugging_face, vec![("itm", MatchOptions::default())]),
        (
            retrieval(),
            vec![
                ("itm_cls", MatchOptions::default()),
                ("itm_cls", with_first(FirstToken::Cls)),
                ("itm_enc", with_first(FirstToken::Enc)),
            ],
        ),
    ];
    for ((matcher, golden), variants) in cases {
        let texts = list(&golden, "texts");
        let encoded = matcher.encode(&pixels(&golden, "pixel_values")).unwrap();
        let features = matcher.embed_images(&encoded).unwrap();
        assert_close(
            "image_features",
            features.as_slice(),
            &golden.f32("image_features"),
            1e-5,
        );
        let features = matcher.embed_texts(&texts).unwrap();
        assert_close(
            "text_features",
            features.as_slice(),
            &golden.f32("text_features"),
            1e-5,
        );
        for (name, options) in variants {
            let got = matcher.match_encoded(&encoded, &texts, &options).unwrap();
            let (similarities, logits) = (
                golden.f32("itc.similarity"),
                golden.f32(&format!("{name}.logits")),
            );
            for (pair, got) in got.iter().flatten().enumerate() {
                assert_close("itc", &[got.itc_similarity], &[similarities[pair]], 1e-5);
                assert_close(name, &got.itm_logits, &logits[2 * pair..2 * pair + 2], 1e-4);
                let [no, yes] = [logits[2 * pair], logits[2 * pair + 1]].map(f32::exp);
                assert_close("probability", &[got.itm_probability], &[yes / (no + yes)], 1e-4);
            }
            assert_eq!(got.len() * got[0].len() * 2, logits.len());
        }
    }
}

#[test]
fn a_pair_gets_alone_what_it_gets_among_many() {
    let (matcher, golden) = retrieval();
    let texts = list(&golden, "texts");
    let options = MatchOptions::default();
    let many = matcher
        .match_texts(&pixels(&golden, "pixel_values"), &texts, &options)
        .unwrap();
    for (picture, many) in many.iter().enumerate() {
        let file = path(&format!("picture_{picture}.png"));
        for (text, many) in texts.iter().zip(many) {
            let alone = matcher.match_file(&file, &[text], &options).unwrap();
            assert_close("logits", &alone[0].itm_logits, &many.itm_logits, 1e-5);
            assert_close("cosine", &[alone[0].itc_similarity], &[many.itc_similarity], 1e-6);
        }
    }
    let bytes = std::fs::read(path("picture_1.png")).unwrap();
    assert_eq!(
        matcher.match_bytes(&bytes, &texts, &options).unwrap().len(),
        texts.len()
    );
    assert!(
        matcher
            .match_bytes::<&str>(&bytes, &[], &options)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_first_token_of_generation_is_refused() {
    let (matcher, golden) = retrieval();
    let error = matcher
        .match_texts(
            &pixels(&golden, "pixel_values"),
            &["a dog"],
            &with_first(FirstToken::Dec),
        )
        .unwrap_err();
    assert_eq!(error.to_string(), "first_token: expected cls or enc, got dec");
}

#[test]
fn labels_are_as_likely_as_the_reference_finds_them() {
    let golden = Golden::open(path("salesforce_retrieval.safetensors"));
    let classifier = load!(Classifier, RETRIEVAL);
    assert_eq!(classifier.temperature(), 0.05);
    let labels = list(&golden, "labels");
    let set = classifier.label_set::<_, &str>(&labels, &[]).unwrap();
    let got = classifier
        .classify(&pixels(&golden, "pixel_values"), &set)
        .unwrap();
    let want = golden.f32("classify.probabilities");
    for (picture, ranked) in got.iter().enumerate() {
        assert!(ranked.is_sorted_by(|a, b| a.probability >= b.probability));
        assert_close(
            "sum",
            &[ranked.iter().map(|label| label.probability).sum()],
            &[1.0],
            1e-5,
        );
        for label in ranked {
            let want = want[picture * labels.len() + label.index];
            assert_close(&label.label, &[label.probability], &[want], 1e-4);
            assert_eq!(label.label, labels[label.index]);
        }
    }
}

#[test]
fn templates_are_averaged_and_the_temperature_can_be_set() {
    let matcher = load!(Matcher, "hf_itm");
    let classifier = load!(Classifier, "hf_itm");
    // Hugging Face's checkpoints have none.
    assert_eq!(classifier.temperature(), 0.07);
    let set = classifier
        .label_set(&["dog", "cat"], &["a picture of a {}", "a drawing of a {}"])
        .unwrap();
    let texts = matcher
        .embed_texts(&["a picture of a dog", "a drawing of a dog"])
        .unwrap();
    let sum: Vec<f32> = texts
        .row(0)
        .iter()
        .zip(texts.row(1))
        .map(|(a, b)| a + b)
        .collect();
    let length = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
    let mean: Vec<f32> = sum.iter().map(|x| x / length).collect();
    assert_close("label", set.embeddings().row(0), &mean, 1e-6);
    let file = path("picture_0.png");
    let sharp = classifier.with_temperature(0.001).unwrap();
    let (plain, sharp) = (
        classifier.classify_file(&file, &set).unwrap(),
        sharp.classify_file(&file, &set).unwrap(),
    );
    assert!(sharp[0].probability > plain[0].probability);
    for temperature in [0.0, -1.0, f32::NAN] {
        assert!(classifier.with_temperature(temperature).is_err());
    }
    let error = classifier
        .label_set(&["dog"], &["a dog"])
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "templates: expected {} where the label goes, got \"a dog\""
    );
    assert!(classifier.label_set::<&str, &str>(&[], &[]).is_err());
}

/// What the retrieval evaluation was made of.
struct Evaluation {
    texts: Vec<String>,
    image_of_text: Vec<usize>,
    json: Value,
}

impl Evaluation {
    fn of(golden: &Golden) -> Self {
        let json: Value = serde_json::from_str(&golden.metadata("retrieval")).unwrap();
        let texts = json["texts"].as_array().unwrap();
        Self {
            texts: texts
                .iter()
                .map(|text| text.as_str().unwrap().to_owned())
                .collect(),
            image_of_text: indices(&json["txt2img"]),
            json,
        }
    }
}

/// A list, or a Python dictionary with numbers for keys.
fn indices(value: &Value) -> Vec<usize> {
    let whole = |value: &Value| value.as_u64().unwrap() as usize;
    match value {
        Value::Array(list) => list.iter().map(whole).collect(),
        Value::Object(map) => (0..map.len()).map(|key| whole(&map[&key.to_string()])).collect(),
        other => panic!("{other} is no list"),
    }
}

fn check_metrics(got: &RetrievalMetrics, want: &Value) {
    let got = [
        ("txt_r1", got.txt_r1),
        ("txt_r5", got.txt_r5),
        ("txt_r10", got.txt_r10),
        ("txt_r_mean", got.txt_r_mean),
        ("img_r1", got.img_r1),
        ("img_r5", got.img_r5),
        ("img_r10", got.img_r10),
        ("img_r_mean", got.img_r_mean),
        ("r_mean", got.r_mean),
    ];
    for (name, got) in got {
        let want = want[name].as_f64().unwrap();
        assert!((got - want).abs() < 1e-9, "{name}: {got} is not {want}");
    }
}

fn rows(values: &[f32], columns: usize) -> Vec<Vec<f32>> {
    values.chunks_exact(columns).map(<[f32]>::to_vec).collect()
}

#[test]
fn the_retrieval_evaluation_is_the_originals() {
    let (matcher, golden) = retrieval();
    let evaluation = Evaluation::of(&golden);
    let pictures: Vec<_> = (0..6)
        .map(|index| path(&format!("picture_{index}.png")))
        .collect();
    for k_test in [3, 9] {
        let scores = matcher
            .retrieval_scores(&pictures, &evaluation.texts, k_test)
            .unwrap();
        let [i2t, t2i] = [("i2t", &scores.image_to_text), ("t2i", &scores.text_to_image)];
        for (name, got) in [i2t, t2i] {
            let want = golden.f32(&format!("retrieval_{k_test}.{name}"));
            assert_close(name, &got.concat(), &want, 1e-4);
            let left_out = want
                .iter()
                .filter(|&&score| score == RetrievalScores::NOT_RANKED)
                .count();
            assert_eq!(left_out > 0, k_test == 3, "{name} {k_test}");
        }
        let metrics = RetrievalMetrics::new(&scores, &evaluation.image_of_text).unwrap();
        check_metrics(&metrics, &evaluation.json[format!("metrics_{k_test}")]);
    }
}

#[test]
fn metrics_are_the_originals_for_ties_too() {
    let golden = Golden::open(path("salesforce_retrieval.safetensors"));
    let cases: Vec<Value> = serde_json::from_str(&golden.metadata("metrics")).unwrap();
    assert!(!cases.is_empty());
    for case in &cases {
        let matrix = |name: &str| -> Vec<Vec<f32>> {
            let rows = case[name].as_array().unwrap();
            let row = |row: &Value| {
                let row = row.as_array().unwrap();
                row.iter().map(|score| score.as_f64().unwrap() as f32).collect()
            };
            rows.iter().map(row).collect()
        };
        let scores = RetrievalScores {
            image_to_text: matrix("i2t"),
            text_to_image: matrix("t2i"),
        };
        let metrics = RetrievalMetrics::new(&scores, &indices(&case["txt2img"])).unwrap();
        check_metrics(&metrics, &case["result"]);
    }
}

#[test]
fn a_film_is_matched_as_the_original_matches_it() {
    let (matcher, golden) = retrieval();
    let texts = list(&golden, "texts");
    let (similarities, logits) = (golden.f32("video.itc_similarity"), golden.f32("video.itm_logits"));
    for video in 0..2 {
        let frames: Vec<_> = (0..3)
            .map(|frame| path(&format!("picture_{}.png", 3 * video + frame)))
            .collect();
        let frames: Vec<_> = frames
            .iter()
            .map(|frame| matcher.processor().preprocess_file(frame).unwrap())
            .collect();
        let frames = matcher
            .encode(&blip_core::PixelValues::concat(&frames).unwrap())
            .unwrap();
        let got = matcher
            .match_video(&frames, &texts, &MatchOptions::default())
            .unwrap();
        for (text, got) in got.iter().enumerate() {
            let pair = video * texts.len() + text;
            assert_close("itc", &[got.itc_similarity], &[similarities[pair]], 1e-5);
            assert_close("itm", &got.itm_logits, &logits[2 * pair..2 * pair + 2], 1e-4);
        }
    }
}

#[test]
fn frames_are_those_that_the_original_takes() {
    let golden = Golden::open(path("salesforce_retrieval.safetensors"));
    let cases: Vec<Value> = serde_json::from_str(&golden.metadata("frame_indices")).unwrap();
    assert!(cases.len() > 40);
    for case in &cases {
        let whole = |name: &str| case[name].as_u64().unwrap() as usize;
        let got = frame_indices(whole("vlen"), whole("num_frames")).unwrap();
        assert_eq!(got, indices(&case["indices"]), "{case}");
    }
}

#[test]
fn every_film_has_numpys_frames() {
    // numpy's `arange(0, length, length / count, dtype=int)` has a value too many where its division rounds up.
    for (length, count) in [(49, 49), (1, 3), (107, 49), (1000, 7)] {
        let indices = frame_indices(length, count).unwrap();
        assert!(indices.len() == count || indices.len() == count + 1);
        assert!(indices.iter().all(|&index| index <= length));
    }
}

/// A folder with the six recorded pictures, one of them in a subfolder.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("more")).unwrap();
    for index in 0..6 {
        let name = if index == 4 {
            "more/picture_4.png".to_owned()
        } else {
            format!("picture_{index}.png")
        };
        std::fs::copy(path(&format!("picture_{index}.png")), folder.path().join(name)).unwrap();
    }
    folder
}

fn search(top_k: usize, rerank: usize) -> SearchOptions {
    SearchOptions { top_k, rerank }
}

#[test]
fn a_gallery_is_searched_by_text_with_the_evaluations_scores() {
    let retriever = load!(Retriever, RETRIEVAL);
    let golden = Golden::open(path("salesforce_retrieval.safetensors"));
    let evaluation = Evaluation::of(&golden);
    let t2i = rows(&golden.f32("retrieval_9.t2i"), 6);
    let folder = folder();
    for keep_states in [None, Some(blip_core::index::StateType::F32)] {
        let out = folder.path().join("gallery.index");
        let options = BuildOptions {
            keep_states,
            batch_size: 4,
            replace: true,
            ..BuildOptions::default()
        };
        let report = retriever
            .build(folder.path(), &out, &options, &mut |_| {})
            .unwrap();
        assert_eq!((report.entries, report.computed), (6, 6));
        let gallery = retriever.open(&out).unwrap();
        if keep_states.is_some() {
            // Kept states need no files.
            for index in [0, 1, 2, 3, 5] {
                std::fs::remove_file(folder.path().join(format!("picture_{index}.png"))).unwrap();
            }
        }
        for (text, scores) in evaluation.texts.iter().zip(&t2i) {
            let found = retriever.search_text(&gallery, text, &search(6, 6)).unwrap();
            assert_eq!(found.len(), 6);
            assert!(found.is_sorted_by(|a, b| a.score >= b.score));
            for found in &found {
                let picture = found.name.trim_end_matches(".png").chars().last().unwrap();
                let want = scores[picture.to_digit(10).unwrap() as usize];
                assert_close(&found.name, &[found.score], &[want], 1e-4);
                let sum = found.itm_logit.unwrap() + found.itc_similarity;
                assert_eq!(found.score, sum);
            }
            // The best two by cosine, in the order of the cosine.
            let nearest = retriever.search_text(&gallery, text, &search(2, 0)).unwrap();
            assert_eq!(nearest.len(), 2);
            assert!(nearest.iter().all(|found| found.itm_logit.is_none()));
            assert!(nearest[0].itc_similarity >= nearest[1].itc_similarity);
        }
    }
}

#[test]
fn texts_are_searched_by_picture_and_pictures_by_picture() {
    let retriever = load!(Retriever, RETRIEVAL);
    let golden = Golden::open(path("salesforce_retrieval.safetensors"));
    let evaluation = Evaluation::of(&golden);
    let i2t = rows(&golden.f32("retrieval_9.i2t"), 9);
    let folder = folder();
    let out = folder.path().join("texts.index");
    let options = BuildOptions::default();
    retriever
        .build_texts(&evaluation.texts, &out, &options, &mut |_| {})
        .unwrap();
    let texts = retriever.open(&out).unwrap();
    for picture in [0, 1, 2, 3, 5] {
        let file = folder.path().join(format!("picture_{picture}.png"));
        let found = retriever.search_image_file(&texts, &file, &search(9, 9)).unwrap();
        for found in &found {
            assert_eq!(
                (&found.name, &found.path),
                (&evaluation.texts[found.index], &None)
            );
            assert_close(&found.name, &[found.score], &[i2t[picture][found.index]], 1e-4);
        }
        let best = retriever.search_image_file(&texts, &file, &search(1, 9)).unwrap();
        assert_eq!(best, found[..1]);
    }
    let error = retriever.search_text(&texts, "a dog", &search(1, 1)).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("to search texts by text, expected rerank 0"),
        "{error}"
    );
    let own = retriever
        .search_text(&texts, &evaluation.texts[4], &search(1, 0))
        .unwrap();
    assert_eq!(own[0].name, evaluation.texts[4]);

    let out = folder.path().join("pictures.index");
    retriever
        .build(folder.path(), &out, &options, &mut |_| {})
        .unwrap();
    let pictures = retriever.open(&out).unwrap();
    let file = folder.path().join("more/picture_4.png");
    let own = retriever
        .search_image_file(&pictures, &file, &search(1, 0))
        .unwrap();
    assert_eq!(own[0].name, "more/picture_4.png");
    assert_eq!(own[0].path.as_ref().unwrap(), &file.canonicalize().unwrap());
    assert_close("itself", &[own[0].score], &[1.0], 1e-5);
    let error = retriever
        .search_image_file(&pictures, &file, &search(1, 1))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("to search pictures by picture, expected rerank 0"),
        "{error}"
    );
}

#[test]
fn an_update_computes_what_changed_and_reports_what_cannot_be_read() {
    let retriever = load!(Retriever, RETRIEVAL);
    let folder = folder();
    let out = folder.path().join("gallery.index");
    std::fs::write(folder.path().join("broken.png"), b"no picture").unwrap();
    let options = BuildOptions {
        batch_size: 2,
        ..BuildOptions::default()
    };
    let build = || {
        let mut events = Vec::new();
        let mut on_event = |event: BuildEvent<'_>| {
            events.push(match event {
                BuildEvent::Found { entries, unchanged } => format!("{unchanged} of {entries} known"),
                BuildEvent::Computed { entries } => format!("{entries} computed"),
                BuildEvent::Skipped { path, .. } => {
                    format!("{} skipped", path.file_name().unwrap().display())
                }
                _ => "another".to_owned(),
            });
        };
        let report = retriever
            .build(folder.path(), &out, &options, &mut on_event)
            .unwrap();
        (report, events)
    };
    let (report, events) = build();
    assert_eq!((report.entries, report.computed, report.skipped.len()), (6, 6, 1));
    assert!(report.skipped[0].1.to_string().ends_with("broken.png"));
    // broken.png comes first, and more/picture_4.png before the others.
    assert_eq!(
        events,
        [
            "0 of 7 known",
            "broken.png skipped",
            "1 computed",
            "2 computed",
            "2 computed",
            "1 computed"
        ]
    );

    let (report, _) = build();
    assert_eq!((report.entries, report.computed), (6, 0));

    // One is changed, one is gone, one is new.
    std::fs::copy(path("picture_5.png"), folder.path().join("picture_0.png")).unwrap();
    std::fs::remove_file(folder.path().join("picture_1.png")).unwrap();
    std::fs::copy(path("picture_1.png"), folder.path().join("new.png")).unwrap();
    let (report, _) = build();
    assert_eq!((report.entries, report.computed), (6, 2));
    let gallery = retriever.open(&out).unwrap();
    let found = retriever
        .search_image_file(&gallery, path("picture_5.png"), &search(2, 0))
        .unwrap();
    let mut names: Vec<&str> = found.iter().map(|found| found.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["picture_0.png", "picture_5.png"]);
}

#[test]
fn another_models_or_gallerys_index_is_kept() {
    let (ours, theirs) = (load!(Retriever, RETRIEVAL), load!(Retriever, "hf_itm"));
    let (folder, other) = (folder(), folder());
    let out = folder.path().join("gallery.index");
    let options = BuildOptions::default();
    ours.build(folder.path(), &out, &options, &mut |_| {}).unwrap();
    let before = std::fs::read(&out).unwrap();
    for (retriever, gallery, message) in [
        (&theirs, &folder, "got another model's index"),
        (&ours, &other, "got another gallery's index"),
    ] {
        let error = retriever
            .build(gallery.path(), &out, &options, &mut |_| {})
            .unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
    let error = theirs.open(&out).unwrap_err().to_string();
    assert!(
        error.contains("gallery.index") && error.contains("model"),
        "{error}"
    );
    std::fs::write(other.path().join("notes.index"), b"precious").unwrap();
    let notes = other.path().join("notes.index");
    let replace = BuildOptions {
        replace: true,
        ..options
    };
    assert!(ours.build(other.path(), &notes, &replace, &mut |_| {}).is_err());
    assert_eq!(std::fs::read(&notes).unwrap(), b"precious");
    assert!(ours.open(&notes).is_err());
    assert_eq!(std::fs::read(&out).unwrap(), before);
    theirs.build(folder.path(), &out, &replace, &mut |_| {}).unwrap();
    assert_eq!(theirs.open(&out).unwrap().len(), 6);
    // A damaged one is replaced if that is wanted, and only then.
    std::fs::write(&out, &before[..before.len() - 1]).unwrap();
    let error = ours.build(folder.path(), &out, &BuildOptions::default(), &mut |_| {});
    assert!(error.unwrap_err().to_string().contains("bytes, got"));
    assert_eq!(
        ours.build(folder.path(), &out, &replace, &mut |_| {})
            .unwrap()
            .computed,
        6
    );
}

#[test]
fn what_an_index_keeps_it_goes_on_keeping() {
    let retriever = load!(Retriever, RETRIEVAL);
    let folder = folder();
    let out = folder.path().join("gallery.index");
    let keeping = |keep_states, replace| BuildOptions {
        keep_states,
        replace,
        ..BuildOptions::default()
    };
    let computed = |options: &BuildOptions| {
        retriever
            .build(folder.path(), &out, options, &mut |_| {})
            .map(|report| report.computed)
    };
    let half = Some(blip_core::index::StateType::F16);
    assert_eq!(computed(&keeping(half, false)).unwrap(), 6);
    std::fs::copy(path("picture_5.png"), folder.path().join("picture_0.png")).unwrap();
    assert_eq!(computed(&keeping(None, false)).unwrap(), 1);
    let gallery = retriever.open(&out).unwrap();
    assert!(gallery.states(0, &Device::flex()).unwrap().is_some());
    let other = computed(&keeping(Some(blip_core::index::StateType::F32), false)).unwrap_err();
    assert!(other.to_string().contains("keeps other hidden states"), "{other}");
    assert_eq!(
        computed(&keeping(Some(blip_core::index::StateType::F32), true)).unwrap(),
        6
    );
}

#[cfg(unix)]
#[test]
fn pictures_of_a_folder_that_cannot_be_read_now_stay() {
    use std::os::unix::fs::PermissionsExt;

    let retriever = load!(Retriever, RETRIEVAL);
    let folder = folder();
    let out = folder.path().join("gallery.index");
    let build = || {
        retriever
            .build(folder.path(), &out, &BuildOptions::default(), &mut |_| {})
            .unwrap()
    };
    build();
    let more = folder.path().join("more");
    std::fs::set_permissions(&more, std::fs::Permissions::from_mode(0o000)).unwrap();
    // Whoever may do everything reads it all the same.
    let readable = std::fs::read_dir(&more).is_ok();
    let report = build();
    std::fs::set_permissions(&more, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!((report.entries, report.computed), (6, 0));
    assert_eq!(report.skipped.len(), usize::from(!readable));
    assert_eq!(build().computed, 0);
}

#[test]
fn the_same_weights_under_other_conventions_are_another_model() {
    let ours = load!(Retriever, RETRIEVAL);
    let folder = folder();
    let out = folder.path().join("gallery.index");
    let plain = BuildOptions::default();
    ours.build(folder.path(), &out, &plain, &mut |_| {}).unwrap();
    for other in [
        LoadOptions {
            reference: Some(Reference::HuggingFace),
            ..options()
        },
        LoadOptions {
            exif_orientation: true,
            ..options()
        },
        LoadOptions {
            alpha: AlphaPolicy::White,
            ..options()
        },
        LoadOptions {
            image_size: Some([48, 48]),
            ..options()
        },
    ] {
        let other = Retriever::from_files(&original(RETRIEVAL), &other).unwrap();
        assert!(other.open(&out).is_err());
        assert!(other.build(folder.path(), &out, &plain, &mut |_| {}).is_err());
    }
    assert_eq!(load!(Retriever, RETRIEVAL).open(&out).unwrap().len(), 6);
}

#[test]
fn a_text_that_is_too_long_is_named() {
    let retriever = load!(Retriever, "hf_itm");
    let folder = tempfile::tempdir().unwrap();
    let texts = ["a dog".to_owned(), "snow ".repeat(100), "a cat".to_owned()];
    let error = retriever
        .build_texts(
            &texts,
            folder.path().join("texts.index"),
            &BuildOptions::default(),
            &mut |_| {},
        )
        .unwrap_err();
    let message = blip_core::error_chain(&error);
    assert!(message.starts_with("\"snow snow"), "{message}");
    assert!(
        message.ends_with("102 tokens do not fit the model's 64 positions"),
        "{message}"
    );
}

#[test]
fn a_captions_confidence_is_one_call() {
    let blip = Blip::from_files(&original("salesforce_pretrain.pth"), &options()).unwrap();
    let (captioner, matcher) = (blip.captioner().unwrap(), blip.matcher().unwrap());
    // One image encoder serves both.
    assert!(std::sync::Arc::ptr_eq(
        captioner.image_encoder(),
        matcher.image_encoder()
    ));
    let picture = captioner
        .processor()
        .preprocess_file(path("picture_2.png"))
        .unwrap();
    let wanted = CaptionOptions {
        num_return_sequences: Some(3),
        ..CaptionOptions::default()
    };
    let confident = matcher
        .caption_with_confidence(&captioner, &picture, &wanted)
        .unwrap();
    assert_eq!(confident.len(), 3);
    let captions = captioner.caption(&picture, &wanted).unwrap();
    for confident in &confident {
        assert!(captions.contains(&confident.caption));
        let alone = matcher
            .match_texts(&picture, &[&confident.caption.text], &MatchOptions::default())
            .unwrap();
        assert_close(
            "logits",
            &alone[0][0].itm_logits,
            &confident.matching.itm_logits,
            1e-5,
        );
        let sum: f32 = confident.caption.token_log_probs.iter().sum();
        assert_eq!(confident.caption.log_probability(), sum);
    }
    assert!(confident.is_sorted_by(|a, b| a.matching.itm_probability >= b.matching.itm_probability));
    // Another checkpoint's captioner looks at the picture itself.
    let other = Captioner::from_path(path("hf_caption"), &options()).unwrap();
    let hugging_face = CaptionOptions::default();
    assert_eq!(
        matcher
            .caption_with_confidence(&other, &picture, &hugging_face)
            .unwrap()
            .len(),
        1
    );
}
