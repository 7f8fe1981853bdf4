//! The one error of this crate.

use std::error::Error;
use std::path::PathBuf;

/// What can go wrong between a picture or a text from outside and what the networks take.
///
/// Input (the caller's picture, text or size), file (a vocabulary or a configuration), io (the machine).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessorError {
    /// io: a file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },

    /// input: more bytes than [`ImageLimits::max_file_bytes`](crate::ImageLimits::max_file_bytes), or than a
    /// vocabulary may have.
    #[error("the {name} has more than the {limit} bytes that are read")]
    FileTooLarge {
        /// What the bytes are.
        name: &'static str,
        /// The most that are read.
        limit: u64,
    },

    /// input: bytes that begin like no picture that can be read.
    #[error(
        "not a picture: expected PNG, JPEG, WebP, GIF, BMP or TIFF, got {length} bytes that begin with {start:02x?}"
    )]
    UnknownFormat {
        /// How many bytes came.
        length: usize,
        /// The first few of them.
        start: Vec<u8>,
    },

    /// input: a picture whose header states more pixels than [`ImageLimits`](crate::ImageLimits) allow.
    #[error(
        "the picture is {width} x {height}: expected at most {max_width} x {max_height} and {max_pixels} pixels in all"
    )]
    TooManyPixels {
        /// Pixels in a row.
        width: u32,
        /// Rows.
        height: u32,
        /// The widest that is read.
        max_width: u32,
        /// The highest that is read.
        max_height: u32,
        /// The most pixels that are read.
        max_pixels: u64,
    },

    /// input: a picture without pixels.
    #[error("the picture is {width} x {height}: expected at least 1 x 1")]
    NoPixels {
        /// Pixels in a row.
        width: usize,
        /// Rows.
        height: usize,
    },

    /// input: a picture that ends before its last row.
    #[error("the {format} picture is truncated: it ends before its last row")]
    Truncated {
        /// The format.
        format: &'static str,
    },

    /// input: a broken picture, or one with a feature of its format that is not read.
    #[error("cannot decode the {format} picture: {source}")]
    Decode {
        /// The format.
        format: &'static str,
        /// What the decoder says.
        source: Box<dyn Error + Send + Sync>,
    },

    /// input: samples that are no integers of 8 or 16 bits.
    #[error("the {format} picture has {samples} samples: expected integers of 8 or 16 bits")]
    Samples {
        /// The format.
        format: &'static str,
        /// The samples that it has.
        samples: String,
    },

    /// input: an RGB buffer of another length than its sizes say.
    #[error("an RGB picture of {width} x {height} has {width} * {height} * 3 bytes, got {got}")]
    BufferLength {
        /// Pixels in a row.
        width: usize,
        /// Rows.
        height: usize,
        /// Bytes that came.
        got: usize,
    },

    /// input: a size that nothing is resized to.
    #[error("cannot resize to {width} x {height}: expected 1 to {limit} on each side")]
    TargetSize {
        /// Pixels in a row.
        width: usize,
        /// Rows.
        height: usize,
        /// The longest side.
        limit: usize,
    },

    /// input or file: a mean or a standard deviation that gives no finite pixel values.
    #[error("{name} is {got:?}: expected three finite numbers, and none of them 0 in image_std")]
    Moments {
        /// `image_mean` or `image_std`.
        name: &'static str,
        /// The three values.
        got: [f32; 3],
    },

    /// file: a configuration or a tokenizer that is not JSON.
    #[error("{file} is not valid JSON: {source}")]
    Json {
        /// What the file is.
        file: &'static str,
        /// What the parser says.
        source: Box<dyn Error + Send + Sync>,
    },

    /// file: a value that BLIP's preprocessing cannot honour.
    #[error("{file}: {key}: expected {expected}, got {got}")]
    Key {
        /// What the file is.
        file: &'static str,
        /// The key, with dots between levels.
        key: String,
        /// What is taken.
        expected: &'static str,
        /// What the file says.
        got: String,
    },

    /// file: a vocabulary that is not UTF-8.
    #[error("the vocabulary is not UTF-8 from byte {valid_up_to} on")]
    VocabularyEncoding {
        /// Bytes that are.
        valid_up_to: usize,
    },

    /// file: an empty line in a vocabulary, which would shift every id after it.
    #[error("line {line} of the vocabulary is empty: expected one token a line")]
    EmptyToken {
        /// The line, from 1.
        line: usize,
    },

    /// file: a token that stands twice in a vocabulary.
    #[error("the vocabulary gives {token:?} two ids, {first} and {second}")]
    DuplicateToken {
        /// The token.
        token: String,
        /// Its first id.
        first: u32,
        /// Its second id.
        second: u32,
    },

    /// file: an id that two tokens share.
    #[error("the vocabulary gives the id {id} to two tokens, {first:?} and {second:?}")]
    DuplicateId {
        /// The id.
        id: u32,
        /// One of the tokens.
        first: String,
        /// The other.
        second: String,
    },

    /// file: a vocabulary without a token that every text needs.
    #[error(
        "the vocabulary of {tokens} tokens has no {token}: expected [PAD], [UNK], [CLS], [SEP] and [MASK]"
    )]
    MissingToken {
        /// The token.
        token: &'static str,
        /// How many tokens the vocabulary has.
        tokens: usize,
    },

    /// file: more ids than a vocabulary may have.
    #[error("the vocabulary reaches id {id}: expected ids below {limit}")]
    VocabularySize {
        /// The id.
        id: u64,
        /// The first id that is refused.
        limit: u32,
    },

    /// input: a length that leaves no room for `[CLS]` and `[SEP]`.
    #[error("max_length is {max_length}: expected at least 2, for [CLS] and [SEP]")]
    MaxLength {
        /// The length asked for.
        max_length: usize,
    },

    /// The tokenizer failed in its own way.
    #[error("cannot tokenize: {source}")]
    Tokenize {
        /// What it says.
        source: Box<dyn Error + Send + Sync>,
    },

    /// input: texts that no vocabulary can be trained on.
    #[error("cannot train a vocabulary: {what}")]
    Training {
        /// Why not.
        what: String,
    },
}
