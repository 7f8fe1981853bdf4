//! A writer that dies, wherever it dies.

use std::fs;
use std::path::Path;

use blip_index::{GalleryKind, Header, IndexError, IndexFile, IndexWriter, StateShape, StateType};

use crate::gallery;

#[test]
fn a_cut_journal_keeps_every_whole_batch() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gallery.index");
    let journal = gallery::journal(&path);
    let header = gallery::header(Some(StateType::F16));
    let entries = gallery::entries(&["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"]);

    // Where the journal ends after each batch.
    let mut ends = Vec::new();
    let mut writer = IndexWriter::open(&path, &header).unwrap();
    for batch in entries.chunks(2) {
        gallery::append(&mut writer, &header, batch);
        ends.push(fs::metadata(&journal).unwrap().len() as usize);
    }
    drop(writer);
    let bytes = fs::read(&journal).unwrap();
    assert_eq!(bytes.len(), *ends.last().unwrap());

    for length in 0..=bytes.len() {
        fs::write(&journal, &bytes[..length]).unwrap();
        let whole = 2 * ends.iter().filter(|&&end| end <= length).count();
        let writer = IndexWriter::open(&path, &header).unwrap();
        let held = entries.iter().filter(|entry| writer.holds(entry)).count();
        assert_eq!(held, whole.min(entries.len()), "{length} of {}", bytes.len());
        drop(writer);

        // Going on from there ends as if nothing had happened.
        if length % 7 == 0 {
            gallery::assert_holds(&gallery::build(&path, &header, &entries), &header, &entries);
            assert_eq!(gallery::files(folder.path()), ["gallery.index"]);
            fs::remove_file(&path).unwrap();
        }
    }
}

#[test]
fn a_flipped_byte_in_a_journal_drops_its_batch_and_what_follows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gallery.index");
    let journal = gallery::journal(&path);
    let header = gallery::header(Some(StateType::F32));
    let entries = gallery::entries(&["a.jpg", "b.jpg", "c.jpg"]);
    let mut writer = IndexWriter::open(&path, &header).unwrap();
    for entry in &entries {
        gallery::append(&mut writer, &header, std::slice::from_ref(entry));
    }
    drop(writer);
    let bytes = fs::read(&journal).unwrap();

    for at in 12..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x10;
        fs::write(&journal, &bytes).unwrap();
        let writer = IndexWriter::open(&path, &header).unwrap();
        let held: Vec<bool> = entries.iter().map(|entry| writer.holds(entry)).collect();
        assert!(!held[2] && held.is_sorted_by(|a, b| a >= b), "{at}: {held:?}");
        drop(writer);
        if at % 11 == 0 {
            gallery::assert_holds(&gallery::build(&path, &header, &entries), &header, &entries);
            fs::remove_file(&path).unwrap();
        }
    }
}

/// A journal with one entry.
fn start(path: &Path, header: &Header) {
    let mut writer = IndexWriter::open(path, header).unwrap();
    gallery::append(&mut writer, header, &gallery::entries(&["a.jpg"]));
}

#[test]
fn a_journal_with_another_header_is_kept_unless_it_is_replaced() {
    let header = gallery::header(Some(StateType::F32));
    let others = [
        Header {
            kind: GalleryKind::Texts,
            ..header.clone()
        },
        Header {
            embed_dim: 4,
            ..header.clone()
        },
        Header {
            fingerprint: [0; 32],
            ..header.clone()
        },
        Header {
            folder: "/pictures/ete".to_owned(),
            ..header.clone()
        },
        gallery::header(None),
        gallery::header(Some(StateType::F16)),
        Header {
            states: Some(StateShape {
                tokens: 3,
                hidden_size: 2,
                dtype: StateType::F32,
            }),
            ..header.clone()
        },
    ];
    for other in others {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gallery.index");
        start(&path, &header);
        let error = IndexWriter::open(&path, &other).unwrap_err();
        assert!(matches!(error, IndexError::OtherJournal { .. }), "{other:?}");
        let writer = IndexWriter::open(&path, &header).unwrap();
        assert!(writer.holds(&gallery::entry("a.jpg", 1)), "{other:?}");
        drop(writer);
        let writer = IndexWriter::replace(&path, &other).unwrap();
        assert!(!writer.holds(&gallery::entry("a.jpg", 1)), "{other:?}");
        drop(writer);
        let writer = IndexWriter::open(&path, &header).unwrap();
        assert!(!writer.holds(&gallery::entry("a.jpg", 1)), "{other:?}");
    }
}

#[test]
fn a_foreign_file_in_the_journals_place_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gallery.index");
    let journal = gallery::journal(&path);
    // A finished index is no journal either.
    for foreign in [&b"my thesis"[..], b"BLIPidx\n", b"x"] {
        fs::write(&journal, foreign).unwrap();
        let error = IndexWriter::open(&path, &gallery::header(None)).unwrap_err();
        assert!(matches!(error, IndexError::Foreign { .. }), "{error}");
        assert!(
            error
                .to_string()
                .contains("gallery.index.partial: expected the journal"),
            "{error}"
        );
        assert_eq!(fs::read(&journal).unwrap(), foreign);
    }
    fs::remove_file(&journal).unwrap();
    fs::create_dir(&journal).unwrap();
    let error = IndexWriter::open(&path, &gallery::header(None)).unwrap_err();
    assert!(matches!(error, IndexError::Foreign { .. }), "{error}");
}

#[test]
fn a_journal_of_a_newer_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gallery.index");
    let journal = gallery::journal(&path);
    start(&path, &gallery::header(None));
    let mut bytes = fs::read(&journal).unwrap();
    bytes[8] += 1;
    fs::write(&journal, &bytes).unwrap();
    let error = IndexWriter::open(&path, &gallery::header(None)).unwrap_err();
    assert!(matches!(error, IndexError::Version { found: 2, .. }), "{error}");
    assert_eq!(fs::read(&journal).unwrap(), bytes);
}

#[test]
fn the_second_writer_is_refused_until_the_first_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gallery.index");
    let header = gallery::header(None);
    let mut first = IndexWriter::open(&path, &header).unwrap();
    for _ in 0..2 {
        let error = IndexWriter::open(&path, &header).unwrap_err();
        assert!(matches!(error, IndexError::Busy { .. }), "{error}");
        gallery::append(&mut first, &header, &gallery::entries(&["a.jpg"]));
    }
    first.finish(&gallery::entries(&["a.jpg"])).unwrap();
    let second = IndexWriter::open(&path, &header).unwrap();
    assert!(second.holds(&gallery::entry("a.jpg", 1)));
}

#[test]
fn writers_at_once_never_spoil_each_others_work() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gallery.index");
    let header = gallery::header(None);
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let (path, header) = (&path, &header);
            scope.spawn(move || {
                for round in 0..20 {
                    let entries = [gallery::entry(&format!("{worker}/{round}.jpg"), 1)];
                    let mut writer = match IndexWriter::open(path, header) {
                        Ok(writer) => writer,
                        Err(IndexError::Busy { .. }) => continue,
                        Err(error) => panic!("{error}"),
                    };
                    gallery::append(&mut writer, header, &entries);
                    let index = writer.finish(&entries).unwrap();
                    assert_eq!(index.entries(), entries);
                }
            });
        }
    });
    IndexFile::open(&path).unwrap();
    assert_eq!(gallery::files(folder.path()), ["gallery.index"]);
}

#[test]
fn a_writer_that_was_given_nothing_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gallery.index");
    let mut writer = IndexWriter::open(&path, &gallery::header(None)).unwrap();
    writer.append(&[]).unwrap();
    drop(writer);
    assert_eq!(gallery::files(folder.path()), [""; 0]);
}
