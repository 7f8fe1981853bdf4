//! What is written is read back, in both formats.

use std::path::Path;

use blip_weights::{
    Checkpoint, CheckpointWriter, DType, TensorInfo, WeightsError, load_module, module_entries,
    module_tensors, save_module,
};
use burn::tensor::Device;

use crate::golden;
use crate::model::{Tiny, keys};

/// Copies a checkpoint, tensor by tensor, back to front.
fn copy(from: &Checkpoint, mut writer: CheckpointWriter) {
    for info in from.tensors().iter().rev() {
        writer
            .write_bytes(&info.name, &from.read_bytes(&info.name).expect("bytes"))
            .expect("written");
    }
    writer.finish().expect("a file");
}

fn assert_equal(left: &Checkpoint, right: &Checkpoint) {
    assert_eq!(left.tensors(), right.tensors());
    for info in left.tensors() {
        assert_eq!(
            left.read_bytes(&info.name).expect("bytes"),
            right.read_bytes(&info.name).expect("bytes"),
            "{}",
            info.name
        );
    }
}

#[test]
fn both_formats_give_back_every_type() {
    let folder = tempfile::tempdir().expect("a folder");
    for file in [
        "wrapped.pth",
        "f16.bin",
        "bf16.safetensors",
        "f64.bin",
        "views.bin",
    ] {
        let original = golden::open(file);
        let path = folder.path().join("copy");
        copy(
            &original,
            CheckpointWriter::safetensors(&path, original.tensors(), &[("format", "pt")]).expect("a writer"),
        );
        assert_equal(&original, &Checkpoint::open(&path).expect("safetensors"));
        for wrapper in [None, Some("model"), Some("state_dict")] {
            copy(
                &original,
                CheckpointWriter::pytorch(&path, original.tensors(), wrapper).expect("a writer"),
            );
            assert_equal(&original, &Checkpoint::open(&path).expect("a zip file"));
        }
    }
}

#[test]
fn the_same_weights_give_the_same_file() {
    let original = golden::open("wrapped.pth");
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str| {
        let path = folder.path().join(name);
        copy(
            &original,
            CheckpointWriter::pytorch(&path, original.tensors(), None).expect("a writer"),
        );
        std::fs::read(path).expect("a file")
    };
    assert_eq!(write("a"), write("b"));
}

#[test]
fn a_module_that_is_saved_loads_again_and_has_the_checkpoints_shapes() {
    let device = Device::default();
    let original = golden::open("model.safetensors");
    let (model, _) = load_module(&original, Tiny::new(&device), &keys(), &device).expect("it fits");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("saved.safetensors");
    save_module(&model, &keys(), DType::F32, &path).expect("saved");

    let saved = Checkpoint::open(&path).expect("a checkpoint");
    for info in saved.tensors() {
        assert_eq!(original.tensor(&info.name), Some(info));
        assert_eq!(
            saved.read_f32(&info.name).expect("floats"),
            original.read_f32(&info.name).expect("floats"),
            "{}",
            info.name
        );
    }
    let (_, report) = load_module(&saved, Tiny::new(&device), &keys(), &device).expect("it fits");
    assert_eq!(report.loaded.len(), saved.tensors().len());
}

#[test]
fn module_tensors_need_no_data_and_entries_come_in_their_order() {
    let model = Tiny::new(&Device::default());
    let tensors = module_tensors(&model, &keys()).expect("float parameters");
    assert!(!model.vision.cls_token.is_initialized());
    let patches = tensors
        .iter()
        .find(|info| info.name.ends_with("patch_embed.proj.weight"))
        .expect("a projection");
    assert_eq!(patches.shape, [6, 3, 2, 2]);
    let mut entries = Vec::new();
    module_entries(&model, &keys(), |info, values| {
        assert_eq!(info.elements(), Some(values.len()));
        entries.push(info);
        Ok(())
    })
    .expect("float parameters");
    assert_eq!(entries, tensors);
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).expect("a folder").count()
}

#[test]
fn a_writer_that_is_not_finished_leaves_what_was_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    std::fs::write(&path, b"before").expect("a file");
    let tensors = [
        TensorInfo::new("a", DType::F32, [2]),
        TensorInfo::new("b", DType::I64, [1]),
    ];
    let mut writer = CheckpointWriter::safetensors(&path, &tensors, &[]).expect("a writer");
    writer.write_f32("a", &[1.0, 2.0]).expect("announced");

    let error = writer.write_f32("a", &[1.0, 2.0]).expect_err("twice");
    assert!(matches!(error, WeightsError::WriteUnknown { .. }), "{error}");
    let error = writer.write_bytes("b", &[0; 4]).expect_err("half of it");
    assert!(
        matches!(
            error,
            WeightsError::WriteLength {
                expected: 8,
                got: 4,
                ..
            }
        ),
        "{error}"
    );
    let error = writer.write_f32("b", &[1.0]).expect_err("integers");
    assert!(
        matches!(
            error,
            WeightsError::NotFloat {
                dtype: DType::I64,
                ..
            }
        ),
        "{error}"
    );
    let error = writer.finish().expect_err("b is missing");
    assert!(
        matches!(&error, WeightsError::WriteMissing { count: 1, name, .. } if name == "b"),
        "{error}"
    );

    assert_eq!(std::fs::read(&path).expect("a file"), b"before");
    assert_eq!(files(folder.path()), 1);
}

#[test]
fn what_a_format_cannot_hold_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model");
    let twice = [
        TensorInfo::new("a", DType::F32, [1]),
        TensorInfo::new("a", DType::F16, [2]),
    ];
    for result in [
        CheckpointWriter::safetensors(&path, &twice, &[]),
        CheckpointWriter::pytorch(&path, &twice, None),
    ] {
        assert!(matches!(result, Err(WeightsError::Duplicate { .. })));
    }
    let unsigned = [TensorInfo::new("a", DType::U32, [1])];
    let error = CheckpointWriter::pytorch(&path, &unsigned, None).expect_err("torch has no such storage");
    assert!(matches!(error, WeightsError::WriteUnsupported { .. }), "{error}");
    let unknown = [TensorInfo::new("a", DType::Other("F8_E4M3"), [1])];
    let error = CheckpointWriter::safetensors(&path, &unknown, &[]).expect_err("no size");
    assert!(matches!(error, WeightsError::WriteUnsupported { .. }), "{error}");
    assert_eq!(files(folder.path()), 0);
}
