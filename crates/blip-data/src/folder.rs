//! The pictures of a folder and of those in it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{DataError, ReadLimits, Skipped};

/// What a picture's name may end with, in any case.
const PICTURES: [&str; 8] = ["bmp", "gif", "jpeg", "jpg", "png", "tif", "tiff", "webp"];

/// Whether an ending, in lower case, is a picture's.
pub(crate) fn is_picture(ending: &str) -> bool {
    PICTURES.contains(&ending)
}

pub(crate) struct Picture {
    pub(crate) path: PathBuf,
    /// The path from the folder on, with slashes.
    pub(crate) name: String,
}

/// All pictures, in the order of their paths, and what could not be looked into.
pub(crate) fn pictures_below(
    folder: &Path,
    limits: ReadLimits,
) -> Result<(Vec<Picture>, Skipped), DataError> {
    let failed = |path: &Path, source| DataError::Io {
        path: path.into(),
        source,
    };
    let mut pictures = Vec::new();
    let mut skipped = Skipped::default();
    let mut folders = vec![PathBuf::new()];
    while let Some(inner) = folders.pop() {
        let path = folder.join(&inner);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            // The folder itself has to be readable, one in it need not be.
            Err(source) if inner.as_os_str().is_empty() => return Err(failed(folder, source)),
            Err(source) => {
                skipped.push(failed(&path, source));
                continue;
            }
        };
        for entry in entries {
            let entry = match entry.and_then(|entry| Ok((entry.file_type()?, entry.file_name()))) {
                Ok(entry) => entry,
                Err(source) => {
                    skipped.push(failed(&path, source));
                    continue;
                }
            };
            let (kind, name) = entry;
            let inner = inner.join(&name);
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            if kind.is_dir() {
                folders.push(inner);
                continue;
            }
            let ending = inner
                .extension()
                .map(|ending| ending.to_string_lossy().to_lowercase());
            let path = folder.join(&inner);
            // A link counts as what it leads to, unless that is a folder; one that leads nowhere is reported later.
            let leads_to_folder = kind.is_symlink() && path.is_dir();
            if !ending.is_some_and(|ending| is_picture(&ending)) || leads_to_folder {
                continue;
            }
            if pictures.len() >= limits.max_records {
                return Err(DataError::TooManyRecords {
                    path: folder.into(),
                    limit: limits.max_records,
                });
            }
            let parts: Vec<_> = inner.iter().map(|part| part.to_string_lossy()).collect();
            pictures.push(Picture {
                path,
                name: parts.join("/"),
            });
        }
    }
    pictures.sort_by(|left, right| left.path.cmp(&right.path));
    Ok((pictures, skipped))
}
