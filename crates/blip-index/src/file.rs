//! An index in a file, searched off the disk.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use blip_traits::{ModelError, Neighbor, VectorIndex};
use memmap2::Mmap;

use crate::cursor::Cursor;
use crate::entry::{ENTRY_BYTES, decode_entry};
use crate::error::{check_crc, shortened};
use crate::layout::Layout;
use crate::map::{check_file, map};
use crate::nearest::search;
use crate::preamble::{Magic, Preamble, check_zero};
use crate::state::decode_f32;
use crate::{Entry, Header, IndexError};

/// A finished index: vectors, what they were made from, and hidden states if it keeps them.
///
/// Names are in memory, vectors and states stay in the mapped file: it opens at the speed at which the vectors can be
/// read once, and many processes share one copy. It has to be left as it is while it is open; an [`IndexWriter`] does
/// that, since it puts a new file in its place.
///
/// [`IndexWriter`]: crate::IndexWriter
#[derive(Debug)]
pub struct IndexFile {
    path: PathBuf,
    header: Header,
    entries: Vec<Entry>,
    /// Of each entry's states; 0 if there are none.
    states_crcs: Vec<u32>,
    map: Mmap,
    vectors: Range<usize>,
    states: Range<usize>,
}

impl IndexFile {
    /// Opens an index, whichever model made it, and verifies all of it but the states.
    ///
    /// # Errors
    ///
    /// What the operating system refuses, a file that is no index or of another version, and any byte that is not as it
    /// was written.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, IndexError> {
        Self::open_checked(path.as_ref(), None)
    }

    /// Opens an index that the model with this fingerprint made.
    ///
    /// # Errors
    ///
    /// As [`Self::open`], and [`IndexError::OtherModel`].
    pub fn open_for(path: impl AsRef<Path>, fingerprint: &[u8; 32]) -> Result<Self, IndexError> {
        Self::open_checked(path.as_ref(), Some(fingerprint))
    }

    fn open_checked(path: &Path, fingerprint: Option<&[u8; 32]>) -> Result<Self, IndexError> {
        check_file(path, Magic::Index.expected())?;
        let file = File::open(path).map_err(IndexError::io(path, "open"))?;
        let map = map(path, &file)?;
        let preamble = Preamble::decode(path, &map, Magic::Index)?;
        if let Some(fingerprint) = fingerprint
            && *fingerprint != preamble.header.fingerprint
        {
            return Err(IndexError::OtherModel {
                path: path.to_owned(),
                expected: *fingerprint,
                got: preamble.header.fingerprint,
            });
        }
        Self::new(path, map, preamble)
    }

    fn new(path: &Path, map: Mmap, preamble: Preamble) -> Result<Self, IndexError> {
        let layout = Layout::new(&preamble);
        let end = layout.as_ref().map_or(u64::MAX, Layout::end);
        let Some(layout) = layout.filter(|_| end == map.len() as u64) else {
            return Err(IndexError::FileLength {
                path: path.to_owned(),
                expected: end,
                got: map.len() as u64,
            });
        };
        // From here on all places are inside the map, so that none is cut.
        let place = |range: Range<u64>| range.start as usize..range.end as usize;
        let (folder, entries) = (place(layout.folder), place(layout.entries));
        let (vectors, states) = (place(layout.vectors), place(layout.states));

        let named = &map[folder.start..entries.end];
        check_crc(path, || "the entries".to_owned(), preamble.entries_crc, named)?;
        let gap = "zero before the vectors";
        check_zero(path, gap, &map[entries.end..vectors.start])?;
        let gap = "zero before the states";
        check_zero(path, gap, &map[vectors.end..states.start])?;
        let stored = &map[vectors.clone()];
        check_crc(path, || "the vectors".to_owned(), preamble.vectors_crc, stored)?;

        let mut header = preamble.header;
        header.folder = str::from_utf8(&map[folder])
            .map_err(|_| IndexError::damaged(path, "a folder in UTF-8", "other bytes"))?
            .to_owned();
        header.check(path)?;
        let (entries, states_crcs) = decode_entries(path, preamble.count, &map[entries])?;
        Ok(Self {
            path: path.to_owned(),
            header,
            entries,
            states_crcs,
            map,
            vectors,
            states,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it holds, and for which model.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What the vectors were made from, in their order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// An entry's vector, `[embed_dim]`.
    ///
    /// # Errors
    ///
    /// [`IndexError::NoEntry`].
    pub fn vector(&self, index: usize) -> Result<Vec<f32>, IndexError> {
        self.check_index(index)?;
        Ok(decode_f32(self.vector_bytes(index)))
    }

    /// An entry's hidden states, `[tokens, hidden_size]`; `None` if the index keeps none.
    ///
    /// # Errors
    ///
    /// [`IndexError::NoEntry`], and [`IndexError::Checksum`] if they are not as they were written.
    pub fn states(&self, index: usize) -> Result<Option<Vec<f32>>, IndexError> {
        self.check_index(index)?;
        let Some(shape) = self.header.states else {
            return Ok(None);
        };
        let bytes = self.checked_state_bytes(index)?;
        Ok(Some(shape.decode(bytes)))
    }

    fn check_index(&self, index: usize) -> Result<(), IndexError> {
        if index < self.entries.len() {
            return Ok(());
        }
        Err(IndexError::NoEntry {
            path: self.path.clone(),
            index,
            count: self.entries.len(),
        })
    }

    /// A vector as it is stored, of an entry that there is.
    pub(crate) fn vector_bytes(&self, index: usize) -> &[u8] {
        let bytes = self.header.vector_bytes();
        &self.map[self.vectors.clone()][index * bytes..][..bytes]
    }

    /// States as they are stored, of an entry that there is. Empty if there are none.
    pub(crate) fn checked_state_bytes(&self, index: usize) -> Result<&[u8], IndexError> {
        let bytes = self.header.state_bytes();
        let stored = &self.map[self.states.clone()][index * bytes..][..bytes];
        let what = || format!("the states of {:?}", shortened(&self.entries[index].name));
        check_crc(&self.path, what, self.states_crcs[index], stored)?;
        Ok(stored)
    }

    /// The checksum of an entry's states, without reading them.
    pub(crate) fn states_crc(&self, index: usize) -> u32 {
        self.states_crcs[index]
    }
}

impl VectorIndex for IndexFile {
    fn search(&self, query: &[f32], top_k: usize) -> Result<Vec<Neighbor>, ModelError> {
        let (vectors, _) = self.map[self.vectors.clone()].as_chunks::<4>();
        search(vectors, self.header.embed_dim, query, top_k)
    }

    fn len(&self) -> usize {
        self.entries.len()
    }

    fn embed_dim(&self) -> usize {
        self.header.embed_dim
    }
}

/// All entries with the checksums of their states.
fn decode_entries(path: &Path, count: u64, bytes: &[u8]) -> Result<(Vec<Entry>, Vec<u32>), IndexError> {
    let mut cursor = Cursor::new(bytes);
    let wrong = || {
        let found = format!("{} bytes that are not that", bytes.len());
        IndexError::damaged(path, "a table of entries", found)
    };
    // What is allocated is bounded by the file, whatever it claims.
    if count > (bytes.len() / ENTRY_BYTES) as u64 {
        return Err(wrong());
    }
    let mut entries = Vec::with_capacity(count as usize);
    let mut states_crcs = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let (entry, states_crc) = decode_entry(&mut cursor).ok_or_else(wrong)?;
        entries.push(entry);
        states_crcs.push(states_crc);
    }
    if !cursor.is_empty() {
        return Err(wrong());
    }
    Ok((entries, states_crcs))
}
