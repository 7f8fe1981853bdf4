//! The one error of this crate.

use std::io;
use std::path::{Path, PathBuf};

/// What can go wrong with an index. `Io` and `Busy` are the machine's fault; `OtherModel`, `Header`, `NameTooLong`,
/// `Length`, `NotFinite`, `Missing` and `NoEntry` the caller's; everything else is the file's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The operating system refused.
    #[error("{}: cannot {action}", path.display())]
    Io {
        /// What was touched.
        path: PathBuf,
        /// What was tried: `open`, `map`, `write`.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },

    /// Another writer is at work on the same index.
    #[error("{}: expected no other writer at work on this index, got one that holds the journal", path.display())]
    Busy {
        /// The journal.
        path: PathBuf,
    },

    /// A build that did not end left its work for another header: another gallery, another model, other states. It is left
    /// as it is.
    #[error(
        "{}: expected no journal, or one of this index, got one with the work of another build; finish that one, replace \
         it, or choose another file",
        path.display()
    )]
    OtherJournal {
        /// The journal.
        path: PathBuf,
    },

    /// The file is something else. It is left as it is.
    #[error("{}: expected {expected}, got {found}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
        /// What it is, as far as can be said.
        found: String,
    },

    /// The file is of a version that this program does not know.
    #[error("{}: expected version {supported} of the format, got version {found}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The version that can be read.
        supported: u32,
    },

    /// The file was cut, or grew.
    #[error("{}: expected {expected} bytes, got {got}", path.display())]
    FileLength {
        /// The file.
        path: PathBuf,
        /// Bytes that the header announces.
        expected: u64,
        /// Bytes that there are.
        got: u64,
    },

    /// Bytes are not those that were written.
    #[error("{}: expected {what} with the checksum {expected:08x}, got {got:08x}", path.display())]
    Checksum {
        /// The file.
        path: PathBuf,
        /// The part that is damaged: `the header`, `the vectors`, `the states of "dog.jpg"`.
        what: String,
        /// The checksum that was stored.
        expected: u32,
        /// That of the bytes as they are.
        got: u32,
    },

    /// Parts of the file contradict each other.
    #[error("{}: expected {expected}, got {found}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What should be there.
        expected: &'static str,
        /// What is.
        found: String,
    },

    /// The index was made with another model: its vectors mean nothing to this one.
    #[error(
        "{}: the index was made with another model: expected the fingerprint {}, got {}",
        path.display(), hex(expected), hex(got)
    )]
    OtherModel {
        /// The file.
        path: PathBuf,
        /// The model's fingerprint.
        expected: [u8; 32],
        /// The fingerprint in the file.
        got: [u8; 32],
    },

    /// A header that no index can have.
    #[error("{}: {name}: expected {expected}, got {got}", path.display())]
    Header {
        /// The index.
        path: PathBuf,
        /// The field: `embed_dim`.
        name: &'static str,
        /// What it may be.
        expected: String,
        /// What it is.
        got: String,
    },

    /// A name that is longer than names may be.
    #[error("{}: {name:?}: expected a name of at most {limit} bytes, got {length}", path.display())]
    NameTooLong {
        /// The index.
        path: PathBuf,
        /// The start of the name.
        name: String,
        /// Its bytes.
        length: usize,
        /// The most that there may be, [`MAX_NAME_BYTES`](crate::MAX_NAME_BYTES).
        limit: usize,
    },

    /// A vector or states of another size than the header announces.
    #[error("{}: {what} of {name:?}: expected {expected} values, got {got}", path.display())]
    Length {
        /// The index.
        path: PathBuf,
        /// `the vector` or `the states`.
        what: &'static str,
        /// The entry, or the start of its name.
        name: String,
        /// Values announced; 0 for states that the index does not keep.
        expected: usize,
        /// Values that came; 0 for states that were not given.
        got: usize,
    },

    /// A value that is infinite or not a number, or too large for the type in which it is stored.
    #[error("{}: {what} of {name:?}: expected finite values", path.display())]
    NotFinite {
        /// The index.
        path: PathBuf,
        /// `the vector` or `the states`.
        what: &'static str,
        /// The entry, or the start of its name.
        name: String,
    },

    /// Entries were asked for, of which neither the journal nor the old index has a vector.
    #[error("{}: expected a vector for every entry, got none for {count}, the first is {name:?}", path.display())]
    Missing {
        /// The index.
        path: PathBuf,
        /// How many.
        count: usize,
        /// The first, or the start of its name.
        name: String,
    },

    /// An entry that the index does not have.
    #[error("{}: expected an entry below {count}, got {index}", path.display())]
    NoEntry {
        /// The index.
        path: PathBuf,
        /// The place that was asked for, from 0.
        index: usize,
        /// How many there are.
        count: usize,
    },
}

impl IndexError {
    /// Whether an index of ours is damaged.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::FileLength { .. } | Self::Checksum { .. } | Self::Damaged { .. }
        )
    }

    /// An [`IndexError::Io`] that remembers what was done to which file.
    pub(crate) fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, action, source }
    }

    pub(crate) fn damaged(path: &Path, expected: &'static str, found: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            expected,
            found: found.into(),
        }
    }
}

/// That bytes have the checksum that was stored for them.
pub(crate) fn check_crc(
    path: &Path,
    what: impl FnOnce() -> String,
    expected: u32,
    bytes: &[u8],
) -> Result<(), IndexError> {
    let got = crc32fast::hash(bytes);
    if got == expected {
        return Ok(());
    }
    Err(IndexError::Checksum {
        path: path.to_owned(),
        what: what(),
        expected,
        got,
    })
}

/// As much of a name as a message has room for.
pub(crate) fn shortened(name: &str) -> String {
    const ROOM: usize = 80;
    match name.char_indices().nth(ROOM) {
        None => name.to_owned(),
        Some((end, _)) => format!("{}…", &name[..end]),
    }
}

/// The first eight bytes, which tell two models apart as well as all of them.
fn hex(fingerprint: &[u8; 32]) -> String {
    let start: String = fingerprint[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{start}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_model_is_told_from_this_one() {
        let error = IndexError::OtherModel {
            path: "gallery.index".into(),
            expected: [0xab; 32],
            got: [1; 32],
        };
        assert_eq!(
            error.to_string(),
            "gallery.index: the index was made with another model: \
             expected the fingerprint abababababababab…, got 0101010101010101…"
        );
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        assert_eq!(shortened("dog.jpg"), "dog.jpg");
        assert_eq!(shortened(&"é".repeat(90)), format!("{}…", "é".repeat(80)));
    }
}
