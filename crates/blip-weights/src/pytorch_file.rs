//! PyTorch checkpoints: a pickle that names tensors, and their storages.
//!
//! ```text
//! model.pth (zip)   archive/data.pkl    {"model": {name: tensor(storage 0, offset, shape, stride)}, "optimizer": …}
//!                   archive/data/0      the bytes of storage 0
//! ```
//!
//! The reader is the crate [`pytorch-reader`](https://docs.rs/pytorch-reader), which Burn wrote for its own
//! importer and which does not depend on Burn. It was taken, not rewritten, because it is what a reader of
//! foreign pickles must be: it interprets a fixed list of opcodes and of `torch._utils` functions and executes
//! nothing; it reads zip, the legacy stream of torch before 1.6 and the tar before that; shared storages and
//! strides; and it bounds nesting (1,000), copies (64 MB) and the pickle itself (100 MB). Our tests cut and
//! flip bytes of real files to hold it to that. Two things are added here:
//!
//! - The wrapper. salesforce/BLIP@056a169 `train_caption.py` saves `{model, optimizer, config, epoch}` and
//!   `models/blip.py` reads `["model"]`; others write `state_dict`. The reader flattens everything, so an
//!   optimizer's moments would be listed as tensors: the wrapped dictionary alone is taken.
//! - A bound on what one tensor may claim. A view of stride 0 makes a kilobyte file promise gigabytes: a tensor
//!   larger than its file is refused (see [`SLACK`]).
//!
//! It reads with `pread` into a buffer per tensor, as safetensors is read.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use pytorch_reader::{PytorchReader, Tensor};
use tempfile::NamedTempFile;

use crate::{DType, TensorInfo, WeightsError};

/// The keys under which checkpoints wrap their state dict, in order of preference.
const WRAPPERS: [&str; 2] = ["model", "state_dict"];

/// Tensors up to this many bytes may exceed their file: small broadcast views, compressed archives.
const SLACK: u64 = 1 << 20;

/// A PyTorch file whose pickle was read.
pub(crate) struct PytorchFile {
    path: PathBuf,
    tensors: Vec<TensorInfo>,
    by_name: HashMap<String, Tensor>,
    /// The bytes of a checkpoint that came from memory; removed with the last read.
    _temporary: Option<NamedTempFile>,
}

impl PytorchFile {
    pub(crate) fn open(path: &Path) -> Result<Self, WeightsError> {
        Self::new(path, path, None)
    }

    /// The reader reads files, so bytes go through a temporary one.
    pub(crate) fn from_bytes(shown: &Path, bytes: &[u8]) -> Result<Self, WeightsError> {
        let write = || {
            let mut file = NamedTempFile::new()?;
            std::io::Write::write_all(&mut file, bytes)?;
            Ok(file)
        };
        let file = write().map_err(WeightsError::io(std::env::temp_dir(), "write"))?;
        let path = file.path().to_owned();
        Self::new(shown, &path, Some(file))
    }

    fn new(shown: &Path, path: &Path, temporary: Option<NamedTempFile>) -> Result<Self, WeightsError> {
        let broken = |source: pytorch_reader::PytorchError| WeightsError::Pytorch {
            path: shown.to_owned(),
            source: source.into(),
        };
        let by_name = unwrap(path, PytorchReader::new(path).map_err(broken)?);
        if by_name.is_empty() {
            return Err(WeightsError::NoTensors {
                path: shown.to_owned(),
            });
        }
        let length = std::fs::metadata(path)
            .map_err(WeightsError::io(shown, "read"))?
            .len();
        let mut tensors = Vec::with_capacity(by_name.len());
        for (name, tensor) in &by_name {
            let info = TensorInfo::new(name, dtype(tensor.dtype()), tensor.shape());
            let claimed = info.bytes().unwrap_or(usize::MAX);
            if claimed as u64 > length.max(SLACK) {
                return Err(WeightsError::Oversized {
                    path: shown.to_owned(),
                    name: name.clone(),
                    claimed,
                    length,
                });
            }
            tensors.push(info);
        }
        Ok(Self {
            path: shown.to_owned(),
            tensors,
            by_name,
            _temporary: temporary,
        })
    }

    pub(crate) fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// The stored bytes, contiguous; `None` for a name that [`Self::tensors`] does not list.
    pub(crate) fn bytes(&self, name: &str) -> Option<Result<Vec<u8>, WeightsError>> {
        let bytes = self.by_name.get(name)?.read();
        Some(bytes.map_err(WeightsError::io(&self.path, "read a tensor")))
    }
}

/// The tensors of the wrapped state dict, or all of them where nothing wraps it.
fn unwrap(path: &Path, reader: PytorchReader) -> HashMap<String, Tensor> {
    for wrapper in WRAPPERS {
        // A flat state dict may have names that start with `model.`; only a real key of the root opens here.
        let may_wrap = reader.tensors().keys().any(|name| {
            name.strip_prefix(wrapper)
                .is_some_and(|rest| rest.starts_with('.'))
        });
        if may_wrap && let Ok(inner) = PytorchReader::with_top_level_key(path, wrapper) {
            return inner.into_tensors();
        }
    }
    reader.into_tensors()
}

fn dtype(dtype: pytorch_reader::DType) -> DType {
    use pytorch_reader::DType as Stored;
    match dtype {
        Stored::F64 => DType::F64,
        Stored::F32 => DType::F32,
        Stored::F16 => DType::F16,
        Stored::BF16 => DType::BF16,
        Stored::I64 => DType::I64,
        Stored::I32 => DType::I32,
        Stored::I16 => DType::I16,
        Stored::I8 => DType::I8,
        Stored::U64 => DType::U64,
        Stored::U32 => DType::U32,
        Stored::U16 => DType::U16,
        Stored::U8 => DType::U8,
        Stored::Bool => DType::Bool,
    }
}
