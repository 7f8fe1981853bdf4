//! Folders of pictures with texts beside them.

use blip_data::{CaptionRecord, DataError, Dataset, Position, ReadLimits, ReadOptions, RecordSet, Targets};

use crate::fixture::{place, png, write};

#[test]
fn pictures_are_found_in_order_with_their_texts() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for (name, red) in [
        ("b/x.PNG", 3),
        ("b/a/y.png", 2),
        ("a.png", 1),
        ("c.v2.png", 4),
        ("d.png", 5),
    ] {
        write(root, name, png(red));
    }
    write(root, "b/x.json", r#"{"captions": ["One.", "Two."], "key": 1}"#);
    write(root, "b/a/y.txt", "First line\n\n  second LINE \r\n");
    write(root, "a.json", r#"{"caption": "json"}"#);
    write(root, "a.txt", "txt");
    write(root, "c.v2.txt", "dots");
    write(root, "d.json", r#"{"caption": null}"#);
    write(root, "d.txt", "fallback");
    write(root, "notes.txt", "no picture");
    write(root, ".hidden.png", "no picture");
    write(root, ".git/x.png", "no picture");

    let set = RecordSet::<CaptionRecord>::open_folder(root, &ReadOptions::default()).unwrap();
    assert_eq!(set.skipped().count(), 0, "{}", set.skipped());
    let found: Vec<(u8, String, Vec<String>)> = set
        .samples()
        .map(|sample| {
            let sample = sample.unwrap();
            (
                sample.image.as_bytes()[0],
                sample.record.image,
                sample.record.captions,
            )
        })
        .collect();
    let expected = [
        (1, "a.png", vec!["json"]),
        (2, "b/a/y.png", vec!["first line", "second line"]),
        (3, "b/x.PNG", vec!["one", "two"]),
        (4, "c.v2.png", vec!["dots"]),
        (5, "d.png", vec!["fallback"]),
    ]
    .map(|(red, name, captions)| {
        (
            red,
            name.to_owned(),
            captions.into_iter().map(String::from).collect(),
        )
    });
    assert_eq!(found, expected);
    assert_eq!(set.image_numbers(), [0, 1, 2, 3, 4]);
    let place = set.place(1).unwrap();
    assert_eq!(
        (place.file, place.position),
        (root.join("b/a/y.png"), Position::Whole)
    );
}

#[test]
fn every_broken_text_is_told_with_its_picture() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for name in ["a", "b", "c", "d", "e", "f", "g"] {
        write(root, &format!("{name}.png"), png(1));
    }
    write(root, "a.txt", "good");
    write(root, "c.txt", "\n \n");
    write(root, "d.json", "{");
    write(root, "e.json", "[]");
    write(root, "f.txt", b"\xff");
    write(root, "g.txt", "x".repeat(101));
    let options = ReadOptions {
        limits: ReadLimits {
            max_record_bytes: 100,
            ..ReadLimits::default()
        },
        ..ReadOptions::default()
    };
    let set = RecordSet::<CaptionRecord>::open_folder(root, &options).unwrap();
    assert_eq!(set.len(), 1);
    let complaints: Vec<String> = set.skipped().errors().iter().map(ToString::to_string).collect();
    let expected = [
        "b.png: caption: expected a string or a list of strings, got none",
        "c.png: caption: expected a string or a list of strings, got none",
        "d.png: json: expected a JSON object, got EOF",
        "e.png: json: expected a JSON object, got a list of 0",
        "f.png: txt: expected UTF-8, got another byte at 0",
        "g.txt: expected at most 100 bytes of text",
    ];
    assert_eq!(complaints.len(), expected.len());
    for (complaint, expected) in complaints.iter().zip(expected) {
        assert!(complaint.contains(expected), "{complaint}");
    }
    assert_eq!(
        place(&set.skipped().errors()[0]),
        ("b.png".into(), Position::Whole)
    );
}

#[test]
fn pictures_need_no_text_if_targets_are_optional() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.png", png(1));
    write(folder.path(), "b.png", "broken");
    let error = RecordSet::<CaptionRecord>::open_folder(folder.path(), &ReadOptions::default()).unwrap_err();
    assert!(
        matches!(&error, DataError::NoRecords { skipped: 2, .. }),
        "{error}"
    );
    let options = ReadOptions {
        targets: Targets::Optional,
        ..ReadOptions::default()
    };
    let set = RecordSet::<CaptionRecord>::open_folder(folder.path(), &options).unwrap();
    assert_eq!(set.len(), 2);
    let error = set.sample(1).unwrap_err();
    assert_eq!(place(&error), ("b.png".into(), Position::Whole));
    let limited = ReadOptions {
        limits: ReadLimits {
            max_records: 1,
            ..ReadLimits::default()
        },
        ..options
    };
    let error = RecordSet::<CaptionRecord>::open_folder(folder.path(), &limited).unwrap_err();
    assert!(
        matches!(error, DataError::TooManyRecords { limit: 1, .. }),
        "{error}"
    );
}

#[test]
fn a_folder_of_nothing_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let open = |path| RecordSet::<CaptionRecord>::open_folder(path, &ReadOptions::default()).unwrap_err();
    assert!(matches!(
        open(folder.path().to_owned()),
        DataError::NoRecords {
            skipped: 0,
            first: None,
            ..
        }
    ));
    assert!(matches!(
        open(folder.path().join("missing")),
        DataError::Io { .. }
    ));
}

#[cfg(unix)]
#[test]
fn links_to_folders_are_not_followed_and_dead_links_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(root, "a.png", png(1));
    std::os::unix::fs::symlink(root, root.join("loop.png")).unwrap();
    std::os::unix::fs::symlink(root, root.join("loop")).unwrap();
    std::os::unix::fs::symlink(root.join("a.png"), root.join("b.png")).unwrap();
    std::os::unix::fs::symlink(root.join("nowhere"), root.join("c.png")).unwrap();
    let options = ReadOptions {
        targets: Targets::Optional,
        ..ReadOptions::default()
    };
    let set = RecordSet::<CaptionRecord>::open_folder(root, &options).unwrap();
    let images: Vec<&str> = set.records().map(|record| record.image.as_str()).collect();
    assert_eq!(images, ["a.png", "b.png", "c.png"]);
    assert!(set.sample(1).is_ok());
    assert!(matches!(set.sample(2).unwrap_err(), DataError::Picture { .. }));
}
