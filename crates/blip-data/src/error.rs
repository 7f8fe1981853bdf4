//! The one error of this crate.

use std::error::Error;
use std::path::PathBuf;

use blip_processor::ProcessorError;

use crate::{CropBox, Place};

/// What can be wrong with data, or with what was asked of it.
///
/// A broken record says where it stands ([`place`](Self::place)) and harms no other; everything else stops what was
/// asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// io: a file or a folder could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },

    /// input: a file of annotations that is neither a JSON array nor JSON lines.
    #[error("{}: expected a JSON array or one JSON object a line, got {got}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// How it begins.
        got: String,
    },

    /// input: a JSON array that breaks off or is malformed. Nothing of it is used, since its rest cannot be found.
    #[error("{}: not a valid JSON array: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What the parser says, with line and column.
        source: Box<dyn Error + Send + Sync>,
    },

    /// input: a file above [`ReadLimits::max_file_bytes`](crate::ReadLimits::max_file_bytes).
    #[error("{} has {got} bytes: expected at most {limit}", path.display())]
    FileTooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes that it has.
        got: u64,
        /// The most that are read.
        limit: u64,
    },

    /// input: more records than [`ReadLimits::max_records`](crate::ReadLimits::max_records).
    #[error("{} brings more than {limit} records", path.display())]
    TooManyRecords {
        /// The file or folder that brings one too many.
        path: PathBuf,
        /// The most that are read.
        limit: usize,
    },

    /// input: a file or a folder without one record that can be used.
    #[error("{}: no record can be used; {skipped} are broken{}", path.display(), first_of(first))]
    NoRecords {
        /// The file or folder.
        path: PathBuf,
        /// How many are broken.
        skipped: usize,
        /// The first of those.
        first: Option<Box<DataError>>,
    },

    /// record: a value that is missing, or is not what it should be.
    #[error("{place}: {field}: expected {expected}, got {got}")]
    Field {
        /// The record.
        place: Place,
        /// The value's name.
        field: String,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        got: String,
    },

    /// record: more bytes than [`ReadLimits::max_record_bytes`](crate::ReadLimits::max_record_bytes).
    #[error("{place}: expected at most {limit} bytes of text")]
    RecordTooLarge {
        /// The record.
        place: Place,
        /// The most that are read.
        limit: usize,
    },

    /// record: a picture that is missing, cannot be read, or cannot be decoded.
    #[error("{place}: {image}: {source}")]
    Picture {
        /// The record.
        place: Place,
        /// The picture, as the record names it.
        image: String,
        /// What is wrong with it.
        source: Box<ProcessorError>,
    },

    /// record: a member of an archive that ends before its last byte.
    #[error("{place}: expected {expected} bytes, got {got}: the archive is cut")]
    Cut {
        /// The member.
        place: Place,
        /// Bytes that its header says.
        expected: u64,
        /// Bytes that are there.
        got: u64,
    },

    /// record: an archive that cannot be read any further. What stands before is used.
    #[error("{place}: expected {expected}, got {got}")]
    Archive {
        /// The byte.
        place: Place,
        /// What should be there.
        expected: &'static str,
        /// What is there.
        got: String,
    },

    /// caller: a sample that does not exist.
    #[error("no sample {index}: there are {len}")]
    Index {
        /// The index asked for.
        index: usize,
        /// How many samples there are.
        len: usize,
    },

    /// caller: a part that is empty or reaches beyond its picture.
    #[error("expected a part of a picture of {width} x {height}, got {crop:?}")]
    CropBox {
        /// The part.
        crop: CropBox,
        /// The picture's columns.
        width: usize,
        /// The picture's rows.
        height: usize,
    },

    /// caller: a number that means nothing.
    #[error("{name}: expected {expected}, got {got}")]
    Parameter {
        /// Its name.
        name: &'static str,
        /// What is allowed.
        expected: &'static str,
        /// What came.
        got: String,
    },

    /// caller: what preprocessing refuses, such as a size.
    #[error("{source}")]
    Processor {
        /// What it says.
        #[from]
        source: ProcessorError,
    },
}

impl DataError {
    /// Where the broken record stands, if the error is about one.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Field { place, .. }
            | Self::RecordTooLarge { place, .. }
            | Self::Picture { place, .. }
            | Self::Cut { place, .. }
            | Self::Archive { place, .. } => Some(place),
            _ => None,
        }
    }
}

fn first_of(first: &Option<Box<DataError>>) -> String {
    match first {
        Some(error) => format!(", the first: {error}"),
        None => String::new(),
    }
}
