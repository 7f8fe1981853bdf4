//! WebDataset shards, read in order and in any order.

use std::path::{Path, PathBuf};

use blip_data::{
    CaptionRecord, DataError, Dataset, Position, ReadLimits, ReadOptions, RecordSet, Sample, ShardStream,
    Targets,
};
use tempfile::TempDir;

use crate::fixture::{place, png, tar, write};

/// What one way of reading gives: samples, and complaints.
type Read = (Vec<Sample<CaptionRecord>>, Vec<DataError>);

fn split(results: impl Iterator<Item = Result<Sample<CaptionRecord>, DataError>>) -> Read {
    let (samples, errors): (Vec<_>, Vec<_>) = results.partition(Result::is_ok);
    (
        samples.into_iter().map(Result::unwrap).collect(),
        errors.into_iter().map(Result::unwrap_err).collect(),
    )
}

/// Reads shards both ways, which must agree on the samples.
fn both(paths: &[PathBuf], options: &ReadOptions) -> (Read, RecordSet<CaptionRecord>) {
    let stream = split(ShardStream::open(paths, options).unwrap());
    let set = RecordSet::open_shards(paths, options).unwrap();
    assert_eq!(split(set.samples()).0, stream.0);
    (stream, set)
}

fn shard(bytes: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "x.tar", bytes);
    let path = folder.path().join("x.tar");
    (folder, path)
}

fn summary(sample: &Sample<CaptionRecord>) -> (u8, &str, Vec<&str>) {
    let captions = sample.record.captions.iter().map(String::as_str).collect();
    (sample.image.as_bytes()[0], &sample.record.image, captions)
}

#[test]
fn samples_of_several_shards_are_read_both_ways() {
    let long = format!("{}/{}.png", "folder".repeat(30), "n".repeat(90));
    let text = long.replace(".png", ".txt");
    let folder = tempfile::tempdir().unwrap();
    let first = tar(&[
        ("a/0001.png", &png(1)),
        ("a/0001.txt", b"One.\nUno."),
        ("README", b"no sample"),
        ("info.md", b"no sample"),
        ("a/0002.json", br#"{"caption": "Two", "status": "success"}"#),
        ("a/0002.PNG", &png(2)),
        ("a/0002.txt", b"left out"),
        ("a/0002.seg.png", b"left out"),
        ("a/0003.png", &png(3)),
        ("a/0003.cls", b" 17\n"),
    ]);
    let second = tar(&[
        (&long, &png(4)),
        (&text, b"four"),
        // The same key as before is another sample.
        ("a/0001.txt", b"five"),
        ("a/0001.png", &png(5)),
    ]);
    write(folder.path(), "0.tar", first);
    write(folder.path(), "1.tar", second);
    let paths = ["0.tar", "1.tar"].map(|name| folder.path().join(name));
    let ((samples, errors), set) = both(&paths, &ReadOptions::default());
    assert!(errors.is_empty(), "{errors:?}");
    let expected = [
        (1, "a/0001.png", vec!["one", "uno"]),
        (2, "a/0002.PNG", vec!["two"]),
        (3, "a/0003.png", vec![]),
        (4, long.as_str(), vec!["four"]),
        (5, "a/0001.png", vec!["five"]),
    ];
    assert_eq!(samples.iter().map(summary).collect::<Vec<_>>(), expected);
    assert_eq!(samples[2].record.class, Some(17));
    assert_eq!(summary(&set.sample(3).unwrap()), expected[3]);
    let place = set.place(4).unwrap();
    assert_eq!(
        (place.file, place.position),
        (paths[1].clone(), Position::Member("a/0001.png".into()))
    );
}

#[test]
fn a_reader_is_a_shard_too() {
    let bytes = tar(&[("0.png", &png(9)), ("0.txt", b"nine")]);
    let stream =
        ShardStream::of_reader(std::io::Cursor::new(bytes), "pipe", &ReadOptions::default()).unwrap();
    let (samples, errors) = split(stream);
    assert!(errors.is_empty());
    assert_eq!(summary(&samples[0]), (9, "0.png", vec!["nine"]));
}

#[test]
fn every_broken_sample_is_told_with_its_member() {
    let picture = png(1);
    let (_folder, path) = shard(tar(&[
        ("good.png", &picture),
        ("good.txt", b"good"),
        ("no_text.png", &picture),
        ("no_picture.txt", b"a"),
        ("json.png", &picture),
        ("json.json", b"{"),
        ("utf8.png", &picture),
        ("utf8.txt", b"\xff"),
        ("class.png", &picture),
        ("class.cls", b"dog"),
        ("twice.txt", b"a"),
        ("twice.png", &picture),
        ("twice.txt", b"b"),
        ("twice_picture.png", &picture),
        ("twice_picture.png", &picture),
        ("twice_picture.txt", b"a"),
        ("long.png", &picture),
        ("long.txt", &[b'x'; 101]),
        ("last.txt", b"last"),
        ("last.png", &picture),
    ]));
    let options = ReadOptions {
        limits: ReadLimits {
            max_record_bytes: 100,
            ..ReadLimits::default()
        },
        ..ReadOptions::default()
    };
    let ((samples, errors), set) = both(&[path], &options);
    assert_eq!(
        samples.iter().map(|sample| summary(sample).1).collect::<Vec<_>>(),
        ["good.png", "last.png"]
    );
    let expected = [
        "no_text.png: caption: expected a string or a list of strings, got none",
        "no_picture.txt: picture: expected a member such as .jpg or .png, got none",
        "json.png: json: expected a JSON object, got EOF",
        "utf8.png: txt: expected UTF-8, got another byte at 0",
        "class.png: cls: expected a class's number, got \"dog\"",
        "twice.txt: txt: expected one member of each ending, got another",
        "twice_picture.png: png: expected one member of each ending, got another",
        "long.txt: expected at most 100 bytes of text",
    ];
    for errors in [errors.as_slice(), set.skipped().errors()] {
        assert_eq!(errors.len(), expected.len());
        for (error, expected) in errors.iter().zip(expected) {
            assert!(
                error.to_string().contains(&format!("x.tar, {expected}")),
                "{error}"
            );
        }
    }
    assert_eq!(
        place(&errors[0]),
        ("x.tar".into(), Position::Member("no_text.png".into()))
    );
}

#[test]
fn a_picture_that_does_not_decode_is_told_when_it_is_loaded() {
    let (_folder, path) = shard(tar(&[
        ("a.png", b"no picture"),
        ("a.txt", b"a"),
        ("b.png", &png(2)),
        ("b.txt", b"b"),
    ]));
    let ((samples, errors), set) = both(&[path], &ReadOptions::default());
    assert_eq!((samples.len(), errors.len(), set.len()), (1, 1, 2));
    for error in [&errors[0], &set.sample(0).unwrap_err()] {
        assert!(
            matches!(error, DataError::Picture { image, .. } if image == "a.png"),
            "{error}"
        );
        assert_eq!(place(error), ("x.tar".into(), Position::Member("a.png".into())));
    }
}

#[test]
fn a_picture_above_the_limit_is_not_read() {
    let (_folder, path) = shard(tar(&[
        ("a.png", &[0; 2000]),
        ("a.txt", b"a"),
        ("b.png", &png(2)),
        ("b.txt", b"b"),
    ]));
    let mut options = ReadOptions::default();
    options.image.limits.max_file_bytes = 1999;
    let ((samples, errors), set) = both(&[path], &options);
    assert_eq!(samples.len(), 1);
    for error in [&errors[0], &set.sample(0).unwrap_err()] {
        assert!(
            error
                .to_string()
                .contains("a.png: the picture has more than the 1999 bytes"),
            "{error}"
        );
    }
}

#[test]
fn pictures_need_no_text_if_targets_are_optional() {
    let (_folder, path) = shard(tar(&[("a.png", &png(1))]));
    let options = ReadOptions {
        targets: Targets::Optional,
        ..ReadOptions::default()
    };
    let ((samples, errors), _) = both(&[path], &options);
    assert_eq!((samples.len(), errors.len()), (1, 0));
}

#[test]
fn a_shard_that_changed_since_is_told() {
    let bytes = tar(&[("a.txt", b"a"), ("a.png", &png(1))]);
    let (_folder, path) = shard(&bytes);
    let set = RecordSet::<CaptionRecord>::open_shards(&[&path], &ReadOptions::default()).unwrap();
    std::fs::write(&path, &bytes[..1540]).unwrap();
    let error = set.sample(0).unwrap_err();
    assert!(matches!(error, DataError::Cut { got: 4, .. }), "{error}");
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(set.sample(0).unwrap_err(), DataError::Io { .. }));
}

#[test]
fn a_shard_that_is_missing_stops_an_index_but_no_stream() {
    let (_folder, path) = shard(tar(&[("a.txt", b"a"), ("a.png", &png(1))]));
    let paths = [Path::new("no/such.tar"), &path];
    let (samples, errors) = split(ShardStream::open(&paths, &ReadOptions::default()).unwrap());
    assert_eq!((samples.len(), errors.len()), (1, 1));
    let error = RecordSet::<CaptionRecord>::open_shards(&paths, &ReadOptions::default()).unwrap_err();
    assert!(matches!(error, DataError::Io { .. }), "{error}");
}
