//! What is no checkpoint, or a broken one: each a clear error that names the file.

use std::path::Path;

use blip_weights::{Checkpoint, WeightsError};

use crate::golden;

/// The error and its causes, for what opening `bytes` under `name` says.
fn refusal(name: &str, bytes: &[u8]) -> (WeightsError, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("a file");
    let error = Checkpoint::open(&path).expect_err("it is broken");
    let message = chain(&error);
    assert!(message.contains(name), "the file is not named: {message}");
    (error, message)
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[test]
fn other_files_are_called_by_their_name() {
    for (bytes, found) in [
        (&b""[..], "an empty file"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:d66\nsize 989820849\n",
            "Git LFS pointer",
        ),
        (b"<!DOCTYPE html><html>403</html>", "HTML"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"hello", "unknown content"),
    ] {
        let (error, message) = refusal("pytorch_model.bin", bytes);
        assert!(matches!(error, WeightsError::NotACheckpoint { .. }), "{message}");
        assert!(message.contains(found), "{message}");
        assert!(Checkpoint::from_bytes(bytes.to_vec()).is_err());
    }
}

#[test]
fn a_json_file_is_taken_for_an_index_and_must_be_one() {
    let (error, message) = refusal("config.json", br#"{"model_type": "blip"}"#);
    assert!(matches!(error, WeightsError::Index { .. }), "{message}");
}

#[test]
fn a_missing_file_is_named() {
    let error = Checkpoint::open("no/such/model.safetensors").expect_err("it is not there");
    assert!(matches!(error, WeightsError::Io { .. }));
    assert!(
        chain(&error).starts_with("no/such/model.safetensors: cannot open"),
        "{}",
        chain(&error)
    );
}

#[test]
fn a_folder_without_weights_says_what_it_has() {
    let folder = tempfile::tempdir().expect("a folder");
    let message = Checkpoint::open(folder.path())
        .expect_err("it is empty")
        .to_string();
    assert!(
        message.contains("model.safetensors") && message.ends_with("an empty folder"),
        "{message}"
    );
    std::fs::write(folder.path().join("tf_model.h5"), b"x").expect("a file");
    let message = Checkpoint::open(folder.path())
        .expect_err("no weights")
        .to_string();
    assert!(message.ends_with("got tf_model.h5"), "{message}");
}

/// A safetensors file with this header and this many bytes of data.
fn safetensors(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

#[test]
fn broken_safetensors_are_refused_at_opening() {
    let whole = golden::bytes("model.safetensors");
    let mut long_header = whole.clone();
    long_header[..8].copy_from_slice(&(whole.len() as u64).to_le_bytes());
    let mut endless_header = whole.clone();
    endless_header[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let overlapping = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},
                          "b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#;
    let outside = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
    let misshapen = r#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#;
    let overflowing = r#"{"a":{"dtype":"F32","shape":[9223372036854775807,9],"data_offsets":[0,8]}}"#;
    for (what, bytes) in [
        ("truncated data", whole[..whole.len() - 1].to_vec()),
        ("truncated header", whole[..100].to_vec()),
        ("header longer than the file", long_header),
        ("endless header", endless_header),
        ("trailing bytes", [&whole[..], b"x"].concat()),
        ("overlapping tensors", safetensors(overlapping, 12)),
        ("offsets outside", safetensors(outside, 4)),
        ("shape that does not fit", safetensors(misshapen, 8)),
        ("shape that overflows", safetensors(overflowing, 8)),
        ("broken JSON", safetensors(r#"{"a":"#, 0)),
    ] {
        let (error, message) = refusal("model.safetensors", &bytes);
        assert!(
            matches!(error, WeightsError::Safetensors { .. }),
            "{what}: {message}"
        );
    }
}

#[test]
fn pickles_of_something_else_are_refused() {
    let (error, message) = refusal("list.pt", &golden::bytes("list.pt"));
    assert!(matches!(error, WeightsError::Pytorch { .. }), "{message}");
    assert!(message.contains("found list"), "{message}");
    let (error, message) = refusal("no_tensors.pt", &golden::bytes("no_tensors.pt"));
    assert!(matches!(error, WeightsError::NoTensors { .. }), "{message}");
    // A call that torch's own loader would make: os.system("false"). It is read as an object and never made.
    let (_, message) = refusal("evil.pt", b"\x80\x02cos\nsystem\nX\x05\0\0\0false\x85R.");
    assert!(message.contains("os.system"), "{message}");
}

#[test]
fn a_tensor_larger_than_its_file_is_refused_at_opening() {
    // A view of one element with stride 0 that claims 4 GB: a thousand bytes that would fill the memory.
    let tensor = blip_weights::TensorInfo::new("w", blip_weights::DType::F32, [1]);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("small.pt");
    let mut writer = blip_weights::CheckpointWriter::pytorch(&path, &[tensor], None).expect("a writer");
    writer.write_f32("w", &[1.0]).expect("one value");
    writer.finish().expect("a file");
    let mut bytes = std::fs::read(&path).expect("a file");
    // Shape (1,) and stride (1,), each a BININT in a tuple.
    let shape_and_stride = b"(J\x01\0\0\0t(J\x01\0\0\0t";
    let at = bytes
        .windows(shape_and_stride.len())
        .position(|window| window == shape_and_stride)
        .expect("a shape");
    bytes[at + 2..at + 6].copy_from_slice(&0x4000_0000i32.to_le_bytes());
    bytes[at + 9..at + 13].copy_from_slice(&0i32.to_le_bytes());
    // The pickle's checksum, in the local header and in the directory: 0 means none.
    let crc = bytes[14..18].to_vec();
    while let Some(at) = bytes.windows(4).position(|window| window == crc) {
        bytes[at..at + 4].fill(0);
    }
    let (error, message) = refusal("huge.pt", &bytes);
    assert!(
        matches!(
            error,
            WeightsError::Oversized {
                claimed: 0x1_0000_0000,
                ..
            }
        ),
        "{message}"
    );
}

/// A folder with both shards and this index.
fn sharded(index: &str) -> (tempfile::TempDir, WeightsError) {
    let folder = tempfile::tempdir().expect("a folder");
    for shard in [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ] {
        std::fs::copy(golden::path("sharded").join(shard), folder.path().join(shard)).expect("a copy");
    }
    std::fs::write(folder.path().join("model.safetensors.index.json"), index).expect("a file");
    let error = Checkpoint::open(folder.path()).expect_err("a broken index");
    (folder, error)
}

#[test]
fn an_index_that_lies_is_refused() {
    let name = "visual_encoder.cls_token";
    let entry = |shard: &str| format!(r#"{{"weight_map": {{"{name}": {shard:?}}}}}"#);

    let (_folder, error) = sharded(&entry("model-00003-of-00002.safetensors"));
    assert!(matches!(error, WeightsError::ShardMissing { .. }), "{error}");
    for outside in [
        "../x.safetensors",
        "/etc/passwd",
        "a/b.safetensors",
        "..",
        "",
        r"..\x",
    ] {
        let (_folder, error) = sharded(&entry(outside));
        assert!(
            matches!(error, WeightsError::ShardOutside { .. }),
            "{outside}: {error}"
        );
    }
    let (_folder, error) = sharded(&entry("model-00002-of-00002.safetensors"));
    assert!(
        matches!(&error, WeightsError::WrongShard { found: None, .. }),
        "{error}"
    );
    let both = format!(
        r#"{{"weight_map": {{"{name}": "model-00002-of-00002.safetensors",
            "visual_encoder.patch_embed.proj.bias": "model-00001-of-00002.safetensors"}}}}"#
    );
    let (folder, error) = sharded(&both);
    let first = folder.path().join("model-00001-of-00002.safetensors");
    assert!(
        matches!(&error, WeightsError::WrongShard { found: Some(found), .. } if *found == first),
        "{error}"
    );
    for text in [
        "{",
        "{}",
        "[]",
        r#"{"weight_map": {}}"#,
        r#"{"weight_map": {"a": 1}}"#,
    ] {
        let (_folder, error) = sharded(text);
        let named = matches!(&error, WeightsError::Index { path, .. } if path.ends_with(Path::new("model.safetensors.index.json")));
        // What does not start as an object is no JSON index at all.
        assert!(named || text == "[]", "{text}: {error}");
    }
}

#[test]
fn a_tensor_in_two_files_is_refused() {
    let files = ["model.safetensors", "pytorch_model.bin"].map(golden::path);
    let error = Checkpoint::open_files(&files).expect_err("every tensor twice");
    assert!(matches!(error, WeightsError::Duplicate { .. }), "{error}");
}
