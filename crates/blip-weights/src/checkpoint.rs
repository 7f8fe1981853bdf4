//! An opened checkpoint: names, types and shapes at once, data when asked for.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::dtype::{StoredF32, StoredFloat};
use crate::folder::{self, ShardIndex};
use crate::format::{self, Format};
use crate::layout::{Placement, place_all};
use crate::nearest::nearest;
use crate::pytorch_file::PytorchFile;
use crate::safetensors_file::{SafetensorsFile, StoredBytes};
use crate::{DType, TensorInfo, WeightsError};

/// The path in errors about a checkpoint that came as bytes.
const MEMORY: &str = "<memory>";

/// One file of a checkpoint.
struct Part {
    path: PathBuf,
    reader: Reader,
}

impl Part {
    /// Where the bytes of a tensor are that it lists. Those of a PyTorch file are read: they may lie in any order.
    fn bytes(&self, name: &str) -> Result<StoredBytes<'_>, WeightsError> {
        match &self.reader {
            Reader::Safetensors(file) => Ok(file.bytes(name).expect("the part lists the tensor")),
            Reader::Pytorch(file) => {
                let bytes = file.bytes(name).expect("the part lists the tensor")?;
                Ok(StoredBytes::Memory(Cow::Owned(bytes)))
            }
        }
    }

    fn read(&self, name: &str) -> Result<Cow<'_, [u8]>, WeightsError> {
        self.bytes(name)?.all().map_err(self.cannot_read())
    }

    fn cannot_read(&self) -> impl FnOnce(std::io::Error) -> WeightsError {
        WeightsError::io(&self.path, "read a tensor")
    }
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
/// `Send` and `Sync`: several threads may read tensors of one checkpoint at once. A clone is the same opened checkpoint.
#[derive(Clone)]
pub struct Checkpoint {
    opened: Arc<Opened>,
}

struct Opened {
    parts: Vec<Part>,
    /// Sorted by name.
    tensors: Vec<TensorInfo>,
    /// For each of `tensors`, the index of its part.
    part_of: Vec<usize>,
    /// The scales of [`DType::ScaledI8`] tensors, by the name of the tensor: the scales' name and the index of their part.
    scales: HashMap<String, (String, usize)>,
}

/// A tensor as it is stored, to be read some outputs (the first axis) at a time.
pub(crate) struct Stored<'a> {
    pub(crate) info: &'a TensorInfo,
    part: &'a Part,
    /// As many as its shape and type say.
    bytes: StoredBytes<'a>,
    /// Of [`DType::ScaledI8`], one for each output.
    scales: Vec<f32>,
}

/// Some outputs of a [`Stored`].
pub(crate) struct StoredRows<'a> {
    pub(crate) dtype: DType,
    pub(crate) bytes: &'a [u8],
    /// Of [`DType::ScaledI8`], one for each output.
    pub(crate) scales: &'a [f32],
}

impl Stored<'_> {
    /// The size of the first axis; 1 of a scalar.
    pub(crate) fn outputs(&self) -> usize {
        self.info.shape.first().copied().unwrap_or(1)
    }

    /// The number of its values.
    pub(crate) fn elements(&self) -> usize {
        self.info.elements().unwrap_or(0)
    }

    /// The bytes of an output.
    pub(crate) fn row_bytes(&self) -> usize {
        self.bytes.len() / self.outputs().max(1)
    }

    /// Some outputs, through a buffer if they are in a file.
    ///
    /// # Panics
    ///
    /// If there are not so many.
    pub(crate) fn rows<'b>(
        &'b self,
        outputs: Range<usize>,
        buffer: &'b mut Vec<u8>,
    ) -> Result<StoredRows<'b>, WeightsError> {
        let row = self.row_bytes();
        let bytes = self.bytes.part(outputs.start * row..outputs.end * row, buffer);
        Ok(StoredRows {
            dtype: self.info.dtype,
            bytes: bytes.map_err(self.part.cannot_read())?,
            scales: self.scales.get(outputs).unwrap_or_default(),
        })
    }
}

/// What follows the name of a tensor of integers in that of its scales: `query.weight`, `query.weight_scale`.
pub const SCALE_SUFFIX: &str = "_scale";

/// Takes the scales of integers out of a list that is sorted by name, and says of the integers that they have some.
fn take_scales(entries: &mut Vec<(TensorInfo, usize)>) -> HashMap<String, (String, usize)> {
    let of_scales: HashMap<String, (Vec<usize>, usize)> = entries
        .iter()
        .filter(|(info, _)| info.dtype == DType::F32)
        .filter_map(|(info, part)| {
            let scaled = info.name.strip_suffix(SCALE_SUFFIX)?;
            Some((scaled.to_owned(), (info.shape.clone(), *part)))
        })
        .collect();
    let mut scales = HashMap::new();
    for (info, _) in entries.iter_mut().filter(|(info, _)| info.dtype == DType::I8) {
        match of_scales.get(&info.name) {
            Some((shape, part)) if info.shape.first() == shape.first() && shape.len() == 1 => {
                info.dtype = DType::ScaledI8;
                let name = format!("{}{SCALE_SUFFIX}", info.name);
                scales.insert(info.name.clone(), (name, *part));
            }
            _ => {}
        }
    }
    entries.retain(|(info, _)| {
        let scaled = info.name.strip_suffix(SCALE_SUFFIX);
        scaled.is_none_or(|scaled| !scales.contains_key(scaled))
    });
    scales
}

impl std::fmt::Debug for Checkpoint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Checkpoint")
            .field("files", &self.files().collect::<Vec<_>>())
            .field("tensors", &self.tensors().len())
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
        let scales = take_scales(&mut entries);
        let (tensors, part_of) = entries.into_iter().unzip();
        let opened = Opened {
            parts,
            tensors,
            part_of,
            scales,
        };
        Ok(Self {
            opened: Arc::new(opened),
        })
    }

    /// The files that were opened.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.opened.parts.iter().map(|part| part.path.as_path())
    }

    /// Every tensor, sorted by name.
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.opened.tensors
    }

    /// The tensor of this name, if there is one.
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.position(name).map(|index| &self.tensors()[index])
    }

    /// The values of a tensor, in the checkpoint's order of axes. F64 is rounded, F16 and BF16 are widened, and integers multiplied by their scales.
    ///
    /// # Errors
    ///
    /// [`WeightsError::UnknownTensor`], [`WeightsError::NotFloat`], and what reading gives.
    pub fn read_f32(&self, name: &str) -> Result<Vec<f32>, WeightsError> {
        let stored = self.stored(name)?;
        if !stored.info.dtype.is_float() {
            return Err(WeightsError::NotFloat {
                name: name.to_owned(),
                dtype: stored.info.dtype,
            });
        }
        let mut values = vec![0.0; stored.elements()];
        let placement = Placement {
            out: stored.outputs(),
            rest: values.len() / stored.outputs().max(1),
            parts: 1,
            part: 0,
            out_last: false,
        };
        place_all(&mut values, placement, &stored)?;
        Ok(values)
    }

    /// The bytes of a tensor as they are stored: little-endian, contiguous, in its [`DType`]. Borrowed where the
    /// checkpoint is in memory.
    ///
    /// # Errors
    ///
    /// [`WeightsError::UnknownTensor`], and what reading gives.
    pub fn read_bytes(&self, name: &str) -> Result<Cow<'_, [u8]>, WeightsError> {
        let Stored { bytes, part, .. } = self.stored(name)?;
        bytes.all().map_err(part.cannot_read())
    }

    /// A tensor, of whose bytes the number fits its shape and type.
    pub(crate) fn stored(&self, name: &str) -> Result<Stored<'_>, WeightsError> {
        let index = self.position(name).ok_or_else(|| WeightsError::UnknownTensor {
            name: name.to_owned(),
            nearest: self.nearest(name).map(str::to_owned),
        })?;
        let info = &self.tensors()[index];
        let part = self.part_at(index);
        let bytes = part.bytes(name)?;
        let scales = match self.opened.scales.get(name) {
            Some((name, part)) => {
                let bytes = self.opened.parts[*part].read(name)?;
                bytes.chunks_exact(StoredF32::SIZE).map(StoredF32::read).collect()
            }
            None => Vec::new(),
        };
        if info.bytes().is_some_and(|expected| expected != bytes.len()) {
            let got = std::io::Error::other(format!(
                "{name}: expected {:?} bytes, got {}",
                info.bytes(),
                bytes.len()
            ));
            return Err(part.cannot_read()(got));
        }
        Ok(Stored {
            info,
            part,
            bytes,
            scales,
        })
    }

    /// The most similar name, for an error about one that is missing.
    pub(crate) fn nearest(&self, name: &str) -> Option<&str> {
        nearest(name, self.tensors().iter().map(|info| info.name.as_str()))
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.tensors()
            .binary_search_by(|info| info.name.as_str().cmp(name))
            .ok()
    }

    fn part(&self, name: &str) -> Option<&Part> {
        self.position(name).map(|index| self.part_at(index))
    }

    fn part_at(&self, index: usize) -> &Part {
        &self.opened.parts[self.opened.part_of[index]]
    }
}

fn open_part(path: &Path) -> Result<Part, WeightsError> {
    let (file, format) = open_and_recognise(path)?;
    let reader = match format {
        Format::Safetensors => Reader::Safetensors(SafetensorsFile::open(path, file)?),
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
