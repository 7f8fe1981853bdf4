//! The first 128 bytes of an index, and of a journal.
//!
//! Both say for which model they are, so that one reader decides about both. The picture is in the crate's docs.

use std::path::Path;

use crate::cursor::Cursor;
use crate::error::check_crc;
use crate::{GalleryKind, Header, IndexError, StateShape, StateType};

/// Bytes of the preamble, the folder not included.
pub(crate) const PREAMBLE_BYTES: usize = 128;

/// The version that this crate writes, and the only one that it reads.
const VERSION: u32 = 1;

/// Where the checksum of all that is before it lies.
const CRC_AT: usize = PREAMBLE_BYTES - size_of::<u32>();

/// What of the preamble has no meaning yet.
const RESERVED_BYTES: usize = 20;

/// Which of the two files it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Magic {
    Index,
    Journal,
}

impl Magic {
    /// The bytes at the start. The newline shows what changed the line ends of a binary file.
    pub(crate) fn bytes(self) -> &'static [u8; 8] {
        match self {
            Self::Index => b"BLIPidx\n",
            Self::Journal => b"BLIPjnl\n",
        }
    }

    pub(crate) fn expected(self) -> &'static str {
        match self {
            Self::Index => "an index of vectors",
            Self::Journal => "the journal of an index of vectors",
        }
    }
}

/// The header, without the folder's text, and what a reader needs to find and verify the rest.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Preamble {
    /// Its `folder` is empty: the text lies behind the preamble.
    pub(crate) header: Header,
    pub(crate) folder_bytes: usize,
    /// Entries; 0 in a journal.
    pub(crate) count: u64,
    /// Bytes of the entries; 0 in a journal.
    pub(crate) entries_bytes: u64,
    /// The checksum of the folder and the entries.
    pub(crate) entries_crc: u32,
    /// The checksum of the vectors; 0 in a journal.
    pub(crate) vectors_crc: u32,
}

impl Preamble {
    pub(crate) fn encode(&self, magic: Magic) -> Vec<u8> {
        let header = &self.header;
        let mut bytes = Vec::with_capacity(PREAMBLE_BYTES);
        bytes.extend(magic.bytes());
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(kind_code(header.kind).to_le_bytes());
        bytes.extend((header.embed_dim as u64).to_le_bytes());
        bytes.extend(header.fingerprint);
        let (tokens, hidden_size) = header
            .states
            .map_or((0, 0), |states| (states.tokens, states.hidden_size));
        bytes.extend((tokens as u64).to_le_bytes());
        bytes.extend((hidden_size as u64).to_le_bytes());
        bytes.extend(state_code(header.states).to_le_bytes());
        bytes.extend((self.folder_bytes as u32).to_le_bytes());
        bytes.extend(self.count.to_le_bytes());
        bytes.extend(self.entries_bytes.to_le_bytes());
        bytes.extend(self.entries_crc.to_le_bytes());
        bytes.extend(self.vectors_crc.to_le_bytes());
        bytes.extend([0; RESERVED_BYTES]);
        debug_assert_eq!(bytes.len(), CRC_AT);
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    /// Reads the start of a file that has all of `bytes`.
    pub(crate) fn decode(path: &Path, bytes: &[u8], magic: Magic) -> Result<Self, IndexError> {
        check_magic(path, bytes, magic)?;
        let Some(preamble) = bytes.first_chunk::<PREAMBLE_BYTES>() else {
            return Err(IndexError::FileLength {
                path: path.to_owned(),
                expected: PREAMBLE_BYTES as u64,
                got: bytes.len() as u64,
            });
        };
        let mut cursor = Cursor::new(&preamble[magic.bytes().len()..]);
        // Before the checksum: another version may have it elsewhere.
        let version = cursor.u32().expect(WHOLE);
        if version != VERSION {
            return Err(IndexError::Version {
                path: path.to_owned(),
                found: version,
                supported: VERSION,
            });
        }
        let (checked, crc) = preamble.split_at(CRC_AT);
        let crc = Cursor::new(crc).u32().expect(WHOLE);
        check_crc(path, || "the header".to_owned(), crc, checked)?;

        let kind = cursor.u32().expect(WHOLE);
        let embed_dim = cursor.u64().expect(WHOLE);
        let fingerprint = cursor.array().expect(WHOLE);
        let tokens = cursor.u64().expect(WHOLE);
        let hidden_size = cursor.u64().expect(WHOLE);
        let state_code = cursor.u32().expect(WHOLE);
        let header = Header {
            kind: kind_of(path, kind)?,
            embed_dim: size(path, embed_dim)?,
            fingerprint,
            states: states_of(path, state_code, size(path, tokens)?, size(path, hidden_size)?)?,
            folder: String::new(),
        };
        header.check(path)?;
        let preamble = Self {
            header,
            folder_bytes: cursor.u32().expect(WHOLE) as usize,
            count: cursor.u64().expect(WHOLE),
            entries_bytes: cursor.u64().expect(WHOLE),
            entries_crc: cursor.u32().expect(WHOLE),
            vectors_crc: cursor.u32().expect(WHOLE),
        };
        let reserved = cursor.array::<RESERVED_BYTES>().expect(WHOLE);
        check_zero(path, "zero in the header's unused bytes", &reserved)?;
        Ok(preamble)
    }
}

const WHOLE: &str = "a preamble has all of its fields";

/// That a file starts as one of ours.
fn check_magic(path: &Path, bytes: &[u8], magic: Magic) -> Result<(), IndexError> {
    if bytes.starts_with(magic.bytes()) {
        return Ok(());
    }
    let start = &bytes[..bytes.len().min(magic.bytes().len())];
    Err(IndexError::Foreign {
        path: path.to_owned(),
        expected: magic.expected(),
        found: if bytes.is_empty() {
            "an empty file".to_owned()
        } else {
            format!("a file that starts with \"{}\"", start.escape_ascii())
        },
    })
}

/// That bytes without a meaning have none.
pub(crate) fn check_zero(path: &Path, expected: &'static str, bytes: &[u8]) -> Result<(), IndexError> {
    match bytes.iter().find(|&&byte| byte != 0) {
        None => Ok(()),
        Some(byte) => Err(IndexError::damaged(path, expected, format!("{byte:#04x}"))),
    }
}

fn size(path: &Path, value: u64) -> Result<usize, IndexError> {
    usize::try_from(value)
        .map_err(|_| IndexError::damaged(path, "sizes that this machine can address", value.to_string()))
}

fn kind_code(kind: GalleryKind) -> u32 {
    match kind {
        GalleryKind::Pictures => 0,
        GalleryKind::Texts => 1,
    }
}

fn kind_of(path: &Path, code: u32) -> Result<GalleryKind, IndexError> {
    match code {
        0 => Ok(GalleryKind::Pictures),
        1 => Ok(GalleryKind::Texts),
        _ => Err(IndexError::damaged(path, "the kind 0 or 1", code.to_string())),
    }
}

fn state_code(states: Option<StateShape>) -> u32 {
    match states.map(|states| states.dtype) {
        None => 0,
        Some(StateType::F32) => 1,
        Some(StateType::F16) => 2,
    }
}

fn states_of(
    path: &Path,
    code: u32,
    tokens: usize,
    hidden_size: usize,
) -> Result<Option<StateShape>, IndexError> {
    let dtype = match code {
        0 if (tokens, hidden_size) == (0, 0) => return Ok(None),
        1 => StateType::F32,
        2 => StateType::F16,
        _ => {
            return Err(IndexError::damaged(
                path,
                "states of the type 1 or 2, or 0 and no size",
                format!("the type {code} and the size [{tokens}, {hidden_size}]"),
            ));
        }
    };
    Ok(Some(StateShape {
        tokens,
        hidden_size,
        dtype,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preamble() -> Preamble {
        Preamble {
            header: Header {
                kind: GalleryKind::Texts,
                embed_dim: 256,
                fingerprint: [5; 32],
                states: Some(StateShape {
                    tokens: 577,
                    hidden_size: 768,
                    dtype: StateType::F16,
                }),
                folder: String::new(),
            },
            folder_bytes: 1,
            count: 2,
            entries_bytes: 3,
            entries_crc: 4,
            vectors_crc: 5,
        }
    }

    #[test]
    fn a_preamble_comes_back() {
        let bytes = preamble().encode(Magic::Index);
        assert_eq!(bytes.len(), PREAMBLE_BYTES);
        let path = Path::new("gallery.index");
        assert_eq!(Preamble::decode(path, &bytes, Magic::Index).unwrap(), preamble());
        assert!(matches!(
            Preamble::decode(path, &bytes, Magic::Journal).unwrap_err(),
            IndexError::Foreign { .. }
        ));
    }

    #[test]
    fn fields_without_a_meaning_are_refused_though_their_checksum_is_right() {
        // The field's place, and what is written there.
        for (at, value) in [(12, 2_u32), (16, 0), (72, 0), (72, 3), (104, 1), (120, 1)] {
            let mut bytes = preamble().encode(Magic::Index);
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
            let crc = crc32fast::hash(&bytes[..CRC_AT]);
            bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
            let refused = Preamble::decode(Path::new("gallery.index"), &bytes, Magic::Index);
            assert!(refused.is_err(), "{value} at {at}");
        }
    }
}
