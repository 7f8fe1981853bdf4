//! Building an index, and bringing it up to date.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::base::Base;
use crate::entry::encode_entry;
use crate::error::shortened;
use crate::frame::encode_frame;
use crate::journal::{Held, Journal};
use crate::layout::Layout;
use crate::preamble::{Magic, PREAMBLE_BYTES, Preamble};
use crate::{Entry, Header, IndexError, IndexFile, Record};

/// What is written at once.
const BUFFER_BYTES: usize = 1 << 20;

/// Builds an index or brings one up to date, and can be killed at any time.
///
/// What is appended goes into a journal beside the index, `PATH.partial`, batch by batch: a process that dies loses the
/// batch that it was writing, and the next one with the same header goes on from there. The index itself changes in one
/// step, at the end. What it held already is taken over, so that only pictures and texts which are new or changed have
/// to be computed; [`Self::holds`] tells. While it is written, old index, journal and new index need room together.
///
/// An example is in the [crate's docs](crate#example).
#[derive(Debug)]
pub struct IndexWriter {
    path: PathBuf,
    header: Header,
    journal: Journal,
    base: Option<Base>,
}

/// Where an entry's vector is.
#[derive(Clone, Copy)]
enum Source {
    Journal(Held),
    Base(usize),
}

impl IndexWriter {
    /// Starts an index, or goes on with it.
    ///
    /// An index with another header is of no use; it is replaced by [`Self::finish`].
    ///
    /// # Errors
    ///
    /// [`IndexError::OtherJournal`] if a build with another header left work behind; a header that no index can have; [`IndexError::Busy`] while another writer is at work; what the operating system
    /// refuses. A file at either path that is something else, of another version, or (the index) damaged is an error
    /// too, and stays as it is.
    pub fn open(path: impl AsRef<Path>, header: &Header) -> Result<Self, IndexError> {
        Self::start(path.as_ref(), header, false)
    }

    /// [`Self::open`] for whoever means to replace what is there: the work that a build with another header left behind is
    /// dropped at once, and an index that is damaged anywhere is replaced by [`Self::finish`]. All of the index is read to
    /// know that.
    ///
    /// # Errors
    ///
    /// As [`Self::open`], but for those two.
    pub fn replace(path: impl AsRef<Path>, header: &Header) -> Result<Self, IndexError> {
        Self::start(path.as_ref(), header, true)
    }

    fn start(path: &Path, header: &Header, replace: bool) -> Result<Self, IndexError> {
        header.check(path)?;
        // The lock comes first: the index may be another writer's work of this moment. And the journal loses nothing
        // before the index is known to be one.
        let lock = Journal::lock(path)?;
        let base = match Base::open(path, header) {
            Err(error) if replace && error.is_damage() => None,
            base => base?.filter(|base| !replace || base.is_whole()),
        };
        let journal = Journal::open(lock, header, replace)?;
        Ok(Self {
            path: path.to_owned(),
            header: header.clone(),
            journal,
            base,
        })
    }

    /// Whether an entry's vector is at hand: its name, length and time are those of an entry in the journal or in the
    /// old index.
    pub fn holds(&self, entry: &Entry) -> bool {
        self.source(entry).is_some()
    }

    /// Appends a batch, and returns when it is on the disk. Of two records with one name, the later stays.
    ///
    /// # Errors
    ///
    /// A vector or states of another size than the header announces, or with a value that is not finite; a name that is
    /// too long; what the operating system refuses. Then nothing of the batch is kept.
    pub fn append(&mut self, records: &[Record]) -> Result<(), IndexError> {
        if records.is_empty() {
            return Ok(());
        }
        let frame = encode_frame(&self.path, &self.header, records)?;
        self.journal.append(&self.header, &frame)
    }

    /// Writes the index with exactly these entries in this order, puts it in the place of the old one and removes the
    /// journal. If nothing changed, the old index stays as it is.
    ///
    /// # Errors
    ///
    /// [`IndexError::Missing`] for entries that [`Self::holds`] denies; old states that are damaged; what the operating
    /// system refuses. Then the old index and the journal are as they were, and a new writer goes on from there.
    pub fn finish(mut self, entries: &[Entry]) -> Result<IndexFile, IndexError> {
        let sources = self.sources(entries)?;
        if let Some(base) = self.base.take_if(|base| is_unchanged(base, entries, &sources)) {
            self.journal.remove()?;
            return Ok(base.file);
        }
        let file = self.write(entries, &sources)?;
        // Not every system renames over a file that is mapped.
        self.base = None;
        file.persist(&self.path)
            .map_err(|error| IndexError::io(&self.path, "rename the finished file to")(error.error))?;
        sync_folder(folder(&self.path));
        // While the journal is there, no other writer puts its index in this one's place.
        let finished = IndexFile::open(&self.path)?;
        self.journal.remove()?;
        Ok(finished)
    }

    fn source(&self, entry: &Entry) -> Option<Source> {
        let journal = || self.journal.find(entry).map(Source::Journal);
        let base = || self.base.as_ref()?.find(entry).map(Source::Base);
        journal().or_else(base)
    }

    fn sources(&self, entries: &[Entry]) -> Result<Vec<Source>, IndexError> {
        let sources: Vec<Source> = entries.iter().map_while(|entry| self.source(entry)).collect();
        if let Some(first) = entries.get(sources.len()) {
            let rest = &entries[sources.len()..];
            return Err(IndexError::Missing {
                path: self.path.clone(),
                count: rest.iter().filter(|entry| !self.holds(entry)).count(),
                name: shortened(&first.name),
            });
        }
        Ok(sources)
    }

    /// The finished file, on the disk and without its name.
    fn write(&self, entries: &[Entry], sources: &[Source]) -> Result<NamedTempFile, IndexError> {
        let mut preamble = Preamble {
            header: Header {
                folder: String::new(),
                ..self.header.clone()
            },
            folder_bytes: self.header.folder.len(),
            count: entries.len() as u64,
            entries_bytes: 0,
            entries_crc: 0,
            vectors_crc: 0,
        };
        let mut named = self.header.folder.clone().into_bytes();
        for (entry, source) in entries.iter().zip(sources) {
            encode_entry(entry, self.states_crc(*source), &mut named);
        }
        preamble.entries_bytes = (named.len() - preamble.folder_bytes) as u64;
        preamble.entries_crc = crc32fast::hash(&named);
        let layout = Layout::new(&preamble).ok_or_else(|| IndexError::Header {
            path: self.path.clone(),
            name: "entries",
            expected: "fewer than a file can hold".to_owned(),
            got: entries.len().to_string(),
        })?;

        let journal = self.journal.map()?;
        let mut file = create(&self.path)?;
        let io = |source| IndexError::io(&self.path, "write")(source);
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, file.as_file_mut());
        // What goes there is known when the vectors are.
        write_zeros(&mut out, PREAMBLE_BYTES as u64).map_err(io)?;
        out.write_all(&named).map_err(io)?;
        write_zeros(&mut out, layout.vectors.start - layout.entries.end).map_err(io)?;
        let mut vectors_crc = crc32fast::Hasher::new();
        for &source in sources {
            let vector = match source {
                Source::Journal(held) => journal.vector_bytes(held, &self.header)?,
                Source::Base(index) => self.base_file().vector_bytes(index),
            };
            vectors_crc.update(vector);
            out.write_all(vector).map_err(io)?;
        }
        preamble.vectors_crc = vectors_crc.finalize();
        write_zeros(&mut out, layout.states.start - layout.vectors.end).map_err(io)?;
        for (entry, &source) in entries.iter().zip(sources) {
            let states = match source {
                Source::Journal(held) => journal.checked_state_bytes(held, &self.header, entry)?,
                Source::Base(index) => self.base_file().checked_state_bytes(index)?,
            };
            out.write_all(states).map_err(io)?;
        }
        out.seek(SeekFrom::Start(0)).map_err(io)?;
        out.write_all(&preamble.encode(Magic::Index)).map_err(io)?;
        out.flush().map_err(io)?;
        drop(out);
        file.as_file().sync_all().map_err(io)?;
        Ok(file)
    }

    fn states_crc(&self, source: Source) -> u32 {
        match source {
            Source::Journal(held) => held.states_crc,
            Source::Base(index) => self.base_file().states_crc(index),
        }
    }

    fn base_file(&self) -> &IndexFile {
        &self
            .base
            .as_ref()
            .expect("a source names the base that it is in")
            .file
    }
}

/// Whether the new index would be the old one.
fn is_unchanged(base: &Base, entries: &[Entry], sources: &[Source]) -> bool {
    base.file.entries() == entries && sources.iter().all(|source| matches!(source, Source::Base(_)))
}

/// The folder of a file.
fn folder(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// A file in the same folder, which goes if it is not given a name.
fn create(path: &Path) -> Result<NamedTempFile, IndexError> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        // As any new file, not private as temporary ones are; the process's umask still applies.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder
        .prefix(".writing-")
        .tempfile_in(folder(path))
        .map_err(IndexError::io(path, "create"))
}

/// Brings a new name to the disk before the journal goes. Where a folder cannot be synced, the order of the two is the
/// file system's affair.
fn sync_folder(folder: &Path) {
    if cfg!(unix) {
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
}

fn write_zeros(out: &mut impl Write, count: u64) -> io::Result<()> {
    io::copy(&mut io::Read::take(io::repeat(0), count), out).map(drop)
}
