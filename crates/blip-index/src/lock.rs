//! The journal's file, which one writer has to itself.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::IndexError;
use crate::map::check_file;
use crate::preamble::Magic;

/// A finished writer removes the journal: whoever had opened it by then has to open the next one. That many times.
const ATTEMPTS: usize = 16;

/// An open and locked file, created if there was none.
///
/// The lock is the operating system's: it ends with the process, however that ends.
#[derive(Debug)]
pub(crate) struct LockedFile {
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    /// Whether it has nothing in it that is worth keeping, and goes when this is dropped.
    pub(crate) disposable: bool,
}

impl LockedFile {
    pub(crate) fn open(path: PathBuf) -> Result<Self, IndexError> {
        for _ in 0..ATTEMPTS {
            if path.try_exists().map_err(IndexError::io(&path, "open"))? {
                check_file(&path, Magic::Journal.expected())?;
            }
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .map_err(IndexError::io(&path, "open"))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(IndexError::Busy { path }),
                Err(TryLockError::Error(source)) => return Err(IndexError::io(&path, "lock")(source)),
            }
            if is_at(&file, &path).map_err(IndexError::io(&path, "open"))? {
                let length = file.metadata().map_err(IndexError::io(&path, "open"))?.len();
                return Ok(Self {
                    path,
                    file,
                    disposable: length == 0,
                });
            }
        }
        Err(IndexError::Busy { path })
    }

    /// Removes the file, while it is still locked.
    pub(crate) fn remove(mut self) -> Result<(), IndexError> {
        self.disposable = false;
        fs::remove_file(&self.path).map_err(IndexError::io(&self.path, "remove"))
    }
}

impl Drop for LockedFile {
    fn drop(&mut self) {
        if self.disposable {
            // What stays is a journal without entries, which the next writer takes over.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether an open file still has the name by which it was opened.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let open = file.metadata()?;
    match fs::metadata(path) {
        Ok(named) => Ok((open.dev(), open.ino()) == (named.dev(), named.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Elsewhere an open file cannot lose its name to another.
#[cfg(not(unix))]
fn is_at(_file: &File, _path: &Path) -> io::Result<bool> {
    Ok(true)
}
