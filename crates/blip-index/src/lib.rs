//! Vectors of a gallery: exact nearest-neighbour search, and one file that keeps them.
//!
//! For whoever searches pictures by text, or texts by picture, more than once: what the model makes of a gallery is
//! computed once, kept in an [`IndexFile`], brought up to date by an [`IndexWriter`] when the gallery changes, and
//! searched straight off the disk. Vectors that are in memory anyway are searched by [`ExactIndex`]. Both are a
//! [`VectorIndex`](blip_traits::VectorIndex), which is what the tasks ask for. No model and no picture lives here: a
//! model is 32 bytes of fingerprint, a picture is a name, a length and a time.
//!
//! ```text
//! vectors ─ IndexWriter::append ─▶ PATH.partial ─ finish ─▶ PATH ─ IndexFile::open ─▶ search, states
//!                                  (a journal)   ▲          │
//!                                                └──────────┘ what did not change
//! ```
//!
//! # The file
//!
//! Little-endian throughout. The gaps before the vectors and before the states are zero, and bring both to a multiple
//! of 64 bytes.
//!
//! ```text
//!   0 ┌──────────────────────────────────────────────────────────────────────────────────────┐
//!     │ magic "BLIPidx\n" │ u32 version │ u32 kind │ u64 embed_dim │ fingerprint, 32 bytes    │
//!     │ u64 tokens │ u64 hidden_size │ u32 state type │ u32 bytes of the folder               │
//!     │ u64 count │ u64 bytes of the entries │ u32 CRC of folder and entries                 │
//!     │ u32 CRC of the vectors │ 20 bytes of zero │ u32 CRC of the 124 bytes before          │
//! 128 ├──────────────────────────────────────────────────────────────────────────────────────┤
//!     │ folder, UTF-8                                                                        │
//!     │ entries: u32 bytes of the name │ u32 CRC of the states │ u64 length │ i64 modified   │
//!     │          │ name, UTF-8                                                               │
//!     ├──────────────────────────────────────────────────────────────────────────────────────┤
//!     │ vectors: f32 [count, embed_dim]                                                      │
//!     ├──────────────────────────────────────────────────────────────────────────────────────┤
//!     │ states, if any: f32 or f16 [count, tokens, hidden_size]                              │
//!     └──────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Opening verifies everything but the states, which may be a thousand times as large; each entry's are verified when
//! they are read. The journal has the same head with another magic, then one frame for each batch: its length, its
//! CRC, and its records (an entry as above, its vector, its states).
//!
//! # Example
//!
//! ```
//! use blip_index::{Entry, GalleryKind, Header, IndexFile, IndexWriter, Record};
//! use blip_traits::VectorIndex;
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("captions.index");
//! let header = Header {
//!     kind: GalleryKind::Texts,
//!     embed_dim: 2,
//!     fingerprint: [7; 32],
//!     states: None,
//!     folder: String::new(),
//! };
//! let entries = [Entry::text("a dog"), Entry::text("a boat")];
//! let vectors = [[1.0, 0.0], [0.6, 0.8]];
//!
//! let mut writer = IndexWriter::open(&path, &header)?;
//! for (entry, vector) in entries.iter().zip(&vectors) {
//!     if !writer.holds(entry) {
//!         // This is where the model runs.
//!         writer.append(&[Record { entry, vector, states: None }])?;
//!     }
//! }
//! writer.finish(&entries)?;
//!
//! let index = IndexFile::open_for(&path, &[7; 32])?;
//! let found = index.search(&[0.0, 1.0], 1)?;
//! assert_eq!(index.entries()[found[0].index].name, "a boat");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod base;
mod cursor;
mod entry;
mod error;
mod exact;
mod file;
mod frame;
mod header;
mod journal;
mod layout;
mod lock;
mod map;
mod nearest;
mod preamble;
mod state;
mod top;
mod writer;

pub use entry::{Entry, MAX_NAME_BYTES, Record};
pub use error::IndexError;
pub use exact::ExactIndex;
pub use file::IndexFile;
pub use header::{GalleryKind, Header};
pub use nearest::nearest;
pub use state::{StateShape, StateType};
pub use writer::IndexWriter;
