//! Finished files, as they were written.

use std::fs;
use std::path::Path;

use blip_index::{
    Entry, ExactIndex, GalleryKind, Header, IndexError, IndexFile, IndexWriter, MAX_NAME_BYTES, Record,
    StateType,
};
use blip_traits::VectorIndex;

use crate::gallery;

#[test]
fn everything_comes_back() {
    for states in [None, Some(StateType::F32), Some(StateType::F16)] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gallery.index");
        let header = gallery::header(states);
        let entries = gallery::entries(&["a.jpg", "b/c.jpg", "\u{1f415}.png", ""]);
        gallery::assert_holds(&gallery::build(&path, &header, &entries), &header, &entries);

        let index = IndexFile::open_for(&path, &header.fingerprint).unwrap();
        gallery::assert_holds(&index, &header, &entries);
        assert_eq!(index.path(), path);
        assert_eq!((index.len(), index.embed_dim()), (4, gallery::EMBED_DIM));
        assert_eq!(gallery::files(folder.path()), ["gallery.index"]);
    }
}

#[test]
fn a_file_is_searched_as_memory_is() {
    let folder = tempfile::tempdir().unwrap();
    let header = gallery::header(None);
    let names: Vec<String> = (0..100).map(|number| format!("{number}.jpg")).collect();
    let entries: Vec<Entry> = names.iter().map(|name| gallery::entry(name, 1)).collect();
    let file = gallery::build(&folder.path().join("gallery.index"), &header, &entries);
    let memory = ExactIndex::new(
        entries.iter().flat_map(gallery::vector).collect(),
        gallery::EMBED_DIM,
    )
    .unwrap();
    let query = [0.5, -1.0, 0.25];
    for top_k in [0, 1, 7, 1000] {
        assert_eq!(
            file.search(&query, top_k).unwrap(),
            memory.search(&query, top_k).unwrap()
        );
    }
    assert_eq!(
        file.search(&[1.0], 1).unwrap_err().to_string(),
        "query: expected [3], got [1]"
    );
}

#[test]
fn a_gallery_may_be_empty() {
    for states in [None, Some(StateType::F32)] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gallery.index");
        let header = gallery::header(states);
        gallery::build(&path, &header, &[]);
        let index = IndexFile::open(&path).unwrap();
        gallery::assert_holds(&index, &header, &[]);
        assert!(index.is_empty());
        assert_eq!(index.search(&[1.0; 3], 5).unwrap(), []);
    }
}

#[test]
fn texts_have_any_characters_and_may_repeat() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("texts.index");
    let header = Header {
        kind: GalleryKind::Texts,
        folder: String::new(),
        ..gallery::header(None)
    };
    let longest = "é".repeat(MAX_NAME_BYTES / 2);
    let entries = ["two\nlines\0", &longest, "again", "again", "\u{202e}"].map(Entry::text);
    gallery::build(&path, &header, &entries);
    gallery::assert_holds(&IndexFile::open(&path).unwrap(), &header, &entries);
}

#[test]
fn another_model_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gallery.index");
    gallery::build(&path, &gallery::header(None), &gallery::entries(&["a.jpg"]));
    let error = IndexFile::open_for(&path, &[0; 32]).unwrap_err();
    assert!(matches!(error, IndexError::OtherModel { .. }), "{error}");
}

#[test]
fn an_entry_that_is_not_there_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gallery.index");
    let header = gallery::header(Some(StateType::F32));
    let index = gallery::build(&path, &header, &gallery::entries(&["a.jpg"]));
    for index in [index.vector(1).err(), index.states(usize::MAX).err()] {
        assert!(matches!(index, Some(IndexError::NoEntry { count: 1, .. })));
    }
}

#[test]
fn what_is_no_index_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gallery.index");
    let message = |path: &Path| {
        let message = IndexFile::open(path).unwrap_err().to_string();
        message.replace(&path.display().to_string(), "PATH")
    };
    assert_eq!(message(&path), "PATH: cannot open");
    assert_eq!(
        message(folder.path()),
        "PATH: expected an index of vectors, got a folder"
    );
    fs::write(&path, "").unwrap();
    assert_eq!(
        message(&path),
        "PATH: expected an index of vectors, got an empty file"
    );
    fs::write(&path, b"\x89PNG\r\n\x1a\n and so on").unwrap();
    assert_eq!(
        message(&path),
        r#"PATH: expected an index of vectors, got a file that starts with "\x89PNG\r\n\x1a\n""#
    );
}

#[test]
fn what_does_not_fit_the_header_is_refused_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gallery.index");
    let header = gallery::header(Some(StateType::F16));
    let mut writer = IndexWriter::open(&path, &header).unwrap();
    let (good, bad) = (gallery::entry("good.jpg", 1), gallery::entry("bad.jpg", 1));
    let long = Entry::text("x".repeat(MAX_NAME_BYTES + 1));
    let vector: &[f32] = &[1.0, 2.0, 3.0];
    let states: Option<&[f32]> = Some(&[1.0; 6]);
    let fits = Record {
        entry: &good,
        vector,
        states,
    };
    let refused = [
        (&bad, &[1.0, f32::NAN, 0.0][..], states),
        (&bad, &[f32::INFINITY, 0.0, 0.0], states),
        (&bad, vector, Some(&[1.0, 1.0, 1.0, 1.0, 1.0, 1e6])),
        (&bad, &vector[1..], states),
        (&bad, vector, None),
        (&bad, vector, Some(&[1.0; 5])),
        (&long, vector, states),
    ];
    let messages = refused.map(|(entry, vector, states)| {
        let record = Record {
            entry,
            vector,
            states,
        };
        let message = writer.append(&[fits, record]).unwrap_err().to_string();
        assert!(!writer.holds(&good) && !writer.holds(&bad));
        message.replace(&path.display().to_string(), "PATH")
    });
    let long = format!(
        "PATH: \"{}…\": expected a name of at most 65536 bytes, got 65537",
        "x".repeat(80)
    );
    assert_eq!(
        messages,
        [
            r#"PATH: the vector of "bad.jpg": expected finite values"#,
            r#"PATH: the vector of "bad.jpg": expected finite values"#,
            r#"PATH: the states of "bad.jpg": expected finite values"#,
            r#"PATH: the vector of "bad.jpg": expected 3 values, got 2"#,
            r#"PATH: the states of "bad.jpg": expected 6 values, got 0"#,
            r#"PATH: the states of "bad.jpg": expected 6 values, got 5"#,
            &long,
        ]
    );
    writer.append(&[fits]).unwrap();
    assert!(writer.holds(&good));
}

#[test]
fn a_header_that_no_index_can_have_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gallery.index");
    let states = |tokens, hidden_size| {
        let mut header = gallery::header(Some(StateType::F16));
        let states = header.states.as_mut().unwrap();
        (states.tokens, states.hidden_size) = (tokens, hidden_size);
        header
    };
    let embed_dim = |embed_dim| Header {
        embed_dim,
        ..gallery::header(None)
    };
    let folder_name = Header {
        folder: "x".repeat(MAX_NAME_BYTES + 1),
        ..gallery::header(None)
    };
    for header in [
        embed_dim(0),
        embed_dim(usize::MAX),
        states(0, 1),
        states(1, 0),
        states(usize::MAX, 2),
        folder_name,
    ] {
        let error = IndexWriter::open(&path, &header).unwrap_err();
        assert!(matches!(error, IndexError::Header { .. }), "{error}");
    }
    assert_eq!(gallery::files(folder.path()), [""; 0]);
}
