//! Safetensors, read through a memory map.
//!
//! ```text
//! [ u64 header length ][ JSON: {name: {dtype, shape, data_offsets}} ][ data, one tensor after the other ]
//! ```
//!
//! The crate `safetensors` reads the header and checks that the offsets cover the file without gap or
//! overlap; what this adds is the map, and the ranges kept without borrowing it.
//!
//! Source: <https://github.com/huggingface/safetensors#format>.

use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};

use crate::{DType, TensorInfo, WeightsError};

/// Where the bytes of a checkpoint are.
enum Bytes {
    Map(memmap2::Mmap),
    Memory(Vec<u8>),
}

impl Bytes {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Map(map) => map,
            Self::Memory(bytes) => bytes,
        }
    }
}

/// A safetensors file whose header was read and checked.
pub(crate) struct SafetensorsFile {
    bytes: Bytes,
    tensors: Vec<TensorInfo>,
    ranges: HashMap<String, Range<usize>>,
}

impl SafetensorsFile {
    pub(crate) fn open(path: &Path, file: &File) -> Result<Self, WeightsError> {
        let map = map(file).map_err(WeightsError::io(path, "map"))?;
        Self::new(path, Bytes::Map(map))
    }

    pub(crate) fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self, WeightsError> {
        Self::new(path, Bytes::Memory(bytes))
    }

    fn new(path: &Path, bytes: Bytes) -> Result<Self, WeightsError> {
        let all = bytes.as_slice();
        let (header, metadata) =
            SafeTensors::read_metadata(all).map_err(|source| WeightsError::Safetensors {
                path: PathBuf::from(path),
                length: all.len(),
                source: source.into(),
            })?;
        // `read_metadata` has checked that the offsets end with the file.
        let start = size_of::<u64>() + header;
        let mut tensors = Vec::new();
        let mut ranges = HashMap::new();
        for (name, info) in metadata.tensors() {
            let (from, to) = info.data_offsets;
            tensors.push(TensorInfo::new(
                name.as_str(),
                dtype(info.dtype),
                info.shape.as_slice(),
            ));
            ranges.insert(name, start + from..start + to);
        }
        Ok(Self {
            bytes,
            tensors,
            ranges,
        })
    }

    pub(crate) fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// The stored bytes; `None` for a name that [`Self::tensors`] does not list.
    pub(crate) fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.bytes.as_slice().get(self.ranges.get(name)?.clone())
    }
}

#[allow(unsafe_code)]
fn map(file: &File) -> std::io::Result<memmap2::Mmap> {
    // SAFETY: the map is only ever read, as bytes, for which every bit pattern is valid. What remains is that
    // another process truncates or rewrites the file meanwhile: then reading ends the process (SIGBUS) or gives
    // other numbers. Every reader of mapped weights lives with that, and a checkpoint is not written in place:
    // this crate's writers, like the hub's cache, write beside it and rename.
    unsafe { memmap2::Mmap::map(file) }
}

fn dtype(dtype: Dtype) -> DType {
    match dtype {
        Dtype::F64 => DType::F64,
        Dtype::F32 => DType::F32,
        Dtype::F16 => DType::F16,
        Dtype::BF16 => DType::BF16,
        Dtype::I64 => DType::I64,
        Dtype::I32 => DType::I32,
        Dtype::I16 => DType::I16,
        Dtype::I8 => DType::I8,
        Dtype::U64 => DType::U64,
        Dtype::U32 => DType::U32,
        Dtype::U16 => DType::U16,
        Dtype::U8 => DType::U8,
        Dtype::BOOL => DType::Bool,
        Dtype::F4 => DType::Other("F4"),
        Dtype::F6_E2M3 => DType::Other("F6_E2M3"),
        Dtype::F6_E3M2 => DType::Other("F6_E3M2"),
        Dtype::F8_E5M2 => DType::Other("F8_E5M2"),
        Dtype::F8_E4M3 => DType::Other("F8_E4M3"),
        Dtype::F8_E8M0 => DType::Other("F8_E8M0"),
        Dtype::F8_E4M3FNUZ => DType::Other("F8_E4M3FNUZ"),
        Dtype::F8_E5M2FNUZ => DType::Other("F8_E5M2FNUZ"),
        Dtype::C64 => DType::Other("C64"),
        _ => DType::Other("unknown"),
    }
}
