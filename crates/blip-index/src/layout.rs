//! Where the parts of an index lie.
//!
//! ```text
//! preamble │ folder │ entries │ zero │ vectors │ zero │ states
//!                                    └ multiple of 64 ┘
//! ```

use std::ops::Range;

use crate::preamble::{PREAMBLE_BYTES, Preamble};

/// What vectors and states are aligned to: a line of the processor's cache.
const ALIGNMENT: u64 = 64;

/// Byte ranges of a file.
#[derive(Debug, PartialEq)]
pub(crate) struct Layout {
    pub(crate) folder: Range<u64>,
    pub(crate) entries: Range<u64>,
    pub(crate) vectors: Range<u64>,
    /// Empty, and where the vectors end, if there are none.
    pub(crate) states: Range<u64>,
}

impl Layout {
    /// `None` if the file would be longer than files can be.
    pub(crate) fn new(preamble: &Preamble) -> Option<Self> {
        let part = |start: u64, length: u64| Some(start..start.checked_add(length)?);
        let header = &preamble.header;
        let folder = part(PREAMBLE_BYTES as u64, preamble.folder_bytes as u64)?;
        let entries = part(folder.end, preamble.entries_bytes)?;
        let vectors = part(
            entries.end.checked_next_multiple_of(ALIGNMENT)?,
            preamble.count.checked_mul(header.vector_bytes() as u64)?,
        )?;
        let states = match header.state_bytes() {
            0 => vectors.end..vectors.end,
            bytes => part(
                vectors.end.checked_next_multiple_of(ALIGNMENT)?,
                preamble.count.checked_mul(bytes as u64)?,
            )?,
        };
        Some(Self {
            folder,
            entries,
            vectors,
            states,
        })
    }

    /// Bytes of the file.
    pub(crate) fn end(&self) -> u64 {
        self.states.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GalleryKind, Header, StateShape, StateType};

    fn preamble(count: u64, states: Option<StateShape>) -> Preamble {
        Preamble {
            header: Header {
                kind: GalleryKind::Pictures,
                embed_dim: 5,
                fingerprint: [0; 32],
                states,
                folder: String::new(),
            },
            folder_bytes: 3,
            count,
            entries_bytes: 60,
            entries_crc: 0,
            vectors_crc: 0,
        }
    }

    #[test]
    fn vectors_and_states_are_aligned() {
        let layout = Layout::new(&preamble(2, None)).unwrap();
        assert_eq!(layout.entries, 131..191);
        assert_eq!(layout.vectors, 192..232);
        assert_eq!(layout.end(), 232);

        let states = StateShape {
            tokens: 2,
            hidden_size: 3,
            dtype: StateType::F16,
        };
        let layout = Layout::new(&preamble(2, Some(states))).unwrap();
        assert_eq!(layout.states, 256..280);
    }

    #[test]
    fn what_cannot_be_added_is_no_layout() {
        assert_eq!(Layout::new(&preamble(u64::MAX / 20, None)), None);
        assert_eq!(Layout::new(&preamble(u64::MAX, None)), None);
    }
}
