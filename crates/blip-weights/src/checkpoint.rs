//! An opened checkpoint: names, types and shapes at once, data when asked for.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::dtype::{StoredBF16, StoredF16, StoredF32, StoredF64, StoredFloat};
use crate::folder::{self, ShardIndex};
use crate::format::{self, Format};
use crate::nearest::nearest;
use crate::pytorch_file::PytorchFile;
use crate::safetensors_file::SafetensorsFile;
use crate::{DType, TensorInfo, WeightsError};

/// The path in errors about a checkpoint that came as bytes.
const MEMORY: &str = "<memory>";

/// One file of a checkpoint.
struct Part {
    path: PathBuf,
    reader: Reader,
}

enum Reader {
    Safetensors(SafetensorsFile),
    Pytorch(PytorchFile),
}

impl Reader {
    fn tensors(&self) -> &[TensorInfo] {
        match self {
            Self::Safetensors(file) => file.tensors(),
            Self::Pytorch(file) => file.tensors(),
        }
    }
}

/// A checkpoint whose headers were read and checked. No tensor data has been read yet.
///
/// `Send` and `Sync`: several threads may read tensors of one checkpoint at once.
pub struct Checkpoint {
    parts: Vec<Part>,
    /// Sorted by name.
    tensors: Vec<TensorInfo>,
    /// For each of `tensors`, the index of its part.
    part_of: Vec<usize>,
}

impl std::fmt::Debug for Checkpoint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Checkpoint")
            .field("files", &self.files().collect::<Vec<_>>())
            .field("tensors", &self.tensors.len())
            .finish()
    }
}

impl Checkpoint {
    /// Opens a file or a folder.
    ///
    /// A file is safetensors or any layout that `torch.save` has written, recognised by its content, or the
    /// `.index.json` of shards. Of a folder, the first of `model.safetensors`, `model.safetensors.index.json`,
    /// `pytorch_model.bin` and `pytorch_model.bin.index.json` is opened. A dictionary around the weights
    /// (`{"model": …, "optimizer": …}`) is taken off.
    ///
    /// # Errors
    ///
    /// What cannot be read, is no checkpoint, or is one that is truncated or inconsistent. The error names the
    /// file, and what was found and expected.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, WeightsError> {
        let path = path.as_ref();
        if path.is_dir() {
            return Self::open_file(&folder::find(path)?);
        }
        Self::open_file(path)
    }

    /// Opens several files as one checkpoint: the shards of one model.
    ///
    /// # Errors
    ///
    /// As [`Self::open`], and where two files hold the same tensor.
    pub fn open_files(paths: &[PathBuf]) -> Result<Self, WeightsError> {
        let parts = paths
            .iter()
            .map(|path| open_part(path))
            .collect::<Result<_, _>>()?;
        Self::from_parts(parts)
    }

    /// Opens a checkpoint that is in memory: safetensors, or a PyTorch file, which passes through a temporary
    /// file.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, WeightsError> {
        let path = PathBuf::from(MEMORY);
        let reader = match format::recognise(&bytes[..bytes.len().min(format::HEAD)]) {
            Format::Safetensors => Reader::Safetensors(SafetensorsFile::from_bytes(&path, bytes)?),
            Format::Pytorch => Reader::Pytorch(PytorchFile::from_bytes(&path, &bytes)?),
            Format::Json => return Err(not_a_checkpoint(&path, "JSON text".into())),
            Format::Foreign(found) => return Err(not_a_checkpoint(&path, found)),
        };
        Self::from_parts(vec![Part { path, reader }])
    }

    fn open_file(path: &Path) -> Result<Self, WeightsError> {
        let (_, format) = open_and_recognise(path)?;
        if format != Format::Json {
            return Self::from_parts(vec![open_part(path)?]);
        }
        let index = ShardIndex::open(path)?;
        let checkpoint = Self::open_files(&index.shards())?;
        index.check(|name| checkpoint.part(name).map(|part| part.path.clone()))?;
        Ok(checkpoint)
    }

    fn from_parts(parts: Vec<Part>) -> Result<Self, WeightsError> {
        let mut entries: Vec<(TensorInfo, usize)> = parts
            .iter()
            .enumerate()
            .flat_map(|(index, part)| {
                part.reader
                    .tensors()
                    .iter()
                    .map(move |info| (info.clone(), index))
            })
            .collect();
        entries.sort_by(|(left, _), (right, _)| left.name.cmp(&right.name));
        if let Some(pair) = entries.windows(2).find(|pair| pair[0].0.name == pair[1].0.name) {
            return Err(WeightsError::Duplicate {
                name: pair[0].0.name.clone(),
                first: parts[pair[0].1].path.clone(),
                second: parts[pair[1].1].path.clone(),
            });
        }
        let (tensors, part_of) = entries.into_iter().unzip();
        Ok(Self {
            parts,
            tensors,
            part_of,
        })
    }

    /// The files that were opened.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.parts.iter().map(|part| part.path.as_path())
    }

    /// Every tensor, sorted by name.
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// The tensor of this name, if there is one.
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.position(name).map(|index| &self.tensors[index])
    }

    /// The values of a tensor, in the checkpoint's order of axes. F64 is rounded, F16 and BF16 are widened.
    ///
    /// # Errors
    ///
    /// [`WeightsError::UnknownTensor`], [`WeightsError::NotFloat`], and what reading gives.
    pub fn read_f32(&self, name: &str) -> Result<Vec<f32>, WeightsError> {
        let (info, bytes) = self.read(name)?;
        fn widen<T: StoredFloat>(bytes: &[u8]) -> Vec<f32> {
            bytes.chunks_exact(T::SIZE).map(T::read).collect()
        }
        match info.dtype {
            DType::F64 => Ok(widen::<StoredF64>(&bytes)),
            DType::F32 => Ok(widen::<StoredF32>(&bytes)),
            DType::F16 => Ok(widen::<StoredF16>(&bytes)),
            DType::BF16 => Ok(widen::<StoredBF16>(&bytes)),
            dtype => Err(WeightsError::NotFloat {
                name: info.name.clone(),
                dtype,
            }),
        }
    }

    /// The bytes of a tensor as they are stored: little-endian, contiguous, in its [`DType`]. Borrowed where the
    /// file is mapped.
    ///
    /// # Errors
    ///
    /// [`WeightsError::UnknownTensor`], and what reading gives.
    pub fn read_bytes(&self, name: &str) -> Result<Cow<'_, [u8]>, WeightsError> {
        self.read(name).map(|(_, bytes)| bytes)
    }

    /// A tensor and its bytes, whose length fits its shape and type.
    pub(crate) fn read(&self, name: &str) -> Result<(&TensorInfo, Cow<'_, [u8]>), WeightsError> {
        let index = self.position(name).ok_or_else(|| WeightsError::UnknownTensor {
            name: name.to_owned(),
            nearest: self.nearest(name).map(str::to_owned),
        })?;
        let info = &self.tensors[index];
        let part = &self.parts[self.part_of[index]];
        let bytes = match &part.reader {
            Reader::Safetensors(file) => Cow::Borrowed(file.bytes(name).expect("the part lists the tensor")),
            Reader::Pytorch(file) => Cow::Owned(file.bytes(name).expect("the part lists the tensor")?),
        };
        if info.bytes().is_some_and(|expected| expected != bytes.len()) {
            let got = std::io::Error::other(format!(
                "{name}: expected {:?} bytes, got {}",
                info.bytes(),
                bytes.len()
            ));
            return Err(WeightsError::io(&part.path, "read a tensor")(got));
        }
        Ok((info, bytes))
    }

    /// The most similar name, for an error about one that is missing.
    pub(crate) fn nearest(&self, name: &str) -> Option<&str> {
        nearest(name, self.tensors.iter().map(|info| info.name.as_str()))
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.tensors
            .binary_search_by(|info| info.name.as_str().cmp(name))
            .ok()
    }

    fn part(&self, name: &str) -> Option<&Part> {
        self.position(name).map(|index| &self.parts[self.part_of[index]])
    }
}

fn open_part(path: &Path) -> Result<Part, WeightsError> {
    let (file, format) = open_and_recognise(path)?;
    let reader = match format {
        Format::Safetensors => Reader::Safetensors(SafetensorsFile::open(path, &file)?),
        Format::Pytorch => Reader::Pytorch(PytorchFile::open(path)?),
        Format::Json => return Err(not_a_checkpoint(path, "JSON text".into())),
        Format::Foreign(found) => return Err(not_a_checkpoint(path, found)),
    };
    Ok(Part {
        path: path.to_owned(),
        reader,
    })
}

fn open_and_recognise(path: &Path) -> Result<(File, Format), WeightsError> {
    let file = File::open(path).map_err(WeightsError::io(path, "open"))?;
    let mut head = Vec::new();
    (&file)
        .take(format::HEAD as u64)
        .read_to_end(&mut head)
        .map_err(WeightsError::io(path, "read"))?;
    Ok((file, format::recognise(&head)))
}

fn not_a_checkpoint(path: &Path, found: String) -> WeightsError {
    WeightsError::NotACheckpoint {
        path: path.to_owned(),
        found,
    }
}
