//! The layout of a safetensors file that is to be written: see [`crate::safetensors_file`] for the format.

use std::fs::File;
use std::io::Write;

use serde_json::{Map, Value, json};

use crate::TensorInfo;

/// The header is padded with spaces to this many bytes, so that the data starts aligned.
const ALIGNMENT: usize = 8;

#[derive(Debug)]
pub(crate) struct SafetensorsLayout {
    /// Length and JSON.
    header: Vec<u8>,
    /// Where each tensor starts in the file, in the order of announcement.
    offsets: Vec<u64>,
    length: u64,
}

impl SafetensorsLayout {
    /// `tensors` have known sizes.
    pub(crate) fn new(tensors: &[TensorInfo], metadata: &[(&str, &str)]) -> Self {
        let bytes = |info: &TensorInfo| info.bytes().expect("announced tensors have a size");
        // Widest elements first, then by name, as the reference writer does: every tensor is aligned to its type.
        let mut order: Vec<usize> = (0..tensors.len()).collect();
        order.sort_by_key(|&index| {
            (
                std::cmp::Reverse(tensors[index].dtype.size()),
                &tensors[index].name,
            )
        });

        let mut entries = Map::new();
        if !metadata.is_empty() {
            let metadata: Map<String, Value> = metadata
                .iter()
                .map(|&(key, value)| (key.to_owned(), value.into()))
                .collect();
            entries.insert("__metadata__".to_owned(), metadata.into());
        }
        let mut offsets = vec![0; tensors.len()];
        let mut end = 0;
        for index in order {
            let info = &tensors[index];
            let start = end;
            end += bytes(info);
            offsets[index] = start as u64;
            let entry =
                json!({"dtype": info.dtype.name(), "shape": info.shape, "data_offsets": [start, end]});
            entries.insert(info.name.clone(), entry);
        }
        let mut json = Value::Object(entries).to_string().into_bytes();
        json.resize(json.len().next_multiple_of(ALIGNMENT), b' ');
        let mut header = (json.len() as u64).to_le_bytes().to_vec();
        header.extend(json);

        let data = header.len() as u64;
        for offset in &mut offsets {
            *offset += data;
        }
        Self {
            header,
            offsets,
            length: data + end as u64,
        }
    }

    pub(crate) fn write_header(&self, file: &mut File) -> std::io::Result<()> {
        file.write_all(&self.header)?;
        // Claims the room at once: a full disk shows before the work.
        file.set_len(self.length)
    }

    pub(crate) fn offset(&self, index: usize) -> u64 {
        self.offsets[index]
    }
}
