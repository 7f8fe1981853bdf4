//! A batch in the journal: whole, or dropped.
//!
//! ```text
//! [ u64 bytes of the records ][ u32 CRC of that and of the records ][ record ]…
//! record: [ entry ][ vector, f32 [embed_dim] ][ states, if any ]
//! ```

use std::path::Path;

use crate::cursor::Cursor;
use crate::entry::{MAX_NAME_BYTES, decode_entry, encode_entry};
use crate::error::shortened;
use crate::state::encode_f32;
use crate::{Entry, Header, IndexError, Record, StateShape};

/// Bytes before the records.
const FRAME_BYTES: usize = LENGTH_BYTES + size_of::<u32>();

const LENGTH_BYTES: usize = size_of::<u64>();

/// Where a record of a frame lies.
#[derive(Debug, PartialEq)]
pub(crate) struct Placed {
    pub(crate) entry: Entry,
    pub(crate) states_crc: u32,
    /// The vector's place, in bytes from the start of the frame; its states follow.
    pub(crate) vector: usize,
}

/// A frame of at least one record. `path` is named in errors.
pub(crate) fn encode_frame(path: &Path, header: &Header, records: &[Record]) -> Result<Vec<u8>, IndexError> {
    let mut frame = vec![0; FRAME_BYTES];
    for record in records {
        check_sizes(path, header, record)?;
        let not_finite = |what| IndexError::NotFinite {
            path: path.to_owned(),
            what,
            name: shortened(&record.entry.name),
        };
        if !record.vector.iter().all(|value| value.is_finite()) {
            return Err(not_finite("the vector"));
        }
        let mut states = Vec::with_capacity(header.state_bytes());
        if let (Some(shape), Some(values)) = (header.states, record.states)
            && !shape.encode(values, &mut states)
        {
            return Err(not_finite("the states"));
        }
        encode_entry(record.entry, states_crc(&states), &mut frame);
        encode_f32(record.vector, &mut frame);
        frame.append(&mut states);
    }
    let length = (frame.len() - FRAME_BYTES) as u64;
    frame[..LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
    let crc = frame_crc(length, &frame[FRAME_BYTES..]);
    frame[LENGTH_BYTES..FRAME_BYTES].copy_from_slice(&crc.to_le_bytes());
    Ok(frame)
}

/// The first frame's length and records; `None` where no whole frame starts.
pub(crate) fn decode_frame(header: &Header, bytes: &[u8]) -> Option<(usize, Vec<Placed>)> {
    let mut cursor = Cursor::new(bytes);
    let length = cursor.u64()?;
    let crc = cursor.u32()?;
    let records = cursor.take(usize::try_from(length).ok()?)?;
    if records.is_empty() || frame_crc(length, records) != crc {
        return None;
    }
    let end = FRAME_BYTES + records.len();
    let mut placed = Vec::new();
    let mut cursor = Cursor::new(records);
    while !cursor.is_empty() {
        let (entry, states_crc) = decode_entry(&mut cursor)?;
        let vector = end - cursor.remaining();
        cursor.take(header.vector_bytes())?;
        cursor.take(header.state_bytes())?;
        placed.push(Placed {
            entry,
            states_crc,
            vector,
        });
    }
    Some((end, placed))
}

fn frame_crc(length: u64, records: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&length.to_le_bytes());
    crc.update(records);
    crc.finalize()
}

/// The checksum of states as they are stored; 0 if there are none.
fn states_crc(states: &[u8]) -> u32 {
    // That is what the algorithm gives for nothing, too.
    crc32fast::hash(states)
}

/// That a record has the sizes that the header announces.
fn check_sizes(path: &Path, header: &Header, record: &Record) -> Result<(), IndexError> {
    let name = &record.entry.name;
    if name.len() > MAX_NAME_BYTES {
        return Err(IndexError::NameTooLong {
            path: path.to_owned(),
            name: shortened(name),
            length: name.len(),
            limit: MAX_NAME_BYTES,
        });
    }
    let states = header.states.map_or(0, StateShape::values);
    for (what, expected, got) in [
        ("the vector", header.embed_dim, record.vector.len()),
        ("the states", states, record.states.map_or(0, <[f32]>::len)),
    ] {
        if got != expected {
            return Err(IndexError::Length {
                path: path.to_owned(),
                what,
                name: shortened(name),
                expected,
                got,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GalleryKind, StateType};

    #[test]
    fn a_frame_is_whole_or_none() {
        let header = Header {
            kind: GalleryKind::Texts,
            embed_dim: 2,
            fingerprint: [0; 32],
            states: Some(StateShape {
                tokens: 1,
                hidden_size: 2,
                dtype: StateType::F16,
            }),
            folder: String::new(),
        };
        let entry = Entry::text("a dog");
        let record = Record {
            entry: &entry,
            vector: &[1.0, 2.0],
            states: Some(&[3.0, 4.0]),
        };
        let frame = encode_frame(Path::new("texts.index"), &header, &[record, record]).unwrap();
        let (length, placed) = decode_frame(&header, &frame).unwrap();
        assert_eq!(length, frame.len());
        assert_eq!(placed.len(), 2);
        assert_eq!(placed[0].entry, entry);
        assert_eq!(frame[placed[0].vector..][..4], 1.0_f32.to_le_bytes());
        assert_eq!(placed[1].vector, placed[0].vector + 8 + 4 + 24 + 5);

        for cut in 0..frame.len() {
            assert_eq!(decode_frame(&header, &frame[..cut]), None);
        }
        for at in 0..frame.len() {
            let mut frame = frame.clone();
            frame[at] ^= 1;
            assert_eq!(decode_frame(&header, &frame), None, "{at}");
        }
        // A file system may lengthen a file before it stores what was written.
        assert_eq!(decode_frame(&header, &[0; 64]), None);
    }
}
