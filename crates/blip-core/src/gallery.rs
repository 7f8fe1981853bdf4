//! Galleries: pictures of a folder, or texts, with their vectors in one file.

use std::io;
use std::path::{Path, PathBuf};

use blip_index::{Entry, GalleryKind, IndexFile, StateType};
use blip_traits::HiddenStates;
use burn::tensor::{Device, Tensor, TensorData};

use crate::Error;

/// File name endings that a folder is searched for.
const ENDINGS: [&str; 8] = ["png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff"];

/// Whether a file's name has the ending of a picture's.
pub fn is_picture(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

/// The pictures of a folder in alphabetical order, by the endings of their names, with those of its subfolders if
/// `recursive`.
///
/// A folder that cannot be read is an error in its place, and the rest go on. A link to a folder is not followed: it may
/// lead back up.
pub fn pictures_in(folder: &Path, recursive: bool) -> Vec<Result<PathBuf, (PathBuf, io::Error)>> {
    let mut found = Vec::new();
    search(folder, recursive, &mut found);
    found
}

fn search(folder: &Path, recursive: bool, found: &mut Vec<Result<PathBuf, (PathBuf, io::Error)>>) {
    let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut entries = match entries {
        Ok(entries) => entries,
        Err(error) => return found.push(Err((folder.to_owned(), error))),
    };
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if recursive {
                search(&path, recursive, found);
            }
        } else if is_picture(&path) {
            found.push(Ok(path));
        }
    }
}

/// How a gallery's index is built.
#[derive(Clone, Debug, PartialEq)]
pub struct BuildOptions {
    /// Whether subfolders are searched too.
    pub recursive: bool,
    /// Pictures that are encoded at once. A build that is killed loses at most one batch.
    pub batch_size: usize,
    /// Whether pictures' hidden states are kept for re-ranking, and how. It saves a look at each picture that is ranked
    /// again, and takes 1.8 MB a picture of 384 pixels in f32, half as much in f16. `None` goes on as the index does, and
    /// keeps vectors alone in a new one, whose pictures are read again.
    pub keep_states: Option<StateType>,
    /// Whether an index at the same place is replaced (with what a build left that did not end) if it is of another
    /// gallery or another model, keeps other hidden states, or is damaged; otherwise that is an error. A file that is no
    /// index is never replaced.
    pub replace: bool,
}

impl Default for BuildOptions {
    /// Subfolders too, eight pictures at once, vectors alone, and nothing replaced.
    fn default() -> Self {
        Self {
            recursive: true,
            batch_size: 8,
            keep_states: None,
            replace: false,
        }
    }
}

/// What happens while an index is built.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum BuildEvent<'a> {
    /// The gallery was looked through.
    Found {
        /// Its entries.
        entries: usize,
        /// Those that the index, or an earlier build that did not end, has already.
        unchanged: usize,
    },
    /// Entries were computed and are safe.
    Computed {
        /// How many.
        entries: usize,
    },
    /// A file or folder was left out.
    Skipped {
        /// The file or folder.
        path: &'a Path,
        /// What was wrong with it.
        error: &'a Error,
    },
}

/// What a build did.
#[derive(Debug)]
pub struct BuildReport {
    /// Entries of the index.
    pub entries: usize,
    /// Those that were computed now.
    pub computed: usize,
    /// Files and folders that were left out, and what was wrong with them.
    pub skipped: Vec<(PathBuf, Error)>,
}

/// An opened gallery.
#[derive(Debug)]
pub struct Gallery {
    index: IndexFile,
}

impl Gallery {
    pub(crate) fn new(index: IndexFile) -> Self {
        Self { index }
    }

    /// The index file, for searches with vectors of your own.
    pub fn index(&self) -> &IndexFile {
        &self.index
    }

    /// Whether it is of pictures or of texts.
    pub fn kind(&self) -> GalleryKind {
        self.index.header().kind
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.index.entries().len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An entry's name: the path of a picture in the gallery's folder, or the text.
    pub fn name(&self, entry: usize) -> Option<&str> {
        self.index.entries().get(entry).map(|entry| entry.name.as_str())
    }

    /// A picture's file.
    pub fn path(&self, entry: usize) -> Option<PathBuf> {
        match self.kind() {
            GalleryKind::Pictures => {
                let folder = Path::new(&self.index.header().folder);
                Some(folder.join(self.name(entry)?))
            }
            _ => None,
        }
    }

    /// The hidden states that were kept of a picture, `[1, tokens, hidden_size]`.
    ///
    /// # Errors
    ///
    /// [`Error::Index`] if there is no such entry or its states are damaged.
    pub fn states(&self, entry: usize, device: &Device) -> Result<Option<HiddenStates>, Error> {
        let states = self.index.states(entry)?;
        let shape = self.index.header().states;
        Ok(states.zip(shape).map(|(states, shape)| {
            let data = TensorData::new(states, [1, shape.tokens, shape.hidden_size]);
            HiddenStates::new(Tensor::from_data(data, device))
        }))
    }
}

/// A path as it is named inside a folder, `more/c.webp`; `None` if it is not UTF-8.
pub(crate) fn inside(folder: &Path, path: &Path) -> Option<String> {
    let inside = path.strip_prefix(folder).unwrap_or(path);
    let parts: Option<Vec<&str>> = inside
        .components()
        .map(|part| part.as_os_str().to_str())
        .collect();
    Some(parts?.join("/"))
}

/// A picture of a folder as an entry of its index.
pub(crate) fn entry_of(folder: &Path, path: &Path) -> Result<Entry, Error> {
    let metadata = std::fs::metadata(path).map_err(|source| Error::Io {
        path: path.to_owned(),
        source,
    })?;
    match inside(folder, path) {
        Some(name) => Ok(Entry::picture(name, &metadata)),
        None => Err(Error::Gallery {
            path: path.to_owned(),
            what: "expected a name in UTF-8".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_its_pictures_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, b"").unwrap();
            path
        };
        let (b, a, _, inner) = (
            file("b.PNG"),
            file("a.jpg"),
            file("notes.txt"),
            file("more/c.webp"),
        );
        let found = |recursive| -> Vec<PathBuf> {
            pictures_in(folder.path(), recursive)
                .into_iter()
                .map(Result::unwrap)
                .collect()
        };
        assert_eq!(found(false), [a.clone(), b.clone()]);
        assert_eq!(found(true), [a, b, inner.clone()]);
        assert_eq!(entry_of(folder.path(), &inner).unwrap().name, "more/c.webp");
        let gone = pictures_in(&folder.path().join("gone"), true);
        assert!(gone[0].is_err());
    }
}
