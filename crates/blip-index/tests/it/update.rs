//! An index that follows its gallery.

use std::{fs, slice};

use blip_index::{Header, IndexError, IndexFile, IndexWriter, StateType};

use crate::gallery;

#[test]
fn only_what_is_new_or_changed_is_computed() {
    for states in [None, Some(StateType::F32), Some(StateType::F16)] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gallery.index");
        let header = gallery::header(states);
        gallery::build(&path, &header, &gallery::entries(&["a.jpg", "b.jpg", "c.jpg"]));

        // "b" goes, "c" changes, "d" comes, and the order is another.
        let entries = [
            gallery::entry("d.jpg", 1),
            gallery::entry("c.jpg", 2),
            gallery::entry("a.jpg", 1),
        ];
        let mut writer = IndexWriter::open(&path, &header).unwrap();
        assert_eq!(
            entries.each_ref().map(|entry| writer.holds(entry)),
            [false, false, true]
        );
        gallery::append(&mut writer, &header, &entries[..2]);
        let index = writer.finish(&entries).unwrap();
        gallery::assert_holds(&index, &header, &entries);
        assert_eq!(gallery::files(folder.path()), ["gallery.index"]);

        let writer = IndexWriter::open(&path, &header).unwrap();
        assert!(!writer.holds(&gallery::entry("b.jpg", 1)));
    }
}

#[test]
fn another_length_is_a_change() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gallery.index");
    let header = gallery::header(None);
    let mut entry = gallery::entry("a.jpg", 1);
    gallery::build(&path, &header, &[entry.clone()]);
    entry.length += 1;
    assert!(!IndexWriter::open(&path, &header).unwrap().holds(&entry));
}

#[test]
fn an_unchanged_gallery_leaves_the_file_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gallery.index");
    let header = gallery::header(None);
    let entries = gallery::entries(&["b.jpg", "a.jpg"]);
    gallery::build(&path, &header, &entries);
    // A file that was rewritten would have lost this.
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions).unwrap();

    let writer = IndexWriter::open(&path, &header).unwrap();
    gallery::assert_holds(&writer.finish(&entries).unwrap(), &header, &entries);
    assert!(fs::metadata(&path).unwrap().permissions().readonly());
    assert_eq!(gallery::files(folder.path()), ["gallery.index"]);
}

#[test]
fn the_later_of_two_records_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gallery.index");
    let header = gallery::header(None);
    let (old, new) = (gallery::entry("a.jpg", 1), gallery::entry("a.jpg", 2));
    let mut writer = IndexWriter::open(&path, &header).unwrap();
    gallery::append(&mut writer, &header, &[old.clone(), new.clone()]);
    assert!(!writer.holds(&old) && writer.holds(&new));
    drop(writer);
    // After a restart, too.
    let mut writer = IndexWriter::open(&path, &header).unwrap();
    assert!(!writer.holds(&old) && writer.holds(&new));
    gallery::append(&mut writer, &header, slice::from_ref(&old));
    assert!(writer.holds(&old) && !writer.holds(&new));
    let entries = [old];
    gallery::assert_holds(&writer.finish(&entries).unwrap(), &header, &entries);
}

#[test]
fn entries_that_are_held_nowhere_are_an_error_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gallery.index");
    let header = gallery::header(None);
    gallery::build(&path, &header, &gallery::entries(&["a.jpg"]));
    let mut writer = IndexWriter::open(&path, &header).unwrap();
    gallery::append(&mut writer, &header, &gallery::entries(&["b.jpg"]));
    let asked = gallery::entries(&["a.jpg", "x.jpg", "b.jpg", "y.jpg"]);
    let message = writer.finish(&asked).unwrap_err().to_string();
    assert!(
        message.ends_with(
            r#"gallery.index: expected a vector for every entry, got none for 2, the first is "x.jpg""#
        ),
        "{message}"
    );

    assert_eq!(
        IndexFile::open(&path).unwrap().entries(),
        gallery::entries(&["a.jpg"])
    );
    let writer = IndexWriter::open(&path, &header).unwrap();
    let entries = gallery::entries(&["a.jpg", "b.jpg"]);
    gallery::assert_holds(&writer.finish(&entries).unwrap(), &header, &entries);
}

#[test]
fn an_index_of_another_model_is_replaced_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gallery.index");
    let (old, entries) = (gallery::header(None), gallery::entries(&["a.jpg"]));
    gallery::build(&path, &old, &entries);
    let new = Header {
        fingerprint: [9; 32],
        ..old.clone()
    };
    let mut writer = IndexWriter::open(&path, &new).unwrap();
    assert!(!writer.holds(&entries[0]));
    gallery::append(&mut writer, &new, &entries);
    gallery::assert_holds(&IndexFile::open(&path).unwrap(), &old, &entries);
    gallery::assert_holds(&writer.finish(&entries).unwrap(), &new, &entries);
    assert!(IndexFile::open_for(&path, &old.fingerprint).is_err());
}

#[test]
fn a_file_that_is_no_index_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gallery.index");
    let header = gallery::header(None);
    gallery::build(&path, &header, &gallery::entries(&["a.jpg"]));
    let mut damaged = fs::read(&path).unwrap();
    *damaged.last_mut().unwrap() ^= 1;
    // Work that a later fix of the index may still use.
    fs::remove_file(&path).unwrap();
    let mut writer = IndexWriter::open(&path, &header).unwrap();
    gallery::append(&mut writer, &header, &gallery::entries(&["b.jpg"]));
    drop(writer);
    let journal = fs::read(gallery::journal(&path)).unwrap();

    let other = Header {
        fingerprint: [9; 32],
        ..header.clone()
    };
    for foreign in [&b"my thesis"[..], b"", &damaged, &damaged[..damaged.len() - 1]] {
        fs::write(&path, foreign).unwrap();
        for header in [&header, &other] {
            IndexWriter::open(&path, header).unwrap_err();
        }
        assert_eq!(fs::read(&path).unwrap(), foreign);
        assert_eq!(fs::read(gallery::journal(&path)).unwrap(), journal);
    }
}

#[test]
fn a_damaged_index_is_replaced_by_whoever_means_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gallery.index");
    let header = gallery::header(Some(StateType::F32));
    let entries = gallery::entries(&["a.jpg", "b.jpg"]);
    gallery::build(&path, &header, &entries);
    let whole = fs::read(&path).unwrap();
    // A whole index is gone on with.
    let writer = IndexWriter::replace(&path, &header).unwrap();
    assert!(writer.holds(&entries[0]));
    drop(writer);
    let mut states = whole.clone();
    *states.last_mut().unwrap() ^= 1;
    let mut head = whole.clone();
    head[20] ^= 1;
    for damaged in [&states[..], &head, &whole[..whole.len() - 1]] {
        fs::write(&path, damaged).unwrap();
        let mut writer = IndexWriter::replace(&path, &header).unwrap();
        assert!(!writer.holds(&entries[0]));
        gallery::append(&mut writer, &header, &entries);
        gallery::assert_holds(&writer.finish(&entries).unwrap(), &header, &entries);
    }
    fs::write(&path, "my thesis").unwrap();
    IndexWriter::replace(&path, &header).unwrap_err();
    assert_eq!(fs::read(&path).unwrap(), b"my thesis");
}

#[test]
fn a_foreign_index_leaves_no_journal_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gallery.index");
    fs::write(&path, "my thesis").unwrap();
    IndexWriter::open(&path, &gallery::header(None)).unwrap_err();
    assert_eq!(gallery::files(folder.path()), ["gallery.index"]);
}

#[test]
fn damaged_states_are_not_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gallery.index");
    let header = gallery::header(Some(StateType::F16));
    gallery::build(&path, &header, &gallery::entries(&["a.jpg", "b.jpg"]));
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, &bytes).unwrap();

    let writer = IndexWriter::open(&path, &header).unwrap();
    let error = writer.finish(&gallery::entries(&["b.jpg", "a.jpg"])).unwrap_err();
    assert!(matches!(error, IndexError::Checksum { .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert_eq!(gallery::files(folder.path()), ["gallery.index"]);
}

#[cfg(unix)]
#[test]
fn an_index_is_as_readable_as_any_new_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gallery.index");
    gallery::build(&path, &gallery::header(None), &gallery::entries(&["a.jpg"]));
    let other = folder.path().join("other");
    fs::write(&other, "").unwrap();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(path), mode(other));
}
