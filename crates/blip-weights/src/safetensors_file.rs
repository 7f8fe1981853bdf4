//! Safetensors, tensor by tensor.
//!
//! ```text
//! [ u64 header length ][ JSON: {name: {dtype, shape, data_offsets}} ][ data, one tensor after the other ]
//! ```
//!
//! The crate `safetensors` reads the header and checks that the offsets cover the file without gap or
//! overlap; what this adds is the file, and the ranges kept without borrowing it. The header is read through a memory
//! map. Tensors are not: each is read once, into memory that is given back at once, where the pages of a map would count
//! as the program's until the end.
//!
//! Source: <https://github.com/huggingface/safetensors#format>.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};

use crate::{DType, TensorInfo, WeightsError};

/// Where the bytes of a checkpoint are.
enum Bytes {
    File(File),
    Memory(Vec<u8>),
}

/// A safetensors file whose header was read and checked.
pub(crate) struct SafetensorsFile {
    bytes: Bytes,
    tensors: Vec<TensorInfo>,
    ranges: Ranges,
}

impl SafetensorsFile {
    pub(crate) fn open(path: &Path, file: File) -> Result<Self, WeightsError> {
        let map = map(&file).map_err(WeightsError::io(path, "map"))?;
        let (tensors, ranges) = list(path, &map)?;
        Ok(Self {
            bytes: Bytes::File(file),
            tensors,
            ranges,
        })
    }

    pub(crate) fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self, WeightsError> {
        let (tensors, ranges) = list(path, &bytes)?;
        Ok(Self {
            bytes: Bytes::Memory(bytes),
            tensors,
            ranges,
        })
    }

    pub(crate) fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// Where the stored bytes are; `None` for a name that [`Self::tensors`] does not list.
    pub(crate) fn bytes(&self, name: &str) -> Option<StoredBytes<'_>> {
        let range = self.ranges.get(name)?.clone();
        Some(match &self.bytes {
            Bytes::Memory(bytes) => StoredBytes::Memory(Cow::Borrowed(bytes.get(range)?)),
            Bytes::File(file) => StoredBytes::File { file, range },
        })
    }
}

/// The bytes of a tensor, read or not.
pub(crate) enum StoredBytes<'a> {
    Memory(Cow<'a, [u8]>),
    File { file: &'a File, range: Range<usize> },
}

impl<'a> StoredBytes<'a> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Memory(bytes) => bytes.len(),
            Self::File { range, .. } => range.len(),
        }
    }

    /// Some of them, through a buffer if they are in a file.
    ///
    /// # Panics
    ///
    /// If there are not so many.
    pub(crate) fn part<'b>(&'b self, part: Range<usize>, buffer: &'b mut Vec<u8>) -> io::Result<&'b [u8]> {
        match self {
            Self::Memory(bytes) => Ok(&bytes[part]),
            Self::File { file, range } => {
                assert!(part.end <= range.len(), "a part that is not there");
                buffer.resize(part.len(), 0);
                read_at(file, buffer, (range.start + part.start) as u64)?;
                Ok(buffer)
            }
        }
    }

    /// All of them, borrowed where they are in memory.
    pub(crate) fn all(self) -> io::Result<Cow<'a, [u8]>> {
        let all = 0..self.len();
        match self {
            Self::Memory(bytes) => Ok(bytes),
            Self::File { .. } => {
                let mut bytes = Vec::new();
                self.part(all, &mut bytes)?;
                Ok(Cow::Owned(bytes))
            }
        }
    }
}

/// Where each tensor's bytes are in the file.
type Ranges = HashMap<String, Range<usize>>;

/// The tensors of a file, and where they are.
fn list(path: &Path, all: &[u8]) -> Result<(Vec<TensorInfo>, Ranges), WeightsError> {
    let (header, metadata) = SafeTensors::read_metadata(all).map_err(|source| WeightsError::Safetensors {
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
    Ok((tensors, ranges))
}

/// Fills a buffer from a place in a file, which other threads may read too.
#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !buffer.is_empty() {
        match file.seek_read(buffer, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                buffer = &mut buffer[count..];
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(not(any(unix, windows)))]
fn read_at(mut file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    // Where files have one position there are no threads either.
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(buffer)
}

#[allow(unsafe_code)]
fn map(file: &File) -> std::io::Result<memmap2::Mmap> {
    // SAFETY: the map is only ever read, as bytes, for which every bit pattern is valid, and dropped once the header
    // was read. What remains is that another process truncates the file meanwhile: then reading ends the process
    // (SIGBUS). A checkpoint is not written in place: this crate's writers, like the hub's cache, write beside it and
    // rename.
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
