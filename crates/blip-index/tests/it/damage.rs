//! Real files, cut and flipped: every byte counts, nothing panics, and nothing is allocated because a file says so.

use std::fs;
use std::path::Path;

use blip_index::{Entry, IndexError, IndexFile, StateType};

use crate::gallery;

/// A file of every kind, and its bytes.
fn file(folder: &Path, states: Option<StateType>) -> Vec<u8> {
    let path = folder.join("whole.index");
    gallery::build(
        &path,
        &gallery::header(states),
        &gallery::entries(&["a.jpg", "b.jpg", "c/d.jpg"]),
    );
    let bytes = fs::read(&path).unwrap();
    fs::remove_file(path).unwrap();
    bytes
}

/// Opens and reads everything.
fn read_all(path: &Path, bytes: &[u8]) -> Result<(), IndexError> {
    fs::write(path, bytes).unwrap();
    let index = IndexFile::open(path)?;
    for place in 0..index.entries().len() {
        index.vector(place)?;
        index.states(place)?;
    }
    Ok(())
}

const KINDS: [Option<StateType>; 3] = [None, Some(StateType::F32), Some(StateType::F16)];

#[test]
fn a_file_that_was_cut_or_grew_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gallery.index");
    for states in KINDS {
        let mut bytes = file(folder.path(), states);
        read_all(&path, &bytes).unwrap();
        for length in 0..bytes.len() {
            read_all(&path, &bytes[..length]).unwrap_err();
        }
        bytes.push(0);
        let error = read_all(&path, &bytes).unwrap_err();
        assert!(matches!(error, IndexError::FileLength { .. }), "{error}");
    }
}

#[test]
fn every_flipped_byte_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gallery.index");
    for states in KINDS {
        let bytes = file(folder.path(), states);
        for at in 0..bytes.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut bytes = bytes.clone();
                bytes[at] ^= flip;
                let read = read_all(&path, &bytes);
                assert!(
                    read.is_err(),
                    "byte {at} of {}, flipped by {flip:#x}",
                    bytes.len()
                );
            }
        }
    }
}

#[test]
fn damaged_states_are_found_when_they_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gallery.index");
    let mut bytes = file(folder.path(), Some(StateType::F32));
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, &bytes).unwrap();
    let index = IndexFile::open(&path).unwrap();
    assert!(index.states(0).is_ok() && index.states(1).is_ok());
    let message = index.states(2).unwrap_err().to_string();
    assert!(
        message.contains(r#"gallery.index: expected the states of "c/d.jpg" with the checksum "#),
        "{message}"
    );
}

#[test]
fn a_newer_version_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gallery.index");
    let mut bytes = file(folder.path(), None);
    bytes[8] = 2;
    let message = read_all(&path, &bytes).unwrap_err().to_string();
    assert!(
        message.ends_with("gallery.index: expected version 1 of the format, got version 2"),
        "{message}"
    );
}

/// Fields of the header, as the docs have them: where, and how wide.
const FIELDS: [(usize, usize); 10] = [
    (12, 4),
    (16, 8),
    (56, 8),
    (64, 8),
    (72, 4),
    (76, 4),
    (80, 8),
    (88, 8),
    (96, 4),
    (100, 4),
];

#[test]
fn a_header_that_lies_with_a_right_checksum_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gallery.index");
    for states in KINDS {
        let whole = file(folder.path(), states);
        for (at, width) in FIELDS {
            for lie in [0, 2, 5, u64::from(u32::MAX), u64::MAX / 4, u64::MAX / 2, u64::MAX] {
                let mut bytes = whole.clone();
                bytes[at..at + width].copy_from_slice(&lie.to_le_bytes()[..width]);
                if bytes == whole {
                    continue;
                }
                let crc = crc32fast::hash(&bytes[..124]);
                bytes[124..128].copy_from_slice(&crc.to_le_bytes());
                let read = read_all(&path, &bytes);
                assert!(read.is_err(), "{states:?}: {lie} at {at}");
            }
        }
    }
}

#[test]
fn a_table_that_lies_with_a_right_checksum_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gallery.index");
    let header = gallery::header(None);
    let bytes = {
        gallery::build(&path, &header, &[Entry::text("a"), Entry::text("b")]);
        fs::read(&path).unwrap()
    };
    let table = 128 + header.folder.len();
    // The first name's length, and the byte of the first name.
    for (at, lie) in [(table, 0), (table, 30), (table + 3, 0xff), (table + 24, 0xff)] {
        let mut bytes = bytes.clone();
        bytes[at] = lie;
        let entries_crc = crc32fast::hash(&bytes[128..table + 50]);
        bytes[96..100].copy_from_slice(&entries_crc.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..124]);
        bytes[124..128].copy_from_slice(&crc.to_le_bytes());
        let error = read_all(&path, &bytes).unwrap_err();
        assert!(
            matches!(error, IndexError::Damaged { .. }),
            "{lie} at {at}: {error}"
        );
    }
}
