//! What a search among stored vectors costs: every one of them is read, so the number to watch is bytes a second.
//!
//! ```text
//! query [256] · vectors f32 [200000, 256] ─▶ the 10 nearest; 205 MB, in memory and in a mapped file
//! ```
//!
//! The small gallery fits a processor's cache and is searched by one thread: there the arithmetic shows.

use std::hint::black_box;

use blip_benches::Preset;
use blip_index::{Entry, ExactIndex, GalleryKind, Header, IndexFile, IndexWriter, Record};
use blip_traits::VectorIndex;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tempfile::TempDir;

const EMBED_DIM: usize = 256;

const TOP_K: usize = 10;

fn index(criterion: &mut Criterion) {
    let counts: &[usize] = match Preset::from_env() {
        Preset::Base | Preset::Large => &[1_000, 200_000],
        Preset::Tiny => &[1_000],
    };
    let query = vectors(1);
    let mut group = criterion.benchmark_group("index");
    for &count in counts {
        let vectors = vectors(count);
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        let file = write(&folder, &vectors);
        let memory = ExactIndex::new(vectors, EMBED_DIM).expect("the vectors are whole");

        group.throughput(Throughput::Bytes((count * EMBED_DIM * size_of::<f32>()) as u64));
        group.bench_function(format!("memory/{count}"), |bencher| {
            bencher.iter(|| search(&memory, black_box(&query)));
        });
        group.bench_function(format!("file/{count}"), |bencher| {
            bencher.iter(|| search(&file, black_box(&query)));
        });
        // Maps it, and verifies the vectors.
        group.bench_function(format!("open/{count}"), |bencher| {
            bencher.iter(|| IndexFile::open(file.path()).expect("it was opened before"));
        });
    }
}

fn search(index: &impl VectorIndex, query: &[f32]) {
    black_box(index.search(query, TOP_K)).expect("the query is as long as the vectors");
}

/// Numbers from a linear congruential generator, between -1 and 1.
fn vectors(count: usize) -> Vec<f32> {
    let mut state = 1_u32;
    (0..count * EMBED_DIM)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        })
        .collect()
}

/// An index file with these vectors.
fn write(folder: &TempDir, vectors: &[f32]) -> IndexFile {
    let header = Header {
        kind: GalleryKind::Pictures,
        embed_dim: EMBED_DIM,
        fingerprint: [0; 32],
        states: None,
        folder: String::new(),
    };
    let entries: Vec<Entry> = (0..vectors.len() / EMBED_DIM)
        .map(|number| Entry::text(format!("{number:06}.jpg")))
        .collect();
    let records: Vec<Record> = entries
        .iter()
        .zip(vectors.chunks(EMBED_DIM))
        .map(|(entry, vector)| Record {
            entry,
            vector,
            states: None,
        })
        .collect();
    let path = folder.path().join("gallery.index");
    let mut writer = IndexWriter::open(path, &header).expect("the folder is new");
    writer.append(&records).expect("the records fit the header");
    writer.finish(&entries).expect("all entries were appended")
}

criterion_group!(benches, index);
criterion_main!(benches);
