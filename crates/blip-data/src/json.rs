//! Files of JSON objects: an array, or one object a line.
//!
//! ```text
//! [ {…}, {…} ]   ─┐
//!                 ├▶ one object after the other, with its place; nothing but the current one is held
//! {…} ⏎ {…} ⏎    ─┘
//! ```

use std::cell::Cell;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde::de::{Deserializer as _, Error as _, SeqAccess, Visitor};
use serde_json::{Deserializer, Value};

use crate::field::{Fault, Object, shown, shown_text};
use crate::{DataError, Place, Position, ReadLimits};

/// What takes an object, or what is wrong with it, and may stop the reading.
type Take<'a> = dyn FnMut(Position, Result<Object, DataError>) -> Result<(), DataError> + 'a;

/// Reads a file's objects one after the other.
pub(crate) fn read_objects(
    path: &Path,
    limits: ReadLimits,
    mut take: impl FnMut(Position, Result<Object, DataError>) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let failed = |source| DataError::Io {
        path: path.into(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let got = file.metadata().map_err(failed)?.len();
    let limit = limits.max_file_bytes;
    if got > limit {
        return Err(DataError::FileTooLarge {
            path: path.into(),
            got,
            limit,
        });
    }
    let mut reader = BufReader::with_capacity(1 << 16, file.take(limit));
    match first_character(&mut reader).map_err(failed)? {
        Some(b'[') => read_array(reader, path, limits.max_record_bytes, &mut take),
        Some(b'{') => read_lines(reader, path, limits.max_record_bytes, &mut take),
        other => Err(DataError::Form {
            path: path.into(),
            got: match other {
                Some(byte) => shown_text(&char::from(byte).to_string()),
                None => "nothing".into(),
            },
        }),
    }
}

/// The first byte after a byte order mark and white space. Both it and the white space stay unread.
fn first_character(reader: &mut impl BufRead) -> io::Result<Option<u8>> {
    if reader.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
        reader.consume(3);
    }
    let mut bytes = reader.fill_buf()?.iter();
    Ok(bytes.find(|byte| !byte.is_ascii_whitespace()).copied())
}

fn read_array(reader: impl BufRead, path: &Path, limit: usize, take: &mut Take<'_>) -> Result<(), DataError> {
    let left = Cell::new(limit);
    let mut deserializer = Deserializer::from_reader(Metered { reader, left: &left });
    let mut number = 0;
    let mut stopped = None;
    let elements = Elements(|value| {
        let position = Position::Record(number);
        let object = object(value, path, &position);
        number += 1;
        left.set(limit);
        take(position, object)
            .map_err(|error| stopped = Some(error))
            .is_ok()
    });
    let parsed = deserializer
        .deserialize_seq(elements)
        .and_then(|()| deserializer.end());
    match (stopped, parsed) {
        (Some(error), _) => Err(error),
        (None, Ok(())) => Ok(()),
        (None, Err(_)) if left.get() == 0 => Err(DataError::RecordTooLarge {
            place: Place {
                file: path.into(),
                position: Position::Record(number),
            },
            limit,
        }),
        (None, Err(error)) if error.is_io() => Err(DataError::Io {
            path: path.into(),
            source: error.into(),
        }),
        (None, Err(error)) => Err(DataError::Json {
            path: path.into(),
            source: error.into(),
        }),
    }
}

/// A reader that fails when no bytes are left, so that no element takes more memory than a record may.
struct Metered<'a, R> {
    reader: R,
    left: &'a Cell<usize>,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // The parser asks for one byte at a time.
        let length = self.reader.read(buffer)?;
        match self.left.get().checked_sub(length) {
            Some(left) if left > 0 => self.left.set(left),
            _ => {
                self.left.set(0);
                return Err(io::Error::other("a record is too long"));
            }
        }
        Ok(length)
    }
}

/// Hands on an array's elements while it is parsed, as long as they are wanted.
struct Elements<F>(F);

impl<'de, F: FnMut(Value) -> bool> Visitor<'de> for Elements<F> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<(), A::Error> {
        while let Some(value) = elements.next_element()? {
            if !(self.0)(value) {
                return Err(A::Error::custom("no more elements are wanted"));
            }
        }
        Ok(())
    }
}

/// A record's value, which has to be an object.
fn object(value: Value, path: &Path, position: &Position) -> Result<Object, DataError> {
    match value {
        Value::Object(object) => Ok(object),
        other => {
            let fault = Fault::new("record", "a JSON object", shown(Some(&other)));
            Err(fault.at(Place {
                file: path.into(),
                position: position.clone(),
            }))
        }
    }
}

fn read_lines(
    mut reader: impl BufRead,
    path: &Path,
    limit: usize,
    take: &mut Take<'_>,
) -> Result<(), DataError> {
    let mut line = Vec::new();
    for number in 1.. {
        let length = read_line(&mut reader, &mut line, limit).map_err(|source| DataError::Io {
            path: path.into(),
            source,
        })?;
        if length == Some(0) {
            break;
        }
        let position = Position::Line(number);
        let place = || Place {
            file: path.into(),
            position: position.clone(),
        };
        let parsed = match length {
            None => Err(DataError::RecordTooLarge {
                place: place(),
                limit,
            }),
            Some(_) if line.trim_ascii().is_empty() => continue,
            Some(_) => match serde_json::from_slice(&line) {
                Ok(value) => object(value, path, &position),
                Err(error) => {
                    Err(Fault::new("record", "a JSON object on one line", error.to_string()).at(place()))
                }
            },
        };
        take(position, parsed)?;
    }
    Ok(())
}

/// Reads a line, of which no more than `limit` bytes are held; tells its length, or none if it has more.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>, limit: usize) -> io::Result<Option<usize>> {
    line.clear();
    let most = limit as u64 + 1;
    let length = reader.by_ref().take(most).read_until(b'\n', line)?;
    if length <= limit || line.last() == Some(&b'\n') {
        return Ok(Some(length));
    }
    line.clear();
    loop {
        let buffer = reader.fill_buf()?;
        let (used, ended) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(place) => (place + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        reader.consume(used);
        if ended {
            return Ok(None);
        }
    }
}
