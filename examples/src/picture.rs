//! Pictures named on a command line.

use std::io;
use std::path::{Path, PathBuf};

/// File name endings that a folder is searched for.
const ENDINGS: [&str; 8] = ["png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff"];

/// The files that paths stand for: a file is itself, a folder its pictures in alphabetical order, with those of its
/// subfolders if `recursive`.
///
/// # Errors
///
/// If a folder cannot be read. A file that is not there is an error of whoever opens it.
pub fn pictures(paths: &[PathBuf], recursive: bool) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            search(path, recursive, &mut found)?;
        } else {
            found.push(path.clone());
        }
    }
    Ok(found)
}

fn search(folder: &Path, recursive: bool, found: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut entries = std::fs::read_dir(folder)
        .and_then(Iterator::collect::<io::Result<Vec<_>>>)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", folder.display())))?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        // A link to a folder is not followed: it may lead back up.
        if entry.file_type()?.is_dir() {
            if recursive {
                search(&path, recursive, found)?;
            }
        } else if path
            .extension()
            .is_some_and(|ending| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
        {
            found.push(path);
        }
    }
    Ok(())
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
        assert_eq!(pictures(&paths, false).unwrap(), [a.clone(), b.clone()]);
        assert_eq!(pictures(&paths, true).unwrap(), [a, b, inner]);
        assert_eq!(
            pictures(&["gone.png".into()], false).unwrap(),
            [PathBuf::from("gone.png")]
        );
    }
}
