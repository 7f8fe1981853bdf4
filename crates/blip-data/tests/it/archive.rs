//! Archives that are cut, damaged, or of a kind that is not read.

use std::path::PathBuf;

use blip_data::{CaptionRecord, DataError, Dataset, Position, ReadOptions, RecordSet, ShardStream};
use tempfile::TempDir;

use crate::fixture::{header_of, place, png, tar, write};

fn shard(bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "x.tar", bytes);
    let path = folder.path().join("x.tar");
    (folder, path)
}

/// Two samples, each a text and a picture.
fn two() -> Vec<u8> {
    tar(&[
        ("a.txt", b"a"),
        ("a.png", &png(1)),
        ("b.txt", b"b"),
        ("b.png", &png(2)),
    ])
}

/// Reads an archive both ways; gives how many samples either found, and its complaints.
fn read(bytes: &[u8]) -> [(usize, Vec<DataError>); 2] {
    let (_folder, path) = shard(bytes);
    let options = ReadOptions::default();
    let (mut count, mut errors) = (0, Vec::new());
    for sample in ShardStream::open(&[&path], &options).unwrap() {
        match sample {
            Ok(_) => count += 1,
            Err(error) => errors.push(error),
        }
    }
    let indexed = match RecordSet::<CaptionRecord>::open_shards(&[&path], &options) {
        Ok(set) => {
            let loaded = set.samples().filter(Result::is_ok).count();
            let complaints = set.skipped().errors().iter().map(ToString::to_string);
            let streamed: Vec<String> = errors.iter().map(ToString::to_string).collect();
            assert_eq!(complaints.collect::<Vec<_>>(), streamed);
            (loaded, Vec::new())
        }
        Err(error) => (0, vec![error]),
    };
    [(count, errors), indexed]
}

/// What the stream complained of, after `samples` samples that both ways found.
fn complaint(bytes: &[u8], samples: usize) -> DataError {
    let [(count, mut errors), (indexed, _)] = read(bytes);
    assert_eq!((count, indexed), (samples, samples));
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors.remove(0)
}

#[test]
fn a_cut_member_is_told_and_what_precedes_it_is_used() {
    let bytes = two();
    let start = header_of(&bytes, "b.png") + 512;
    let error = complaint(&bytes[..start + 20], 1);
    let size = png(2).len() as u64;
    assert!(
        matches!(error, DataError::Cut { expected, got: 20, .. } if expected == size),
        "{error}"
    );
    assert_eq!(place(&error), ("x.tar".into(), Position::Member("b.png".into())));
    assert!(error.to_string().ends_with(&format!(
        "b.png: expected {size} bytes, got 20: the archive is cut"
    )));

    let start = header_of(&bytes, "b.txt") + 512;
    let error = complaint(&bytes[..start], 1);
    assert_eq!(place(&error).1, Position::Member("b.txt".into()));
}

#[test]
fn a_cut_member_of_a_broken_sample_is_told_too() {
    let bytes = tar(&[
        ("a.txt", b"a"),
        ("a.png", &png(1)),
        ("b.txt", b"b"),
        ("b.txt", b"b"),
        ("b.png", &png(2)),
    ]);
    let start = header_of(&bytes, "b.png") + 512;
    let [(count, errors), (indexed, _)] = read(&bytes[..start + 20]);
    assert_eq!((count, indexed), (1, 1));
    assert!(
        matches!(
            errors.as_slice(),
            [DataError::Field { .. }, DataError::Cut { .. }]
        ),
        "{errors:?}"
    );
}

#[test]
fn a_cut_header_is_told_by_its_byte() {
    let bytes = two();
    let start = header_of(&bytes, "b.txt");
    let error = complaint(&bytes[..start + 100], 1);
    assert_eq!(place(&error), ("x.tar".into(), Position::Byte(start as u64)));
    assert!(
        error
            .to_string()
            .contains("expected a tar header of 512 bytes, got 100 bytes"),
        "{error}"
    );
}

#[test]
fn a_missing_end_mark_is_told() {
    let bytes = two();
    let end = bytes.len() - 1024;
    let error = complaint(&bytes[..end], 2);
    assert!(error.to_string().contains("expected an end mark"), "{error}");
    let start = header_of(&bytes, "b.txt");
    let error = complaint(&bytes[..start], 1);
    assert!(error.to_string().contains("expected an end mark"), "{error}");
}

#[test]
fn a_damaged_header_ends_the_shard() {
    let mut bytes = two();
    let start = header_of(&bytes, "b.txt");
    bytes[start + 30] ^= 1;
    let error = complaint(&bytes, 1);
    assert_eq!(place(&error).1, Position::Byte(start as u64));
    assert!(error.to_string().contains("expected a tar header"), "{error}");
}

#[test]
fn what_is_no_archive_is_an_error_at_opening() {
    for bytes in [&b""[..], b"\x1f\x8b\x08\x00 compressed", &[b'x'; 5000], &png(1)] {
        let [(count, errors), (_, opening)] = read(bytes);
        assert_eq!((count, errors.len()), (0, 1));
        assert!(
            matches!(opening[0], DataError::NoRecords { skipped: 1, .. }),
            "{}",
            opening[0]
        );
        assert!(
            opening[0].to_string().contains("x.tar, byte 0: expected"),
            "{}",
            opening[0]
        );
    }
    let [(count, errors), (_, opening)] = read(&[0; 1024]);
    assert_eq!((count, errors.len()), (0, 0));
    assert!(matches!(opening[0], DataError::NoRecords { skipped: 0, .. }));
}

/// An archive of one sample and then a header of a type with a size, which lies about it.
fn with_header(kind: tar::EntryType, size: u64, data: &[u8]) -> Vec<u8> {
    let mut bytes = tar(&[("a.txt", b"a"), ("a.png", &png(1))]);
    bytes.truncate(bytes.len() - 1024);
    let mut header = tar::Header::new_gnu();
    header.set_path("b.png").unwrap();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_cksum();
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes.extend([0; 1024]);
    bytes
}

#[test]
fn sizes_that_lie_take_no_memory() {
    use tar::EntryType;
    for size in [1 << 40, i64::MAX as u64, u64::MAX / 2 + 2, u64::MAX] {
        for kind in [EntryType::Regular, EntryType::Directory, EntryType::XGlobalHeader] {
            let error = complaint(&with_header(kind, size, b"x"), 1);
            // A picture that is too large for its limit is passed over, and found to be cut.
            assert!(matches!(error, DataError::Cut { .. }), "{kind:?} {size}: {error}");
        }
        for kind in [EntryType::GNULongName, EntryType::XHeader] {
            let error = complaint(&with_header(kind, size, b"x"), 1);
            assert!(
                error.to_string().contains("expected a name of at most 1 MiB"),
                "{error}"
            );
        }
    }
}

#[test]
fn sparse_members_are_refused() {
    let error = complaint(&with_header(tar::EntryType::GNUSparse, 0, b""), 1);
    assert!(error.to_string().contains("expected a plain file"), "{error}");
}

#[test]
fn folders_and_links_are_passed_over() {
    for kind in [
        tar::EntryType::Directory,
        tar::EntryType::Symlink,
        tar::EntryType::Fifo,
    ] {
        let [(count, errors), (indexed, _)] = read(&with_header(kind, 0, b""));
        assert_eq!((count, errors.len(), indexed), (1, 0, 1), "{kind:?}");
    }
}

/// A pax record: its own length, key and value.
fn pax(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len() + 1;
    while length.to_string().len() + rest.len() != length {
        length += 1;
    }
    format!("{length}{rest}").into_bytes()
}

#[test]
fn pax_headers_give_names_and_sizes() {
    let picture = png(7);
    let records = [
        pax("path", "ü/1.png"),
        pax("size", &picture.len().to_string()),
        pax("mtime", "1.5"),
    ]
    .concat();
    let mut bytes = with_header(tar::EntryType::XHeader, records.len() as u64, &records);
    bytes.truncate(bytes.len() - 1024);
    let mut header = tar::Header::new_ustar();
    header.set_path("short.png").unwrap();
    header.set_size(0);
    header.set_cksum();
    bytes.extend(header.as_bytes());
    bytes.extend(&picture);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes.extend(tar(&[("ü/1.txt", b"seven")]));
    let (_folder, path) = shard(&bytes);
    let set = RecordSet::<CaptionRecord>::open_shards(&[path], &ReadOptions::default()).unwrap();
    assert_eq!(set.skipped().count(), 0, "{}", set.skipped());
    let sample = set.sample(1).unwrap();
    assert_eq!(
        (sample.record.image.as_str(), sample.image.as_bytes()[0]),
        ("ü/1.png", 7)
    );
}

#[test]
fn malformed_pax_headers_end_the_shard() {
    for records in [
        &b"99 path=x\n"[..],
        b"no record",
        &pax("size", "-1"),
        &pax("size", "many"),
    ] {
        let error = complaint(
            &with_header(tar::EntryType::XHeader, records.len() as u64, records),
            1,
        );
        assert!(matches!(error, DataError::Archive { .. }), "{error}");
    }
}

#[test]
fn no_damage_of_one_byte_panics() {
    let bytes = two();
    let options = ReadOptions::default();
    let (_folder, path) = shard(&bytes);
    for place in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[place] ^= 0x55;
        let stream = ShardStream::of_reader(std::io::Cursor::new(damaged.clone()), "x", &options).unwrap();
        assert!(stream.count() <= 10);
        if place % 16 == 0 {
            std::fs::write(&path, damaged).unwrap();
            if let Ok(set) = RecordSet::<CaptionRecord>::open_shards(&[&path], &options) {
                set.samples().for_each(drop);
            }
        }
    }
    for length in 0..bytes.len() {
        let cut = std::io::Cursor::new(bytes[..length].to_vec());
        assert!(ShardStream::of_reader(cut, "x", &options).unwrap().count() <= 10);
    }
}
