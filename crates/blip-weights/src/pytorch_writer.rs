//! The layout of a PyTorch zip file that is to be written.
//!
//! ```text
//! archive/data.pkl    the pickle: names, and for each a call that rebuilds the tensor from its storage
//! archive/byteorder   "little"
//! archive/data/0 …    one storage per tensor, uncompressed, each starting at a multiple of 64
//! archive/version     "3"
//! central directory
//! ```
//!
//! The pickle calls nothing but `torch._utils._rebuild_tensor_v2` and `collections.OrderedDict`, which are on
//! the list that `torch.load(weights_only=True)` allows.
//!
//! Sources: torch 2.14 `torch/serialization.py` (`_save`), `caffe2/serialize/inline_container.cc` (alignment,
//! version), CPython `Lib/pickle.py` (opcodes), PKWARE APPNOTE 6.3 (zip).

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

use crate::writer::write_at;
use crate::{DType, TensorInfo};

/// Storages start at multiples of this.
const ALIGNMENT: usize = 64;
/// The zip extra field with which torch pads to the alignment.
const PADDING_FIELD: [u8; 2] = *b"FB";
const LOCAL_HEADER: usize = 30;
/// Entries beside the tensors: pickle, byte order, version.
const OTHER_ENTRIES: usize = 3;

#[derive(Debug)]
pub(crate) struct PytorchLayout {
    /// Everything but the tensors: written at once.
    texts: Vec<(Entry, Vec<u8>)>,
    storages: Vec<Entry>,
    end: u32,
}

/// A zip entry that is stored, not compressed.
#[derive(Debug)]
struct Entry {
    name: String,
    offset: u32,
    size: u32,
    /// Length of the extra field before the data.
    extra: u16,
    crc: u32,
}

impl PytorchLayout {
    /// Lays out a file. `Err` says what does not fit the format.
    pub(crate) fn new(tensors: &[TensorInfo], wrapper: Option<&str>) -> Result<Self, String> {
        if tensors.len() + OTHER_ENTRIES >= usize::from(u16::MAX) {
            return Err(format!("{} tensors in one file", tensors.len()));
        }
        let pickle = pickle(tensors, wrapper)?;
        let mut end = 0;
        let mut texts = Vec::new();
        for (name, bytes) in [
            ("data.pkl", pickle),
            ("byteorder", b"little".to_vec()),
            ("version", b"3\n".to_vec()),
        ] {
            let mut entry = Entry::place(name.to_owned(), bytes.len(), &mut end)?;
            entry.crc = crc32fast::hash(&bytes);
            texts.push((entry, bytes));
        }
        let storages = tensors
            .iter()
            .enumerate()
            .map(|(index, info)| {
                let bytes = info.bytes().expect("announced tensors have a size");
                Entry::place(format!("data/{index}"), bytes, &mut end)
            })
            .collect::<Result<_, _>>()?;
        let end = u32::try_from(end).map_err(|_| too_large(end))?;
        Ok(Self { texts, storages, end })
    }

    pub(crate) fn write_header(&self, file: &mut File) -> std::io::Result<()> {
        // Claims the room at once: a full disk shows before the work.
        file.set_len(self.end.into())?;
        for (entry, bytes) in &self.texts {
            entry.write(file, bytes)?;
        }
        Ok(())
    }

    pub(crate) fn write_tensor(
        &mut self,
        file: &mut File,
        index: usize,
        bytes: &[u8],
    ) -> std::io::Result<()> {
        let entry = &mut self.storages[index];
        entry.crc = crc32fast::hash(bytes);
        entry.write(file, bytes)
    }

    /// Writes the central directory, after every tensor.
    pub(crate) fn write_directory(&self, file: &mut File) -> std::io::Result<()> {
        let mut directory = Vec::new();
        let entries = self.texts.iter().map(|(entry, _)| entry).chain(&self.storages);
        for entry in entries {
            directory.extend(b"PK\x01\x02");
            directory.extend([0, 0]); // Made by: anything.
            directory.extend(entry.common());
            directory.extend(0u16.to_le_bytes()); // The extra field is the local header's alone.
            directory.extend([0; 10]); // No comment; first disk; attributes.
            directory.extend(entry.offset.to_le_bytes());
            directory.extend(entry.name.as_bytes());
        }
        let count = (self.texts.len() + self.storages.len()) as u16;
        let size = directory.len() as u32;
        directory.extend(b"PK\x05\x06");
        directory.extend([0; 4]); // This disk and the directory's: the first.
        directory.extend(count.to_le_bytes());
        directory.extend(count.to_le_bytes());
        directory.extend(size.to_le_bytes());
        directory.extend(self.end.to_le_bytes());
        directory.extend([0; 2]); // No comment.
        file.seek(SeekFrom::Start(self.end.into()))?;
        file.write_all(&directory)
    }
}

impl Entry {
    /// An entry at `end`, which moves behind it. The name is put under the archive's root.
    fn place(name: String, size: usize, end: &mut usize) -> Result<Self, String> {
        let name = format!("archive/{name}");
        let offset = u32::try_from(*end).map_err(|_| too_large(*end))?;
        // A field needs four bytes for its name and length.
        let unpadded = *end + LOCAL_HEADER + name.len() + 4;
        let data = unpadded.next_multiple_of(ALIGNMENT);
        *end = data.checked_add(size).ok_or_else(|| too_large(size))?;
        Ok(Self {
            name,
            offset,
            size: u32::try_from(size).map_err(|_| too_large(size))?,
            extra: (data - unpadded + 4) as u16,
            crc: 0,
        })
    }

    /// The fields that the local header and the directory share, up to the name's length.
    fn common(&self) -> Vec<u8> {
        let mut fields = Vec::new();
        fields.extend(20u16.to_le_bytes()); // Version needed: 2.0.
        fields.extend([0; 4]); // No flags; stored.
        fields.extend([0, 0, 0x21, 0]); // Midnight of 1 January 1980: the same weights give the same file.
        fields.extend(self.crc.to_le_bytes());
        fields.extend(self.size.to_le_bytes()); // Compressed
        fields.extend(self.size.to_le_bytes()); // and not.
        fields.extend((self.name.len() as u16).to_le_bytes());
        fields
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> std::io::Result<()> {
        let mut header = b"PK\x03\x04".to_vec();
        header.extend(self.common());
        header.extend(self.extra.to_le_bytes());
        header.extend(self.name.as_bytes());
        header.extend(PADDING_FIELD);
        header.extend((self.extra - 4).to_le_bytes());
        header.resize(header.len() + usize::from(self.extra) - 4, b'Z');
        write_at(file, self.offset.into(), &header)?;
        file.write_all(bytes)
    }
}

fn too_large(bytes: usize) -> String {
    format!("a file of {bytes} bytes or more; 4 GiB is the limit, safetensors has none:")
}

/// The pickle, protocol 2, without memo.
fn pickle(tensors: &[TensorInfo], wrapper: Option<&str>) -> Result<Vec<u8>, String> {
    let mut pickle = Pickle(b"\x80\x02".to_vec());
    if let Some(wrapper) = wrapper {
        pickle.raw(b"}(");
        pickle.text(wrapper);
    }
    pickle.raw(b"}(");
    for (index, info) in tensors.iter().enumerate() {
        let storage = storage_class(info.dtype).ok_or_else(|| format!("{}: {}", info.name, info.dtype))?;
        let elements = info.elements().expect("announced tensors have a size");
        pickle.text(&info.name);
        pickle.raw(b"ctorch._utils\n_rebuild_tensor_v2\n(");
        // The storage, by persistent id.
        pickle.raw(b"(");
        pickle.text("storage");
        pickle.raw(b"ctorch\n");
        pickle.raw(storage.as_bytes());
        pickle.raw(b"\n");
        pickle.text(&index.to_string());
        pickle.text("cpu");
        pickle.integer(elements);
        pickle.raw(b"tQ");
        // Offset, shape, strides, requires_grad, backward hooks.
        pickle.integer(0);
        pickle.integers(&info.shape);
        pickle.integers(&strides(&info.shape));
        pickle.raw(b"\x89ccollections\nOrderedDict\n)RtR");
    }
    pickle.raw(b"u");
    if wrapper.is_some() {
        pickle.raw(b"u");
    }
    pickle.raw(b".");
    Ok(pickle.0)
}

/// A pickle in the making.
struct Pickle(Vec<u8>);

impl Pickle {
    fn raw(&mut self, opcodes: &[u8]) {
        self.0.extend(opcodes);
    }

    fn text(&mut self, text: &str) {
        self.raw(b"X");
        self.raw(&(text.len() as u32).to_le_bytes());
        self.raw(text.as_bytes());
    }

    fn integer(&mut self, value: usize) {
        // LONG1 of nine bytes: any usize, and the ninth keeps it positive.
        match i32::try_from(value) {
            Ok(value) => {
                self.raw(b"J");
                self.raw(&value.to_le_bytes());
            }
            Err(_) => {
                self.raw(b"\x8a\x09");
                self.raw(&(value as u64).to_le_bytes());
                self.raw(&[0]);
            }
        }
    }

    fn integers(&mut self, values: &[usize]) {
        self.raw(b"(");
        for &value in values {
            self.integer(value);
        }
        self.raw(b"t");
    }
}

fn storage_class(dtype: DType) -> Option<&'static str> {
    match dtype {
        DType::F64 => Some("DoubleStorage"),
        DType::F32 => Some("FloatStorage"),
        DType::F16 => Some("HalfStorage"),
        DType::BF16 => Some("BFloat16Storage"),
        DType::I64 => Some("LongStorage"),
        DType::I32 => Some("IntStorage"),
        DType::I16 => Some("ShortStorage"),
        DType::I8 => Some("CharStorage"),
        DType::U8 => Some("ByteStorage"),
        DType::Bool => Some("BoolStorage"),
        _ => None,
    }
}

/// Strides of a contiguous tensor, in elements. An axis of 0 counts as 1, as torch does.
fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis].max(1);
    }
    strides
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_are_torchs() {
        assert_eq!(strides(&[2, 3, 4]), [12, 4, 1]);
        assert_eq!(strides(&[2, 0, 4]), [4, 4, 1]);
        assert_eq!(strides(&[]), [0usize; 0]);
    }

    #[test]
    fn more_than_four_gibibytes_are_refused_before_anything_is_written() {
        let tensors = [TensorInfo::new("a", DType::F32, [1 << 20, 1 << 10])];
        let what = PytorchLayout::new(&tensors, None).expect_err("4 GiB");
        assert!(what.contains("4 GiB is the limit"), "{what}");
    }

    #[test]
    fn storages_start_at_multiples_of_64() {
        let tensors: Vec<_> = (0..12)
            .map(|index| TensorInfo::new(format!("t{index}"), DType::U8, [index * 7]))
            .collect();
        let layout = PytorchLayout::new(&tensors, Some("model")).expect("it fits");
        for entry in &layout.storages {
            let data = entry.offset as usize + LOCAL_HEADER + entry.name.len() + usize::from(entry.extra);
            assert_eq!(data % ALIGNMENT, 0, "{}", entry.name);
        }
    }
}
