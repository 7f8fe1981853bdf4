//! What an index holds, and for which model.

use std::path::Path;

use crate::entry::MAX_NAME_BYTES;
use crate::{IndexError, StateShape};

/// What the vectors of an index were made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GalleryKind {
    /// Picture files. An entry's name is a path.
    Pictures,
    /// Texts. An entry's name is the text.
    Texts,
}

/// What an index holds, and for which model. Vectors are taken over from an index or journal only if all of it is
/// equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// Pictures or texts.
    pub kind: GalleryKind,
    /// The length of a vector, at least 1.
    pub embed_dim: usize,
    /// What tells the model from every other: a hash of its weights and of how pictures are prepared. This crate only
    /// compares it.
    pub fingerprint: [u8; 32],
    /// The hidden states that are kept for each entry, if any.
    pub states: Option<StateShape>,
    /// The gallery's folder, to which the names are relative, as the caller wants to find it again; at most
    /// [`MAX_NAME_BYTES`] long.
    pub folder: String,
}

impl Header {
    /// That a file can have it.
    pub(crate) fn check(&self, path: &Path) -> Result<(), IndexError> {
        let unsupported = |name, expected: &str, got: String| IndexError::Header {
            path: path.to_owned(),
            name,
            expected: expected.to_owned(),
            got,
        };
        let vector_bytes = self.embed_dim.checked_mul(size_of::<f32>());
        if self.embed_dim == 0 || vector_bytes.is_none() {
            let got = self.embed_dim.to_string();
            return Err(unsupported("embed_dim", "at least 1, and less than memory", got));
        }
        if let Some(states) = self.states {
            let values = states.checked_values().filter(|&values| values > 0);
            if values
                .and_then(|values| values.checked_mul(size_of::<f32>()))
                .is_none()
            {
                let got = format!("[{}, {}]", states.tokens, states.hidden_size);
                let expected = "[tokens, hidden_size] of at least 1, and less than memory";
                return Err(unsupported("states", expected, got));
            }
        }
        if self.folder.len() > MAX_NAME_BYTES {
            let expected = format!("at most {MAX_NAME_BYTES} bytes");
            return Err(unsupported("folder", &expected, self.folder.len().to_string()));
        }
        Ok(())
    }

    /// Bytes of a vector.
    pub(crate) fn vector_bytes(&self) -> usize {
        self.embed_dim * size_of::<f32>()
    }

    /// Bytes of an entry's states.
    pub(crate) fn state_bytes(&self) -> usize {
        self.states.map_or(0, StateShape::bytes)
    }
}
