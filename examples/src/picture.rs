//! Pictures named on a command line.

use std::io;
use std::path::{Path, PathBuf};

/// File name endings that a folder is searched for.
const ENDINGS: [&str; 8] = ["png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff"];

/// Whether a file's name is that of a picture.
pub fn is_picture(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

/// The files that paths stand for: a file is itself, a folder its pictures in alphabetical order, with those of its
/// subfolders if `recursive`.
///
/// A folder that cannot be read is an error in its place, and the rest go on; a file that is not there is an error of
/// whoever opens it.
pub fn pictures(paths: &[PathBuf], recursive: bool) -> Vec<Result<PathBuf, (PathBuf, io::Error)>> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            search(path, recursive, &mut found);
        } else {
            found.push(Ok(path.clone()));
        }
    }
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
        // A link to a folder is not followed: it may lead back up.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if recursive {
                search(&path, recursive, found);
            }
        } else if is_picture(&path) {
            found.push(Ok(path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_give_their_pictures_in_order() {
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
        let paths = [folder.path().to_owned()];
        let found = |recursive| -> Vec<PathBuf> {
            pictures(&paths, recursive)
                .into_iter()
                .map(Result::unwrap)
                .collect()
        };
        assert_eq!(found(false), [a.clone(), b.clone()]);
        assert_eq!(found(true), [a, b, inner]);
        assert_eq!(
            pictures(&["gone.png".into()], false)[0].as_ref().unwrap(),
            &PathBuf::from("gone.png")
        );
    }
}
