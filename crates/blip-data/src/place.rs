//! Where a record stands.

use std::fmt;
use std::path::PathBuf;

/// Where a record stands: what its complaints begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file: of annotations, a shard, or the picture itself in a folder.
    pub file: PathBuf,
    /// Where in the file.
    pub position: Position,
}

/// Where in a file a record stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position {
    /// The file is the record.
    Whole,
    /// In a JSON array, counted from 0.
    Record(usize),
    /// In a file of JSON lines, counted from 1.
    Line(usize),
    /// A member of an archive.
    Member(String),
    /// A byte of an archive, counted from 0.
    Byte(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        match &self.position {
            Position::Whole => write!(formatter, "{file}"),
            Position::Record(number) => write!(formatter, "{file}, record {number}"),
            Position::Line(number) => write!(formatter, "{file}, line {number}"),
            Position::Member(name) => write!(formatter, "{file}, {name}"),
            Position::Byte(offset) => write!(formatter, "{file}, byte {offset}"),
        }
    }
}
