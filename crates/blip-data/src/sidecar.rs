//! The texts that stand beside a picture, in files or in members of a shard.
//!
//! ```text
//! x.jpg ◀─┬─ x.json   {"caption": "…"} or {"captions": ["…", "…"]}; goes first
//!         ├─ x.txt    a caption a line
//!         └─ x.cls    the class's number
//! ```

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde_json::Value;

use crate::field::{Fault, Object, shown, shown_text};
use crate::option::Parsing;
use crate::{CaptionRecord, DataError, Place, Position, ReadLimits};

/// The texts beside a picture, as bytes.
#[derive(Debug, Default)]
pub(crate) struct Sidecar {
    pub(crate) json: Option<Vec<u8>>,
    pub(crate) txt: Option<Vec<u8>>,
    pub(crate) cls: Option<Vec<u8>>,
}

impl Sidecar {
    /// Whether an ending is a text's.
    pub(crate) fn has(ending: &str) -> bool {
        Self::default().slot(ending).is_some()
    }

    /// The place for the text of an ending, if there is one.
    pub(crate) fn slot(&mut self, ending: &str) -> Option<&mut Option<Vec<u8>>> {
        match ending {
            "json" => Some(&mut self.json),
            "txt" => Some(&mut self.txt),
            "cls" => Some(&mut self.cls),
            _ => None,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.json.is_none() && self.txt.is_none() && self.cls.is_none()
    }

    /// Reads the texts beside a picture's file. Classes stand in shards only.
    pub(crate) fn beside(picture: &Path, limits: ReadLimits) -> Result<Self, DataError> {
        let read = |ending| read_text(&picture.with_extension(ending), limits.max_record_bytes);
        Ok(Self {
            json: read("json")?,
            txt: read("txt")?,
            cls: None,
        })
    }

    /// What the texts say of a picture.
    pub(crate) fn record(&self, image: String, parsing: Parsing) -> Result<CaptionRecord, Fault> {
        let object = match &self.json {
            Some(bytes) => parse_object(bytes)?,
            None => Object::new(),
        };
        let mut record = CaptionRecord::about(image, &object)?;
        if let (true, Some(bytes)) = (record.captions.is_empty(), &self.txt) {
            let lines = text("txt", bytes)?.lines().map(str::trim);
            record.captions = lines.filter(|line| !line.is_empty()).map(String::from).collect();
        }
        if let Some(bytes) = &self.cls {
            let class = text("cls", bytes)?.trim();
            let number = class
                .parse()
                .map_err(|_| Fault::new("cls", "a class's number", shown_text(class)))?;
            record.class = Some(number);
        }
        record.finish(parsing)
    }
}

fn parse_object(bytes: &[u8]) -> Result<Object, Fault> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(other) => Err(Fault::new("json", "a JSON object", shown(Some(&other)))),
        Err(error) => Err(Fault::new("json", "a JSON object", error.to_string())),
    }
}

fn text<'a>(field: &str, bytes: &'a [u8]) -> Result<&'a str, Fault> {
    std::str::from_utf8(bytes).map_err(|error| {
        let got = format!("another byte at {}", error.valid_up_to());
        Fault::new(field, "UTF-8", got)
    })
}

/// A text file's bytes, if there is one.
fn read_text(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, DataError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(limit as u64 + 1).read_to_end(&mut bytes));
    match read {
        Ok(length) if length > limit => Err(DataError::RecordTooLarge {
            place: Place {
                file: path.into(),
                position: Position::Whole,
            },
            limit,
        }),
        Ok(_) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(DataError::Io {
            path: path.into(),
            source,
        }),
    }
}
