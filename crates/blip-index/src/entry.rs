//! What an index knows of a picture or a text, besides its vector.
//!
//! ```text
//! [ u32 bytes of the name ][ u32 CRC of the states ][ u64 length ][ i64 modified ][ name ]
//! ```

use std::fs::Metadata;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::cursor::Cursor;

/// The longest name, in bytes of UTF-8.
pub const MAX_NAME_BYTES: usize = 1 << 16;

/// Bytes of an entry without its name.
pub(crate) const ENTRY_BYTES: usize = 24;

/// A picture or a text of the gallery. Two entries are the same, and have the same vector, if all fields are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// The picture's path relative to the gallery's folder, with `/`; or the text itself. It is kept as it comes: an
    /// index from elsewhere may hold names that lead out of the folder.
    pub name: String,
    /// The length of the picture's file in bytes; 0 for a text.
    pub length: u64,
    /// When the picture's file was modified, in nanoseconds since 1970-01-01 UTC; 0 for a text.
    pub modified: i64,
}

impl Entry {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            name: text.into(),
            length: 0,
            modified: 0,
        }
    }

    /// A picture, from what the file system says of it. Where that keeps no times, `modified` is 0, and a change is
    /// told by the length alone.
    pub fn picture(name: impl Into<String>, metadata: &Metadata) -> Self {
        Self {
            name: name.into(),
            length: metadata.len(),
            modified: metadata.modified().map_or(0, nanoseconds),
        }
    }
}

/// What [`IndexWriter::append`](crate::IndexWriter::append) takes: an entry, and what the model made of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Record<'a> {
    /// The picture or text.
    pub entry: &'a Entry,
    /// Its vector, `[embed_dim]`.
    pub vector: &'a [f32],
    /// Its hidden states, `[tokens, hidden_size]`, for an index that keeps them.
    pub states: Option<&'a [f32]>,
}

/// Nanoseconds since the epoch, negative before it; the nearest that there is for years before 1677 and after 2262.
fn nanoseconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |before| -before),
    }
}

/// Appends an entry as it is stored. Its name was checked to be at most [`MAX_NAME_BYTES`].
pub(crate) fn encode_entry(entry: &Entry, states_crc: u32, bytes: &mut Vec<u8>) {
    bytes.extend((entry.name.len() as u32).to_le_bytes());
    bytes.extend(states_crc.to_le_bytes());
    bytes.extend(entry.length.to_le_bytes());
    bytes.extend(entry.modified.to_le_bytes());
    bytes.extend(entry.name.as_bytes());
}

/// An entry and the CRC of its states; `None` if the bytes are none.
pub(crate) fn decode_entry(cursor: &mut Cursor) -> Option<(Entry, u32)> {
    let name_bytes = cursor.u32()? as usize;
    let states_crc = cursor.u32()?;
    let length = cursor.u64()?;
    let modified = cursor.i64()?;
    if name_bytes > MAX_NAME_BYTES {
        return None;
    }
    let name = str::from_utf8(cursor.take(name_bytes)?).ok()?.to_owned();
    let entry = Entry {
        name,
        length,
        modified,
    };
    Some((entry, states_crc))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_entry_comes_back() {
        let entry = Entry {
            name: "été/a\nb \u{1f415}.jpg".to_owned(),
            length: u64::MAX,
            modified: -1,
        };
        let mut bytes = Vec::new();
        encode_entry(&entry, 9, &mut bytes);
        assert_eq!(bytes.len(), ENTRY_BYTES + entry.name.len());
        assert_eq!(decode_entry(&mut Cursor::new(&bytes)), Some((entry.clone(), 9)));
        // No UTF-8 any more.
        bytes.pop();
        bytes.push(0xff);
        assert_eq!(decode_entry(&mut Cursor::new(&bytes)), None);
    }

    #[test]
    fn times_before_the_epoch_are_negative() {
        assert_eq!(nanoseconds(UNIX_EPOCH + Duration::from_nanos(5)), 5);
        assert_eq!(nanoseconds(UNIX_EPOCH - Duration::from_nanos(5)), -5);
        assert_eq!(nanoseconds(UNIX_EPOCH + Duration::from_secs(1 << 40)), i64::MAX);
    }
}
