//! The files of a tar archive, one after the other.
//!
//! ```text
//! header [512] │ data, to a multiple of 512 │ header │ data │ … │ 1024 zeros
//! ```
//!
//! Headers are the `tar` crate's. Walking is done here, since an archive that nobody vouches for must neither choose how
//! much memory a name takes nor hide that it is cut.
//!
//! Source: POSIX.1-2017 `pax`, "ustar Interchange Format" and "pax Interchange Format"; GNU tar's long names.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use tar::{EntryType, Header, PaxExtensions};

use crate::{DataError, Place, Position};

const BLOCK: u64 = 512;

/// The most bytes of a long name or of a pax header.
const MAX_EXTENSION: u64 = 1 << 20;

/// A file of an archive, whose data comes next.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) name: String,
    /// Where its data begins.
    pub(crate) offset: u64,
    /// Bytes of its data.
    pub(crate) size: u64,
}

/// Reads an archive from front to back.
#[derive(Debug)]
pub(crate) struct Walk<R> {
    reader: R,
    path: PathBuf,
    position: u64,
    /// Moves on by a number of bytes without reading them; tells how many there were.
    pass: fn(&mut R, u64) -> io::Result<u64>,
    /// Bytes of the archive, if known.
    length: Option<u64>,
}

impl Walk<BufReader<File>> {
    /// A shard whose data is passed over.
    pub(crate) fn open(path: &Path) -> Result<Self, DataError> {
        let failed = |source| DataError::Io {
            path: path.into(),
            source,
        };
        let file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        Ok(Self {
            reader: BufReader::new(file),
            path: path.into(),
            position: 0,
            pass: |reader, count| {
                // Never beyond the length, which fits.
                reader.seek_relative(count as i64)?;
                Ok(count)
            },
            length: Some(length),
        })
    }
}

impl<R: Read> Walk<R> {
    /// A shard that can only be read, and what to call it.
    pub(crate) fn stream(reader: R, path: &Path) -> Self {
        Self {
            reader,
            path: path.into(),
            position: 0,
            pass: |reader, count| io::copy(&mut reader.take(count), &mut io::sink()),
            length: None,
        }
    }

    pub(crate) fn member(&self, name: &str) -> Place {
        Place {
            file: self.path.clone(),
            position: Position::Member(name.into()),
        }
    }

    fn io(&self, source: io::Error) -> DataError {
        DataError::Io {
            path: self.path.clone(),
            source,
        }
    }

    fn archive(&self, offset: u64, expected: &'static str, got: impl Into<String>) -> DataError {
        DataError::Archive {
            place: Place {
                file: self.path.clone(),
                position: Position::Byte(offset),
            },
            expected,
            got: got.into(),
        }
    }

    /// The next file, whose data must then be [read](Self::read) or [skipped](Self::skip). None at the end mark.
    pub(crate) fn next(&mut self) -> Result<Option<Head>, DataError> {
        // What long names and pax headers say of the file after them.
        let (mut name, mut size) = (None, None);
        loop {
            let start = self.position;
            let mut header = Header::new_old();
            let got = self.fill(header.as_mut_bytes())?;
            match got {
                BLOCK => {}
                0 => return Err(self.archive(start, "an end mark", "the end of the file")),
                _ => return Err(self.archive(start, "a tar header of 512 bytes", format!("{got} bytes"))),
            }
            if header.as_bytes().iter().all(|byte| *byte == 0) {
                return Ok(None);
            }
            let bytes = header.as_bytes();
            let malformed = |walk: &Self| {
                let got = format!("bytes that begin with {:02x?}", &bytes[..8]);
                walk.archive(start, "a tar header (compressed shards are not read)", got)
            };
            // The sum is of all bytes, those of the sum itself taken as spaces.
            let sum = bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>()
                - bytes[148..156].iter().map(|byte| u32::from(*byte)).sum::<u32>()
                + 8 * 32;
            if header.cksum().ok() != Some(sum) {
                return Err(malformed(self));
            }
            let stated = header.entry_size().map_err(|_| malformed(self))?;
            let head = |size| Head {
                name: format!("the header at byte {start}"),
                offset: start + BLOCK,
                size,
            };
            match header.entry_type() {
                EntryType::GNULongName => {
                    let bytes = self.extension(&head(stated))?;
                    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
                    name = Some(String::from_utf8_lossy(&bytes[..end]).into_owned());
                }
                EntryType::XHeader => {
                    let bytes = self.extension(&head(stated))?;
                    for extension in PaxExtensions::new(&bytes) {
                        let extension = extension.map_err(|_| malformed(self))?;
                        match extension.key_bytes() {
                            b"path" => {
                                name = Some(String::from_utf8_lossy(extension.value_bytes()).into_owned());
                            }
                            b"size" => {
                                let number = extension.value().ok().and_then(|value| value.parse().ok());
                                size = Some(number.ok_or_else(|| malformed(self))?);
                            }
                            _ => {}
                        }
                    }
                }
                EntryType::XGlobalHeader | EntryType::GNULongLink => self.skip(&head(stated))?,
                EntryType::GNUSparse => {
                    return Err(self.archive(start, "a plain file", "a sparse one, which is not read"));
                }
                EntryType::Regular | EntryType::Continuous => {
                    return Ok(Some(Head {
                        name: name
                            .unwrap_or_else(|| String::from_utf8_lossy(&header.path_bytes()).into_owned()),
                        ..head(size.unwrap_or(stated))
                    }));
                }
                // A folder, a link or a device.
                _ => {
                    self.skip(&head(size.unwrap_or(stated)))?;
                    (name, size) = (None, None);
                }
            }
        }
    }

    /// The data of a long name or of a pax header.
    fn extension(&mut self, head: &Head) -> Result<Vec<u8>, DataError> {
        if head.size > MAX_EXTENSION {
            let got = format!("{} bytes", head.size);
            return Err(self.archive(head.offset, "a name of at most 1 MiB", got));
        }
        self.read(head)
    }

    /// A file's data.
    pub(crate) fn read(&mut self, head: &Head) -> Result<Vec<u8>, DataError> {
        let mut bytes = Vec::new();
        let read = (&mut self.reader).take(head.size).read_to_end(&mut bytes);
        let got = read.map_err(|error| self.io(error))? as u64;
        self.position += got;
        self.end(head, got)?;
        Ok(bytes)
    }

    /// Leaves a file's data out.
    pub(crate) fn skip(&mut self, head: &Head) -> Result<(), DataError> {
        let got = self.pass(head.size)?;
        self.end(head, got)
    }

    /// Checks that a file's data was complete, and moves to the next header.
    fn end(&mut self, head: &Head, got: u64) -> Result<(), DataError> {
        if got < head.size {
            return Err(DataError::Cut {
                place: self.member(&head.name),
                expected: head.size,
                got,
            });
        }
        self.pass(head.size.next_multiple_of(BLOCK) - head.size)?;
        Ok(())
    }

    fn pass(&mut self, count: u64) -> Result<u64, DataError> {
        let left = self
            .length
            .map_or(u64::MAX, |length| length.saturating_sub(self.position));
        let passed = (self.pass)(&mut self.reader, count.min(left)).map_err(|error| self.io(error))?;
        self.position += passed;
        Ok(passed)
    }

    /// Reads until a buffer is full or the archive ends; tells how many bytes there were.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<u64, DataError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.reader.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.io(error)),
            }
        }
        self.position += filled as u64;
        Ok(filled as u64)
    }
}
