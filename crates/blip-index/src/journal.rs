//! What a writer was given so far, on disk.
//!
//! ```text
//! preamble │ folder │ frame │ frame │ … │ what a killed process left of a frame
//! ```

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use memmap2::Mmap;

use crate::error::{check_crc, shortened};
use crate::frame::{Placed, decode_frame};
use crate::lock::LockedFile;
use crate::map::map;
use crate::preamble::{Magic, PREAMBLE_BYTES, Preamble};
use crate::{Entry, Header, IndexError};

/// What the journal's name has behind the index's.
const SUFFIX: &str = ".partial";

/// A record in the journal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    length: u64,
    modified: i64,
    pub(crate) states_crc: u32,
    /// The vector's place in the file; its states follow.
    vector: usize,
}

/// The journal beside an index.
#[derive(Debug)]
pub(crate) struct Journal {
    file: LockedFile,
    /// Where the next frame goes, and all before it is whole.
    end: usize,
    records: HashMap<String, Held>,
}

impl Journal {
    /// Takes the journal's file beside an index, and leaves it as it is.
    pub(crate) fn lock(index: &Path) -> Result<LockedFile, IndexError> {
        let mut path = OsString::from(index);
        path.push(SUFFIX);
        LockedFile::open(path.into())
    }

    /// Keeps the whole frames of a journal with the same header. One with another header that has frames is an error, or
    /// starts anew if it is to be replaced.
    pub(crate) fn open(file: LockedFile, header: &Header, replace: bool) -> Result<Self, IndexError> {
        let kept = {
            let bytes = map(&file.path, &file.file)?;
            scan(&file.path, &bytes, header, replace)?
        };
        let (end, records) = kept.unwrap_or_default();
        let mut journal = Self { file, end, records };
        journal.file.disposable = journal.records.is_empty();
        journal.truncate()?;
        if journal.end == 0 {
            journal.write(&start(header))?;
        }
        Ok(journal)
    }

    /// Appends a frame, and returns when it is on the disk.
    pub(crate) fn append(&mut self, header: &Header, frame: &[u8]) -> Result<(), IndexError> {
        let (_, placed) = decode_frame(header, frame).expect("it was just encoded");
        let at = self.end;
        if let Err(error) = self.write(frame) {
            // A full disk: what was written of it would be dropped at the next start anyway.
            let _ = self.truncate();
            return Err(error);
        }
        self.file.disposable = false;
        keep(&mut self.records, at, placed);
        Ok(())
    }

    /// The record of an entry that did not change since.
    pub(crate) fn find(&self, entry: &Entry) -> Option<Held> {
        let held = self.records.get(&entry.name)?;
        (held.length == entry.length && held.modified == entry.modified).then_some(*held)
    }

    /// All of the file, to read records from.
    pub(crate) fn map(&self) -> Result<JournalMap<'_>, IndexError> {
        Ok(JournalMap {
            path: &self.file.path,
            map: map(&self.file.path, &self.file.file)?,
        })
    }

    pub(crate) fn remove(self) -> Result<(), IndexError> {
        self.file.remove()
    }

    fn truncate(&mut self) -> Result<(), IndexError> {
        let cut = self.file.file.set_len(self.end as u64);
        cut.map_err(IndexError::io(&self.file.path, "truncate"))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), IndexError> {
        let file = &mut self.file.file;
        file.seek(SeekFrom::Start(self.end as u64))
            .and_then(|_| file.write_all(bytes))
            .and_then(|()| file.sync_data())
            .map_err(IndexError::io(&self.file.path, "write"))?;
        self.end += bytes.len();
        Ok(())
    }
}

/// The bytes of a journal.
pub(crate) struct JournalMap<'a> {
    path: &'a Path,
    map: Mmap,
}

impl JournalMap<'_> {
    /// A record's vector as it is stored.
    pub(crate) fn vector_bytes(&self, held: Held, header: &Header) -> Result<&[u8], IndexError> {
        self.bytes(held.vector, header.vector_bytes())
    }

    /// A record's states as they are stored. Empty if there are none.
    pub(crate) fn checked_state_bytes(
        &self,
        held: Held,
        header: &Header,
        entry: &Entry,
    ) -> Result<&[u8], IndexError> {
        let stored = self.bytes(held.vector + header.vector_bytes(), header.state_bytes())?;
        let what = || format!("the states of {:?}", shortened(&entry.name));
        check_crc(self.path, what, held.states_crc, stored)?;
        Ok(stored)
    }

    fn bytes(&self, at: usize, length: usize) -> Result<&[u8], IndexError> {
        let rest = self.map.get(at..).and_then(|rest| rest.get(..length));
        rest.ok_or_else(|| {
            let found = format!("{} bytes", self.map.len());
            IndexError::damaged(self.path, "the records that were written", found)
        })
    }
}

/// The start of a journal, before its frames.
fn start(header: &Header) -> Vec<u8> {
    let folder = header.folder.as_bytes();
    let preamble = Preamble {
        header: Header {
            folder: String::new(),
            ..header.clone()
        },
        folder_bytes: folder.len(),
        count: 0,
        entries_bytes: 0,
        entries_crc: crc32fast::hash(folder),
        vectors_crc: 0,
    };
    let mut bytes = preamble.encode(Magic::Journal);
    bytes.extend(folder);
    bytes
}

/// The end of the last whole frame, and all records up to it.
type Kept = (usize, HashMap<String, Held>);

/// What can be kept of a file; `None` if it is to be started anew, an error if it is not ours to change.
fn scan(path: &Path, bytes: &[u8], header: &Header, replace: bool) -> Result<Option<Kept>, IndexError> {
    if Magic::Journal.bytes().starts_with(bytes) {
        // Not even the magic was written.
        return Ok(None);
    }
    let preamble = match Preamble::decode(path, bytes, Magic::Journal) {
        Ok(preamble) => preamble,
        Err(error @ (IndexError::Foreign { .. } | IndexError::Version { .. })) => return Err(error),
        // Ours, but cut or damaged before the first frame.
        Err(_) => return Ok(None),
    };
    // One header has one start.
    let start = start(header);
    if !bytes.starts_with(&start) {
        let rest = &bytes[PREAMBLE_BYTES..];
        let folder = rest.get(..preamble.folder_bytes).map(crc32fast::hash);
        // Another header, unless the folder's name is cut or damaged; and frames behind it.
        let other = folder == Some(preamble.entries_crc) && rest.len() > preamble.folder_bytes;
        if other && !replace {
            return Err(IndexError::OtherJournal {
                path: path.to_owned(),
            });
        }
        return Ok(None);
    }
    let mut end = start.len();
    let mut records = HashMap::new();
    while let Some((length, placed)) = decode_frame(header, &bytes[end..]) {
        keep(&mut records, end, placed);
        end += length;
    }
    Ok(Some((end, records)))
}

/// Of two records with one name, the later stays.
fn keep(records: &mut HashMap<String, Held>, frame: usize, placed: Vec<Placed>) {
    for placed in placed {
        let held = Held {
            length: placed.entry.length,
            modified: placed.entry.modified,
            states_crc: placed.states_crc,
            vector: frame + placed.vector,
        };
        records.insert(placed.entry.name, held);
    }
}
