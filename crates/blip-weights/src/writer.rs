//! Writing a checkpoint, tensor by tensor.
//!
//! Names, types and shapes are announced first, so that every offset is known: tensors may then come in any
//! order, and nothing but the one being written is in memory. The file is written beside its destination and
//! renamed at the end, so that nobody ever reads half a checkpoint.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::pytorch_writer::PytorchLayout;
use crate::safetensors_writer::SafetensorsLayout;
use crate::{DType, TensorInfo, WeightsError};

/// Writes a safetensors or a PyTorch file.
///
/// Dropped before [`Self::finish`], it leaves nothing behind.
///
/// ```
/// use blip_weights::{Checkpoint, CheckpointWriter, DType, TensorInfo};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("tiny.pth");
/// let tensors = [TensorInfo::new("norm.weight", DType::F16, [2])];
///
/// let mut writer = CheckpointWriter::pytorch(&path, &tensors, Some("model"))?;
/// writer.write_f32("norm.weight", &[1.0, 0.5])?;
/// writer.finish()?;
///
/// assert_eq!(Checkpoint::open(&path)?.read_f32("norm.weight")?, [1.0, 0.5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct CheckpointWriter {
    path: PathBuf,
    file: NamedTempFile,
    layout: Layout,
    /// Tensors still to come, by name.
    pending: HashMap<String, Pending>,
}

#[derive(Debug)]
struct Pending {
    index: usize,
    dtype: DType,
    bytes: usize,
}

#[derive(Debug)]
enum Layout {
    Safetensors(SafetensorsLayout),
    Pytorch(PytorchLayout),
}

impl CheckpointWriter {
    /// Starts a safetensors file with these tensors. `metadata` goes into its header; transformers asks for
    /// `("format", "pt")`.
    ///
    /// # Errors
    ///
    /// A name that comes twice, a type without a known size, and what the operating system refuses.
    pub fn safetensors(
        path: impl AsRef<Path>,
        tensors: &[TensorInfo],
        metadata: &[(&str, &str)],
    ) -> Result<Self, WeightsError> {
        let path = path.as_ref();
        let pending = announce(path, tensors, "safetensors")?;
        let layout = SafetensorsLayout::new(tensors, metadata);
        Self::start(path, pending, |file| {
            layout.write_header(file).map(|()| Layout::Safetensors(layout))
        })
    }

    /// Starts a PyTorch zip file with these tensors, which `torch.load` reads with `weights_only=True`:
    /// `{wrapper: {name: tensor}}`, or `{name: tensor}` without a wrapper, as `pytorch_model.bin` has it.
    ///
    /// # Errors
    ///
    /// A name that comes twice, a type that torch has no storage class for, more than 4 GiB or 65,000 tensors,
    /// and what the operating system refuses.
    pub fn pytorch(
        path: impl AsRef<Path>,
        tensors: &[TensorInfo],
        wrapper: Option<&str>,
    ) -> Result<Self, WeightsError> {
        let path = path.as_ref();
        let pending = announce(path, tensors, "PyTorch")?;
        let layout =
            PytorchLayout::new(tensors, wrapper).map_err(|what| unsupported(path, what, "PyTorch"))?;
        Self::start(path, pending, |file| {
            layout.write_header(file).map(|()| Layout::Pytorch(layout))
        })
    }

    fn start(
        path: &Path,
        pending: HashMap<String, Pending>,
        write_header: impl FnOnce(&mut File) -> std::io::Result<Layout>,
    ) -> Result<Self, WeightsError> {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        {
            // As any new file, not private as temporary ones are; the process's umask still applies.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let mut file = builder
            .prefix(".writing-")
            .tempfile_in(folder)
            .map_err(WeightsError::io(path, "create"))?;
        let layout = write_header(file.as_file_mut()).map_err(WeightsError::io(path, "write"))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            layout,
            pending,
        })
    }

    /// Writes a tensor's bytes: little-endian, contiguous, in the announced type.
    ///
    /// # Errors
    ///
    /// A tensor that was not announced or is already written, another length, and what the operating system
    /// refuses.
    pub fn write_bytes(&mut self, name: &str, bytes: &[u8]) -> Result<(), WeightsError> {
        let pending = self.pending(name)?;
        if bytes.len() != pending.bytes {
            return Err(WeightsError::WriteLength {
                path: self.path.clone(),
                name: name.to_owned(),
                expected: pending.bytes,
                got: bytes.len(),
            });
        }
        let (index, file) = (pending.index, self.file.as_file_mut());
        let written = match &mut self.layout {
            Layout::Safetensors(layout) => write_at(file, layout.offset(index), bytes),
            Layout::Pytorch(layout) => layout.write_tensor(file, index, bytes),
        };
        written.map_err(WeightsError::io(&self.path, "write"))?;
        self.pending.remove(name);
        Ok(())
    }

    /// Writes a tensor from `f32` values, rounded to the announced type.
    ///
    /// # Errors
    ///
    /// As [`Self::write_bytes`], and where the announced type is no float.
    pub fn write_f32(&mut self, name: &str, values: &[f32]) -> Result<(), WeightsError> {
        let dtype = self.pending(name)?.dtype;
        let bytes = dtype.encode(values).ok_or_else(|| WeightsError::NotFloat {
            name: name.to_owned(),
            dtype,
        })?;
        self.write_bytes(name, &bytes)
    }

    /// Completes the file and gives it its name, replacing what had it.
    ///
    /// # Errors
    ///
    /// A tensor that was announced and not written, and what the operating system refuses.
    pub fn finish(mut self) -> Result<(), WeightsError> {
        if let Some(name) = self.pending.keys().min() {
            return Err(WeightsError::WriteMissing {
                path: self.path.clone(),
                count: self.pending.len(),
                name: name.clone(),
            });
        }
        if let Layout::Pytorch(layout) = &self.layout {
            layout
                .write_directory(self.file.as_file_mut())
                .map_err(WeightsError::io(&self.path, "write"))?;
        }
        let renamed = self.file.persist(&self.path);
        renamed
            .map(drop)
            .map_err(|error| WeightsError::io(&self.path, "rename the finished file to")(error.error))
    }

    fn pending(&self, name: &str) -> Result<&Pending, WeightsError> {
        self.pending.get(name).ok_or_else(|| WeightsError::WriteUnknown {
            path: self.path.clone(),
            name: name.to_owned(),
        })
    }
}

fn announce(
    path: &Path,
    tensors: &[TensorInfo],
    format: &'static str,
) -> Result<HashMap<String, Pending>, WeightsError> {
    let mut pending = HashMap::with_capacity(tensors.len());
    for (index, info) in tensors.iter().enumerate() {
        let storable = info.dtype != DType::ScaledI8;
        let bytes = info.bytes().filter(|_| storable).ok_or_else(|| {
            unsupported(
                path,
                format!("{}: {} {:?}", info.name, info.dtype, info.shape),
                format,
            )
        })?;
        let dtype = info.dtype;
        if pending
            .insert(info.name.clone(), Pending { index, dtype, bytes })
            .is_some()
        {
            return Err(WeightsError::Duplicate {
                name: info.name.clone(),
                first: path.to_owned(),
                second: path.to_owned(),
            });
        }
    }
    Ok(pending)
}

fn unsupported(path: &Path, what: String, format: &'static str) -> WeightsError {
    WeightsError::WriteUnsupported {
        path: path.to_owned(),
        what,
        format,
    }
}

pub(crate) fn write_at(file: &mut File, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(bytes)
}
