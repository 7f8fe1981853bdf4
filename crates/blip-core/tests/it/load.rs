//! What loads, and what is refused with which words.

use blip_core::{
    BlipModel, CaptionOptions, Captioner, Device, Error, Inspection, LoadOptions, ModelBytes, ModelFiles,
    Part, Reference, Task,
};

use crate::reference::{all, options, original, path};

/// A copy of a recorded folder that a test may spoil.
fn folder(model: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(path(model)).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}

fn edit(folder: &tempfile::TempDir, file: &str, change: impl Fn(String) -> String) {
    let path = folder.path().join(file);
    std::fs::write(&path, change(std::fs::read_to_string(&path).unwrap())).unwrap();
}

#[track_caller]
fn refused(result: Result<Captioner, Error>) -> String {
    match result {
        Ok(_) => panic!("it loaded"),
        Err(error) => blip_core::error_chain(&error),
    }
}

#[test]
fn memory_is_as_good_as_files() {
    let read = |name: &str| std::fs::read(path(name)).unwrap();
    let text = |name: &str| Some(String::from_utf8(read(name)).unwrap());
    let bytes = ModelBytes {
        weights: read("hf_caption/model.safetensors"),
        config: text("hf_caption/config.json"),
        tokenizer: Some(read("hf_caption/vocab.txt")),
        preprocessor: text("hf_caption/preprocessor_config.json"),
    };
    let from_bytes = Captioner::from_bytes(bytes, &options()).unwrap();
    let from_dir = Captioner::from_dir(path("hf_caption")).unwrap();
    let picture = path("picture_0.png");
    let caption = |captioner: &Captioner| {
        captioner
            .caption_file(&picture, &CaptionOptions::default())
            .unwrap()
    };
    assert_eq!(caption(&from_bytes), caption(&from_dir));
}

#[test]
fn the_reference_can_be_said() {
    let captioner = |reference| {
        let options = LoadOptions {
            reference: Some(reference),
            ..options()
        };
        Captioner::from_path(path("hf_caption"), &options).unwrap()
    };
    assert_eq!(
        captioner(Reference::Salesforce).policy().prompt.as_deref(),
        Some("a picture of ")
    );
    assert_eq!(captioner(Reference::HuggingFace).policy().prompt, None);
}

#[test]
fn a_config_that_contradicts_the_weights_is_refused() {
    let changes = [
        (
            r#""image_size": 32"#,
            r#""image_size": 64"#,
            "vision_config.image_size 64, but the weights have 32",
        ),
        (
            r#""patch_size": 8"#,
            r#""patch_size": 16"#,
            "vision_config.patch_size 16, but the weights have 8",
        ),
        (
            r#""vocab_size": 200"#,
            r#""vocab_size": 30524"#,
            "text_config.vocab_size 30524, but the weights have 200",
        ),
        (
            r#""max_position_embeddings": 64"#,
            r#""max_position_embeddings": 512"#,
            "text_config.max_position_embeddings 512, but the weights have 64",
        ),
        (
            r#""num_hidden_layers": 2"#,
            r#""num_hidden_layers": 1000000000000"#,
            "vision_config.num_hidden_layers 1000000000000, but the weights have 2",
        ),
    ];
    for (from, to, message) in changes {
        let folder = folder("hf_caption");
        edit(&folder, "config.json", |json| {
            assert!(json.contains(from), "{json}");
            json.replace(from, to)
        });
        assert_eq!(
            refused(Captioner::from_dir(&folder)),
            format!("config.json says {message}")
        );
    }
}

#[test]
fn heads_that_do_not_divide_the_width_are_refused() {
    let folder = folder("hf_caption");
    edit(&folder, "config.json", |json| {
        json.replace(r#""num_attention_heads": 4"#, r#""num_attention_heads": 7"#)
    });
    let message = refused(Captioner::from_dir(&folder));
    assert_eq!(
        message,
        "vision config: hidden_size 64 is not a multiple of num_attention_heads 7"
    );
}

#[test]
fn broken_files_are_refused_by_name() {
    let spoil = |file: &str, bytes: &[u8]| {
        let folder = folder("hf_caption");
        std::fs::write(folder.path().join(file), bytes).unwrap();
        refused(Captioner::from_dir(&folder))
    };
    let weights = std::fs::read(path("hf_caption/model.safetensors")).unwrap();
    assert!(spoil("model.safetensors", &weights[..weights.len() / 2]).contains("model.safetensors"));
    assert!(spoil("model.safetensors", b"").contains("model.safetensors"));
    assert!(spoil("config.json", b"{").contains("config.json: EOF while parsing"));
    assert!(spoil("config.json", b"[]").ends_with("config.json: the file: expected an object, got []"));
    assert!(spoil("vocab.txt", b"").contains("vocab.txt: "));
    assert!(
        spoil("vocab.txt", b"hello\n").contains("[PAD]") || spoil("vocab.txt", b"hello\n").contains("[CLS]")
    );
    assert!(spoil("preprocessor_config.json", br#"{"do_resize": false}"#).contains("do_resize"));

    let empty = tempfile::tempdir().unwrap();
    assert!(refused(Captioner::from_dir(&empty)).contains("model.safetensors"));
    assert!(refused(Captioner::from_path(empty.path().join("model.pth"), &options())).contains("model.pth"));
}

#[test]
fn hugging_face_weights_need_their_config() {
    let folder = folder("hf_caption");
    let picture = path("picture_0.png");
    let options_of = CaptionOptions::default();
    let want = Captioner::from_dir(&folder)
        .unwrap()
        .caption_file(&picture, &options_of)
        .unwrap();
    // A file out of the folder finds what is beside it.
    let file = folder.path().join("model.safetensors");
    let alone = Captioner::from_path(&file, &options()).unwrap();
    assert_eq!(alone.caption_file(&picture, &options_of).unwrap(), want);

    std::fs::remove_file(folder.path().join("config.json")).unwrap();
    let message = "Hugging Face weights need their config.json, and there is none";
    assert_eq!(refused(Captioner::from_dir(&folder)), message);
    assert_eq!(refused(Captioner::from_path(&file, &options())), message);
}

#[test]
fn a_vocabulary_that_was_cut_off_is_refused() {
    let folder = folder("hf_caption");
    edit(&folder, "vocab.txt", |vocabulary| {
        vocabulary
            .lines()
            .take(100)
            .map(|line| format!("{line}\n"))
            .collect()
    });
    assert_eq!(
        refused(Captioner::from_dir(&folder)),
        "the tokenizer has 102 token ids, but the weights have 200"
    );
}

#[test]
fn a_request_is_checked_before_a_picture_is_looked_at() {
    let captioner = Captioner::from_dir(path("hf_caption")).unwrap();
    captioner.check(&CaptionOptions::default()).unwrap();
    let options = CaptionOptions {
        max_length: Some(1),
        ..CaptionOptions::default()
    };
    let error = captioner.check(&options).unwrap_err().to_string();
    assert!(error.starts_with("max_length: expected at least 2"), "{error}");
}

#[test]
fn a_checkpoint_without_a_decoder_says_so() {
    let folder = folder("hf_caption");
    let file = folder.path().join("model.safetensors");
    let bytes = std::fs::read(&file).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let encoder = tensors
        .tensors()
        .into_iter()
        .filter(|(name, _)| name.starts_with("vision_model."));
    std::fs::write(&file, safetensors::serialize(encoder, None).unwrap()).unwrap();
    assert_eq!(
        refused(Captioner::from_dir(&folder)),
        "captioning needs the text decoder, but the checkpoint holds the image encoder"
    );
}

#[test]
fn a_renamed_tensor_is_missing_and_unexpected() {
    let folder = folder("hf_caption");
    let file = folder.path().join("model.safetensors");
    let bytes = std::fs::read(&file).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let renamed = tensors
        .tensors()
        .into_iter()
        .map(|(name, view)| match name.as_str() {
            "vision_model.post_layernorm.bias" => ("vision_model.post_layernorm.beta".to_owned(), view),
            _ => (name, view),
        });
    std::fs::write(&file, safetensors::serialize(renamed, None).unwrap()).unwrap();
    let message = refused(Captioner::from_dir(&folder));
    assert!(
        message.contains(
            "1 missing: vision_model.post_layernorm.bias [64] (nearest: vision_model.post_layernorm.beta)"
        ),
        "{message}"
    );
    assert!(
        message.contains("1 unexpected: vision_model.post_layernorm.beta"),
        "{message}"
    );
}

#[test]
fn an_original_needs_a_vocabulary_that_fits() {
    let files = ModelFiles {
        tokenizer: None,
        ..original("salesforce_caption.pth")
    };
    let message = refused(Captioner::from_files(&files, &options()));
    assert!(
        message.starts_with("no tokenizer for a vocabulary of 200"),
        "{message}"
    );
}

#[test]
fn an_image_size_that_makes_no_patches_is_refused() {
    let options = LoadOptions {
        image_size: Some([30, 32]),
        ..options()
    };
    let message = refused(Captioner::from_path(path("hf_caption"), &options));
    assert_eq!(
        message,
        "image size 30 x 32 is not a positive multiple of the patch size 8"
    );
}

#[test]
fn half_precision_files_load() {
    use half::{bf16, f16};
    let folder = folder("hf_caption");
    let file = folder.path().join("model.safetensors");
    let bytes = std::fs::read(&file).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let full = Captioner::from_dir(&folder).unwrap();
    let picture = path("picture_0.png");
    let options = CaptionOptions::default();
    let want = full.caption_file(&picture, &options).unwrap();
    for dtype in [safetensors::Dtype::F16, safetensors::Dtype::BF16] {
        let narrow: Vec<(String, Vec<u8>, Vec<usize>)> = tensors
            .tensors()
            .into_iter()
            .map(|(name, view)| {
                let values = view
                    .data()
                    .chunks_exact(4)
                    .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
                let data = match dtype {
                    safetensors::Dtype::F16 => values.flat_map(|x| f16::from_f32(x).to_le_bytes()).collect(),
                    _ => values.flat_map(|x| bf16::from_f32(x).to_le_bytes()).collect(),
                };
                (name, data, view.shape().to_vec())
            })
            .collect();
        let views = narrow.iter().map(|(name, data, shape)| {
            (
                name,
                safetensors::tensor::TensorView::new(dtype, shape.clone(), data).unwrap(),
            )
        });
        std::fs::write(&file, safetensors::serialize(views, None).unwrap()).unwrap();
        let got = Captioner::from_dir(&folder)
            .unwrap()
            .caption_file(&picture, &options)
            .unwrap();
        assert_eq!(got[0].text, want[0].text, "{dtype:?}");
        assert_ne!(
            got[0].token_log_probs, want[0].token_log_probs,
            "{dtype:?} is read as it is"
        );
    }
}

#[test]
fn inspection_tells_layout_task_and_parts() {
    for recorded in all() {
        let inspection = Inspection::open(path(recorded.model), &Device::flex()).unwrap();
        assert!(inspection.fit.is_ok() && inspection.tasks.contains(&Task::Captioning));
        let hugging_face = recorded.model.starts_with("hf");
        assert_eq!(
            inspection.layout.reference() == Reference::HuggingFace,
            hugging_face
        );
        if recorded.model == "salesforce_pretrain.pth" {
            assert_eq!(inspection.task, None);
            assert!(inspection.parts.contains(&Part::Momentum) && inspection.parts.contains(&Part::ItmHead));
            assert!(inspection.tasks.contains(&Task::Matching));
            // A captioner leaves out what the original's left out.
            let (parts, layout) = (Task::Captioning.parts(), inspection.layout);
            let captioner = BlipModel::new(&inspection.config, parts, &Device::flex()).unwrap();
            let keys = BlipModel::keys(layout, parts);
            let report = blip_core::weights::check(&inspection.checkpoint, &captioner, &keys).unwrap();
            let left_out: Vec<String> =
                serde_json::from_str(&recorded.golden().metadata("left_out")).unwrap();
            for name in left_out {
                assert!(
                    report.left_out.iter().any(|(left_out, _)| *left_out == name),
                    "{name} is left out"
                );
            }
        } else {
            assert_eq!(inspection.task, Some(Task::Captioning));
            assert_eq!(inspection.parts, [Part::VisualEncoder, Part::TextDecoder]);
        }
    }
}
