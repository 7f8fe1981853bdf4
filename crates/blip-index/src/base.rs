//! The finished index that an update starts from.

use std::path::Path;

use crate::{Entry, Header, IndexError, IndexFile};

/// An index with its entries in the order of their names.
#[derive(Debug)]
pub(crate) struct Base {
    pub(crate) file: IndexFile,
    by_name: Vec<usize>,
}

impl Base {
    /// The index at a path, if there is one and it was made with the same header.
    ///
    /// A file that is no index, or a damaged one, is an error: it would be overwritten.
    pub(crate) fn open(path: &Path, header: &Header) -> Result<Option<Self>, IndexError> {
        if !path.try_exists().map_err(IndexError::io(path, "open"))? {
            return Ok(None);
        }
        let file = IndexFile::open(path)?;
        if file.header() != header {
            return Ok(None);
        }
        let entries = file.entries();
        let mut by_name: Vec<usize> = (0..entries.len()).collect();
        by_name.sort_by_key(|&index| entries[index].name.as_str());
        Ok(Some(Self { file, by_name }))
    }

    /// Whether the states, which opening does not read, are undamaged.
    pub(crate) fn is_whole(&self) -> bool {
        let count = self.file.entries().len();
        (0..count).all(|index| self.file.checked_state_bytes(index).is_ok())
    }

    /// The place of an entry that did not change.
    pub(crate) fn find(&self, entry: &Entry) -> Option<usize> {
        let entries = self.file.entries();
        let start = self
            .by_name
            .partition_point(|&index| entries[index].name < entry.name);
        self.by_name[start..]
            .iter()
            .copied()
            .take_while(|&index| entries[index].name == entry.name)
            .find(|&index| entries[index] == *entry)
    }
}
