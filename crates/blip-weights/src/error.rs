//! The one error of this crate.

use std::io;
use std::path::PathBuf;

use crate::{DType, Mismatch};

/// An error of a library that this crate does not show in its signatures.
pub(crate) type Source = Box<dyn std::error::Error + Send + Sync>;

/// What can go wrong with a checkpoint. `Io` is the machine's fault, `Parameter` and `Fused` the model's,
/// the `Write…` ones the caller's; everything else is the file's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The operating system refused.
    #[error("{}: cannot {action}", path.display())]
    Io {
        /// What was touched.
        path: PathBuf,
        /// What was tried: `open`, `read`, `write`.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },

    /// The file holds something else than weights.
    #[error("{}: expected a safetensors or PyTorch checkpoint, got {found}", path.display())]
    NotACheckpoint {
        /// The file.
        path: PathBuf,
        /// What it holds, as far as can be said.
        found: String,
    },

    /// A folder without weights.
    #[error(
        "{}: expected {expected}, got {}",
        folder.display(),
        if files.is_empty() { "an empty folder".to_owned() } else { files.join(", ") }
    )]
    EmptyFolder {
        /// The folder.
        folder: PathBuf,
        /// The file names that would do.
        expected: String,
        /// Some of the names that are there.
        files: Vec<String>,
    },

    /// A safetensors file whose header does not fit it: truncated, overlapping, not JSON.
    #[error("{}: broken safetensors file of {length} bytes", path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
        /// What does not fit.
        source: Source,
    },

    /// A PyTorch file that is truncated, corrupt, or holds something else than tensors by name.
    #[error("{}: cannot read it as a PyTorch checkpoint", path.display())]
    Pytorch {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        source: Source,
    },

    /// A PyTorch file without a single tensor by name.
    #[error("{}: expected tensors by name, got a pickle without any", path.display())]
    NoTensors {
        /// The file.
        path: PathBuf,
    },

    /// A shard index that is not `{"weight_map": {name: file}}`.
    #[error("{}: expected {{\"weight_map\": {{name: file}}}}", path.display())]
    Index {
        /// The index.
        path: PathBuf,
        /// What does not fit, where the JSON itself is broken.
        source: Option<Source>,
    },

    /// A shard index that names a file elsewhere.
    #[error("{}: expected shards beside the index, got the path {shard:?}", index.display())]
    ShardOutside {
        /// The index.
        index: PathBuf,
        /// The path in it.
        shard: String,
    },

    /// A shard index that names a file which is not there.
    #[error("{}: the shard {shard:?} is not there", index.display())]
    ShardMissing {
        /// The index.
        index: PathBuf,
        /// The missing file.
        shard: String,
    },

    /// A shard that lacks a tensor which the index promises.
    #[error(
        "{}: expected the tensor {name:?} in {shard:?}, got it {}",
        index.display(),
        found.as_ref().map_or("nowhere".to_owned(), |found| format!("in {}", found.display()))
    )]
    WrongShard {
        /// The index.
        index: PathBuf,
        /// The tensor.
        name: String,
        /// The shard that should hold it.
        shard: String,
        /// The shard that does.
        found: Option<PathBuf>,
    },

    /// Two files, or two names of the caller's, for one tensor.
    #[error("the tensor {name:?} is in {} and again in {}", first.display(), second.display())]
    Duplicate {
        /// The tensor.
        name: String,
        /// Where it is.
        first: PathBuf,
        /// Where it is again.
        second: PathBuf,
    },

    /// A tensor that was asked for by name and is not in the checkpoint.
    #[error(
        "no tensor {name:?}{}",
        nearest.as_ref().map_or(String::new(), |nearest| format!("; the nearest name is {nearest:?}"))
    )]
    UnknownTensor {
        /// The name.
        name: String,
        /// The most similar name that is there.
        nearest: Option<String>,
    },

    /// A tensor that claims more data than its file holds.
    #[error("{}: the tensor {name:?} claims {claimed} bytes in a file of {length}", path.display())]
    Oversized {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Bytes that its shape needs.
        claimed: usize,
        /// Bytes of the file.
        length: u64,
    },

    /// Integers where floats are needed.
    #[error("{name}: expected F64, F32, F16, BF16 or I8 with scales, got {dtype}")]
    NotFloat {
        /// The tensor.
        name: String,
        /// Its element type.
        dtype: DType,
    },

    /// The checkpoint does not fit the model.
    #[error(transparent)]
    Mismatch(Box<Mismatch>),

    /// The checkpoint stores a tensor twice, unlike, and the model has only one place for it.
    #[error("{name} differs from {other}, to which the model ties it")]
    Untied {
        /// The tensor that has no place.
        name: String,
        /// The tensor that was to stand for both.
        other: String,
    },

    /// The model has a parameter that no checkpoint tensor can fill.
    #[error("{path}: expected a float parameter, got {kind}")]
    Parameter {
        /// The parameter's path in the model.
        path: String,
        /// Its kind: `int`, `bool`.
        kind: &'static str,
    },

    /// A fused parameter that does not divide into its parts.
    #[error("{path}: an output axis of {size} does not divide into {parts} tensors")]
    Fused {
        /// The parameter's path in the model.
        path: String,
        /// How many checkpoint tensors it joins.
        parts: usize,
        /// Its output axis.
        size: usize,
    },

    /// Data for a tensor that was not announced to the writer, or was written before.
    #[error("{}: {name:?} is not among the tensors still to be written", path.display())]
    WriteUnknown {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },

    /// A writer that was finished early.
    #[error("{}: {count} tensors were never written, the first is {name:?}", path.display())]
    WriteMissing {
        /// The file.
        path: PathBuf,
        /// How many.
        count: usize,
        /// The first of them.
        name: String,
    },

    /// Data of another length than was announced.
    #[error("{}: {name}: expected {expected} bytes, got {got}", path.display())]
    WriteLength {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Bytes announced.
        expected: usize,
        /// Bytes that came.
        got: usize,
    },

    /// What the format cannot hold.
    #[error("{}: {what} does not fit {format}", path.display())]
    WriteUnsupported {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        what: String,
        /// The format.
        format: &'static str,
    },

    /// A repository or revision that is no name on the hub.
    #[cfg(feature = "hub")]
    #[error("{name:?} is no {kind}")]
    HubName {
        /// What it should be: `repository id (owner/name)`, `revision`.
        kind: &'static str,
        /// What came.
        name: String,
    },

    /// The hub could not be reached, or broke off.
    #[cfg(feature = "hub")]
    #[error("{url}: cannot download")]
    Hub {
        /// What was asked for.
        url: String,
        /// Why it failed.
        source: Source,
    },

    /// The hub said no.
    #[cfg(feature = "hub")]
    #[error("{url}: expected status 200, got {status}{}", crate::hub::hint(*status))]
    HubStatus {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
    },

    /// The hub's answer about a repository has no commit, or no list of files with weights.
    #[cfg(feature = "hub")]
    #[error("{url}: expected {expected}")]
    HubAnswer {
        /// What was asked for.
        url: String,
        /// What the answer lacks.
        expected: String,
    },
}

impl WeightsError {
    /// An [`WeightsError::Io`] that remembers what was done to which file.
    pub(crate) fn io(path: impl Into<PathBuf>, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, action, source }
    }
}
