//! Files, as bytes.

use std::fs::{self, File};
use std::path::Path;

use crate::IndexError;

/// That a path is a file: opening a pipe would wait for someone to write into it.
pub(crate) fn check_file(path: &Path, expected: &'static str) -> Result<(), IndexError> {
    let kind = fs::metadata(path)
        .map_err(IndexError::io(path, "open"))?
        .file_type();
    if kind.is_file() {
        return Ok(());
    }
    let found = if kind.is_dir() {
        "a folder"
    } else {
        "no regular file"
    };
    Err(IndexError::Foreign {
        path: path.to_owned(),
        expected,
        found: found.to_owned(),
    })
}

#[allow(unsafe_code)]
pub(crate) fn map(path: &Path, file: &File) -> Result<memmap2::Mmap, IndexError> {
    // SAFETY: the map is only ever read, as bytes, for which every bit pattern is valid. What remains is that
    // another process truncates or rewrites the file meanwhile: then reading ends the process (SIGBUS) or gives
    // other numbers. Every reader of mapped files lives with that, and an index is not written in place: the writer
    // of this crate writes beside it and renames. A journal is mapped by the one writer that holds its lock, and not
    // while that writes.
    unsafe { memmap2::Mmap::map(file) }.map_err(IndexError::io(path, "map"))
}
