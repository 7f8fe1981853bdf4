//! A small gallery, and what a model could make of it.

use std::path::{Path, PathBuf};

use blip_index::{Entry, GalleryKind, Header, IndexFile, IndexWriter, Record, StateShape, StateType};

pub(crate) const EMBED_DIM: usize = 3;

pub(crate) fn header(states: Option<StateType>) -> Header {
    Header {
        kind: GalleryKind::Pictures,
        embed_dim: EMBED_DIM,
        fingerprint: *b"a model of thirty-two characters",
        states: states.map(|dtype| StateShape {
            tokens: 2,
            hidden_size: 3,
            dtype,
        }),
        folder: "/pictures/été".to_owned(),
    }
}

/// A picture, as it was modified for the `version`th time.
pub(crate) fn entry(name: &str, version: i64) -> Entry {
    Entry {
        name: name.to_owned(),
        length: 1000 + name.len() as u64,
        modified: version,
    }
}

pub(crate) fn entries(names: &[&str]) -> Vec<Entry> {
    names.iter().map(|name| entry(name, 1)).collect()
}

/// Numbers that depend on an entry, and that `f16` holds.
fn values(entry: &Entry, count: usize) -> Vec<f32> {
    let start = entry.name.bytes().map(usize::from).sum::<usize>() + entry.modified as usize;
    (0..count)
        .map(|place| ((start + 7 * place) % 64) as f32 / 8.0 - 4.0)
        .collect()
}

pub(crate) fn vector(entry: &Entry) -> Vec<f32> {
    values(entry, EMBED_DIM)
}

pub(crate) fn states(entry: &Entry, header: &Header) -> Option<Vec<f32>> {
    header
        .states
        .map(|shape| values(entry, shape.tokens * shape.hidden_size))
}

/// One batch.
pub(crate) fn append(writer: &mut IndexWriter, header: &Header, entries: &[Entry]) {
    let computed: Vec<_> = entries
        .iter()
        .map(|entry| (vector(entry), states(entry, header)))
        .collect();
    let records: Vec<Record> = entries
        .iter()
        .zip(&computed)
        .map(|(entry, (vector, states))| Record {
            entry,
            vector,
            states: states.as_deref(),
        })
        .collect();
    writer.append(&records).unwrap();
}

/// Computes what is not held, in batches of two, and finishes.
pub(crate) fn build(path: &Path, header: &Header, entries: &[Entry]) -> IndexFile {
    let mut writer = IndexWriter::open(path, header).unwrap();
    let new: Vec<Entry> = entries
        .iter()
        .filter(|entry| !writer.holds(entry))
        .cloned()
        .collect();
    for batch in new.chunks(2) {
        append(&mut writer, header, batch);
    }
    writer.finish(entries).unwrap()
}

/// That an index has exactly these entries, and of each what was computed for it.
pub(crate) fn assert_holds(index: &IndexFile, header: &Header, expected: &[Entry]) {
    assert_eq!(index.header(), header);
    assert_eq!(index.entries(), expected);
    for (place, entry) in expected.iter().enumerate() {
        assert_eq!(index.vector(place).unwrap(), vector(entry), "{entry:?}");
        assert_eq!(index.states(place).unwrap(), states(entry, header), "{entry:?}");
    }
}

pub(crate) fn journal(path: &Path) -> PathBuf {
    path.with_added_extension("partial")
}

/// The names of all files in a folder.
pub(crate) fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
