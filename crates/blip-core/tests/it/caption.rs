//! Captions: ids exactly, scores closely, texts exactly.

use blip_core::{Caption, CaptionOptions, Captioner, EarlyStopping, FinishReason, LoadOptions, PixelValues};
use blip_testkit::{Golden, assert_close};
use serde_json::Value;

use crate::reference::{Recorded, all, options, path, pixels};

/// One recorded call of `generate`.
struct Case {
    json: Value,
}

impl Case {
    fn all(golden: &Golden) -> Vec<Self> {
        let cases: Vec<Value> = serde_json::from_str(&golden.metadata("cases")).unwrap();
        cases.into_iter().map(|json| Self { json }).collect()
    }

    fn name(&self) -> &str {
        self.json["name"].as_str().unwrap()
    }

    fn texts(&self) -> Vec<&str> {
        self.json["texts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|text| text.as_str().unwrap())
            .collect()
    }

    /// The arguments of `generate` as options of ours; an argument that is not known here fails.
    fn options(&self) -> CaptionOptions {
        let whole = |value: &Value| value.as_u64().unwrap() as usize;
        let mut options = CaptionOptions {
            prompt: self.json["prompt"].as_str().map(str::to_owned),
            ..CaptionOptions::default()
        };
        for (name, value) in self.json["settings"].as_object().unwrap() {
            match name.as_str() {
                "num_beams" => options.num_beams = Some(whole(value)),
                "max_length" => options.max_length = Some(whole(value)),
                "min_length" => options.min_length = Some(whole(value)),
                "repetition_penalty" => options.repetition_penalty = Some(value.as_f64().unwrap() as f32),
                "length_penalty" => options.length_penalty = Some(value.as_f64().unwrap()),
                "no_repeat_ngram_size" => options.no_repeat_ngram_size = Some(whole(value)),
                "num_return_sequences" => options.num_return_sequences = Some(whole(value)),
                "early_stopping" if value == true => options.early_stopping = Some(EarlyStopping::WhenFull),
                "bad_words_ids" => options.bad_words = bad_words(value),
                // Ours is a matter of loading.
                "interpolate_pos_encoding" => {}
                other => panic!("{}: the argument {other} is not known", self.name()),
            }
        }
        options
    }
}

/// Token ids back to the words that they are, which the captioner turns into ids again.
fn bad_words(ids: &Value) -> Vec<String> {
    let vocabulary = std::fs::read_to_string(path("hf_caption/vocab.txt")).unwrap();
    let words: Vec<&str> = vocabulary.lines().collect();
    let word = |id: &Value| words[id.as_u64().unwrap() as usize];
    let phrase = |ids: &Value| {
        ids.as_array()
            .unwrap()
            .iter()
            .map(word)
            .collect::<Vec<_>>()
            .join(" ")
    };
    ids.as_array().unwrap().iter().map(phrase).collect()
}

/// Loads the model at the size of a case's pictures.
fn captioner_for(recorded: Recorded, pixel_values: &PixelValues) -> Captioner {
    let [_, _, height, width] = pixel_values.shape();
    recorded.captioner_with(&LoadOptions {
        image_size: Some([height, width]),
        ..options()
    })
}

#[test]
fn captions_are_the_references() {
    let mut checked = 0;
    for recorded in all() {
        let golden = recorded.golden();
        for case in Case::all(&golden) {
            let pixel_values = pixels(&golden, case.json["pixels"].as_str().unwrap());
            let captioner = captioner_for(recorded, &pixel_values);
            let got = captioner.caption_batch(&pixel_values, &case.options()).unwrap();
            let got: Vec<Caption> = got.into_iter().flatten().collect();
            check(
                &format!("{} {}", recorded.model, case.name()),
                &golden,
                &case,
                &got,
            );
            checked += 1;
        }
    }
    // 20 cases twice, for both files of weights, and the others once.
    assert_eq!(checked, 2 * 20 + 2 + 10 + 2);
}

fn check(name: &str, golden: &Golden, case: &Case, got: &[Caption]) {
    let (case_name, prompt_length) = (case.name(), case.json["prompt_ids"].as_array().unwrap().len());
    let (ids, log_probs) = (
        golden.ids(&format!("{case_name}.ids")),
        golden.f32(&format!("{case_name}.token_log_probs")),
    );
    let shape = golden.shape(&format!("{case_name}.ids"));
    let [rows, length] = [shape[0], shape[1]];
    assert_eq!(got.len(), rows, "{name}");
    for (row, (caption, text)) in got.iter().zip(case.texts()).enumerate() {
        let name = format!("{name}, row {row}");
        let (want, filler) = ids[row * length..(row + 1) * length].split_at(caption.token_ids.len());
        assert_eq!(caption.token_ids, want, "{name}");
        // Behind our row the reference has nothing but what fills rows: [PAD] 0 or [SEP] 3.
        assert!(filler.iter().all(|id| [0, 3].contains(id)), "{name}: {filler:?}");
        let ended = caption.token_ids.last() == Some(&3);
        assert_eq!(caption.finish_reason == FinishReason::EndToken, ended, "{name}");
        assert_eq!(caption.text, text, "{name}");
        let start = row * length + prompt_length;
        let end = row * length + caption.token_ids.len();
        assert_close(&name, &caption.token_log_probs, &log_probs[start..end], 1e-4);
    }
    let scores = format!("{case_name}.sequence_scores");
    if golden.contains(&scores) {
        let got: Vec<f32> = got.iter().map(|caption| caption.score).collect();
        assert_close(name, &got, &golden.f32(&scores), 1e-4);
    }
}

#[test]
fn every_way_in_gives_the_same_captions() {
    for recorded in all() {
        let captioner = recorded.captioner();
        let options = CaptionOptions {
            num_beams: Some(3),
            ..CaptionOptions::default()
        };
        let files = [0, 1, 2].map(|picture| path(&format!("picture_{picture}.png")));
        let bytes = files.clone().map(|file| std::fs::read(file).unwrap());
        let together = captioner.caption_files(&files, &options).unwrap();
        assert_eq!(captioner.caption_bytes_batch(&bytes, &options).unwrap(), together);
        for ((file, bytes), want) in files.iter().zip(&bytes).zip(&together) {
            let alone = captioner.caption_file(file, &options).unwrap();
            same(&alone, want);
            assert_eq!(captioner.caption_bytes(bytes, &options).unwrap(), alone);
            let pixel_values = captioner.processor().preprocess_bytes(bytes).unwrap();
            assert_eq!(captioner.caption(&pixel_values, &options).unwrap(), alone);
            let encoded = captioner.encode(&pixel_values).unwrap();
            assert_eq!(captioner.caption_encoded(&encoded, &options).unwrap(), [alone]);
        }
    }
}

/// The same captions, but for rounding in their scores.
#[track_caller]
fn same(got: &[Caption], want: &[Caption]) {
    assert_eq!(got.len(), want.len());
    for (got, want) in got.iter().zip(want) {
        assert_eq!((&got.text, &got.token_ids), (&want.text, &want.token_ids));
        assert_close(
            "token_log_probs",
            &got.token_log_probs,
            &want.token_log_probs,
            1e-4,
        );
    }
}

#[test]
fn one_model_serves_many_threads() {
    let recorded = all().next().unwrap();
    let (captioner, golden) = (recorded.captioner(), recorded.golden());
    let pixel_values = pixels(&golden, "pixel_values");
    let want = captioner
        .caption_batch(&pixel_values, &CaptionOptions::default())
        .unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let got = captioner
                    .caption_batch(&pixel_values, &CaptionOptions::default())
                    .unwrap();
                assert_eq!(got, want);
            });
        }
    });
}

#[test]
fn streamed_pieces_are_the_caption() {
    for recorded in all() {
        let (captioner, golden) = (recorded.captioner(), recorded.golden());
        let pixel_values = captioner
            .processor()
            .preprocess_file(path("picture_1.png"))
            .unwrap();
        let options = CaptionOptions {
            num_beams: Some(1),
            ..CaptionOptions::default()
        };
        let mut streamed = String::new();
        let captions = captioner
            .caption_streaming(&pixel_values, &options, &mut |piece| {
                streamed.push_str(piece.text)
            })
            .unwrap();
        assert_eq!(captions[0].text, streamed);
        assert_eq!(captions, captioner.caption(&pixel_values, &options).unwrap());
        drop(golden);
    }
}

#[test]
fn sampling_draws_from_the_references_distribution() {
    for recorded in all().filter(|recorded| recorded.golden().contains("sample.ids")) {
        let (captioner, golden) = (recorded.captioner(), recorded.golden());
        let settings: Value = serde_json::from_str(&golden.metadata("sample")).unwrap();
        let float = |name: &str| settings[name].as_f64().map(|value| value as f32);
        let whole = |name: &str| settings[name].as_u64().map(|value| value as usize);
        let options = |seed| CaptionOptions {
            sample: true,
            top_p: float("top_p"),
            top_k: whole("top_k"),
            temperature: float("temperature"),
            repetition_penalty: float("repetition_penalty"),
            max_length: whole("max_length"),
            min_length: whole("min_length"),
            num_return_sequences: Some(50),
            seed: Some(seed),
            ..CaptionOptions::default()
        };
        let prompt = match recorded.model {
            "salesforce_caption.pth" => 4,
            _ => 1,
        };
        let shape = golden.shape("sample.probabilities");
        let (steps, vocab_size) = (shape[1], shape[2]);
        let probabilities = golden.f32("sample.probabilities");
        let encoded = captioner.encode(&pixels(&golden, "pixel_values")).unwrap();

        // The first token of 50 captions of each picture, twenty times.
        let mut counts = vec![vec![0_usize; vocab_size]; 3];
        for seed in 0..20 {
            let captions = captioner.caption_encoded(&encoded, &options(seed)).unwrap();
            for (counts, captions) in counts.iter_mut().zip(&captions) {
                for caption in captions {
                    counts[caption.token_ids[prompt] as usize] += 1;
                }
            }
        }
        for (picture, counts) in counts.iter().enumerate() {
            let first = &probabilities[picture * steps * vocab_size..][..vocab_size];
            for (token, (&count, &probability)) in counts.iter().zip(first).enumerate() {
                let name = format!("{}, picture {picture}, token {token}", recorded.model);
                assert!(probability > 0.0 || count == 0, "{name} is not to be drawn");
                // Five standard deviations of 1000 draws.
                let (mean, deviation) = (
                    1000.0 * probability,
                    (1000.0 * probability * (1.0 - probability)).sqrt(),
                );
                let off = (count as f32 - mean).abs();
                assert!(
                    off <= 5.0 * deviation + 1.0,
                    "{name}: {count} draws, {mean} expected"
                );
            }
        }
    }
}
