//! What opening finds in each container.

use blip_weights::{Checkpoint, DType, WeightsError};

use crate::golden;

#[test]
fn every_container_holds_the_same_tensors() {
    let expected = golden::expected("state");
    for (file, dtype) in golden::STATE_FILES {
        let checkpoint = golden::open(file);
        let names: Vec<_> = checkpoint
            .tensors()
            .iter()
            .map(|info| info.name.clone())
            .collect();
        assert_eq!(
            names,
            expected.iter().map(|(name, ..)| name.clone()).collect::<Vec<_>>(),
            "{file}"
        );
        let tolerance = match dtype {
            DType::BF16 => 1.0 / 128.0,
            DType::F16 => 1.0 / 1024.0,
            _ => 0.0,
        };
        for (name, shape, values) in &expected {
            let info = checkpoint.tensor(name).expect("it was listed");
            assert_eq!(info.shape, *shape, "{file}: {name}");
            if name.ends_with("position_ids") {
                assert_eq!(info.dtype, DType::I64, "{file}");
                continue;
            }
            assert_eq!(info.dtype, dtype, "{file}: {name}");
            let read = checkpoint.read_f32(name).expect("floats");
            assert_eq!(read.len(), values.len());
            for (read, value) in read.iter().zip(values) {
                let off = (read - value).abs();
                assert!(
                    off <= tolerance * value.abs(),
                    "{file}: {name}: {read} is not {value}"
                );
            }
        }
    }
}

#[test]
fn views_are_read_in_the_order_of_their_shape() {
    let checkpoint = golden::open("views.bin");
    let expected = golden::expected("views");
    assert_eq!(checkpoint.tensors().len(), expected.len());
    for (name, shape, values) in expected {
        assert_eq!(checkpoint.tensor(&name).expect("listed").shape, shape, "{name}");
        let read = checkpoint.read_f32(&name).expect("floats");
        assert_eq!(read, values, "{name}");
    }
}

#[test]
fn bytes_open_as_their_file_does() {
    for file in ["model.safetensors", "wrapped.pth", "legacy.pth"] {
        let (from_bytes, from_file) = (
            Checkpoint::from_bytes(golden::bytes(file)).expect("a checkpoint"),
            golden::open(file),
        );
        assert_eq!(from_bytes.tensors(), from_file.tensors(), "{file}");
        let name = "visual_encoder.cls_token";
        assert_eq!(
            from_bytes.read_f32(name).expect("floats"),
            from_file.read_f32(name).expect("floats")
        );
    }
}

#[test]
fn a_folder_opens_its_safetensors_before_its_pickle() {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, golden: &str| {
        std::fs::copy(golden::path(golden), folder.path().join(name)).expect("a copy");
    };
    put("pytorch_model.bin", "bf16.bin");
    let dtype = || {
        let checkpoint = Checkpoint::open(folder.path()).expect("a checkpoint");
        checkpoint
            .tensor("visual_encoder.cls_token")
            .expect("listed")
            .dtype
    };
    assert_eq!(dtype(), DType::BF16);
    put("model.safetensors", "f16.safetensors");
    assert_eq!(dtype(), DType::F16);
}

#[test]
fn shards_open_by_folder_by_index_and_by_name() {
    let folder = golden::path("sharded");
    let by_index = Checkpoint::open(folder.join("model.safetensors.index.json")).expect("an index");
    let shards = [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ]
    .map(|name| folder.join(name));
    let by_name = Checkpoint::open_files(&shards).expect("two shards");
    assert_eq!(by_index.tensors(), by_name.tensors());
    assert_eq!(
        by_index.files().collect::<Vec<_>>(),
        shards.iter().collect::<Vec<_>>()
    );
}

#[test]
fn raw_bytes_come_in_the_stored_type() {
    let checkpoint = golden::open("wrapped.pth");
    let bytes = checkpoint
        .read_bytes("text_decoder.bert.embeddings.position_ids")
        .expect("integers");
    let ids: Vec<i64> = bytes
        .chunks_exact(8)
        .map(|id| i64::from_le_bytes(id.try_into().expect("eight bytes")))
        .collect();
    assert_eq!(ids, [0, 1, 2, 3]);
}

#[test]
fn integers_are_not_read_as_floats_and_unknown_names_get_a_hint() {
    let checkpoint = golden::open("model.safetensors");
    let error = checkpoint
        .read_f32("text_decoder.bert.embeddings.position_ids")
        .expect_err("integers");
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
    let error = checkpoint
        .read_f32("visual_encoder.clstoken")
        .expect_err("a typing error");
    assert!(error.to_string().contains("visual_encoder.cls_token"), "{error}");
}

#[test]
fn a_checkpoint_is_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Checkpoint>();
}
