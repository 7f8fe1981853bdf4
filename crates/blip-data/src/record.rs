//! What a record is, and what is loaded for it.

use std::path::Path;

use blip_processor::RgbImage;

use crate::ReadOptions;
use crate::field::{Fault, Object};
use crate::option::Parsing;

/// A record of a data set: what is known of a picture, or of two, without the pixels.
///
/// There are three, and no others can be written: [`CaptionRecord`](crate::CaptionRecord),
/// [`QuestionRecord`](crate::QuestionRecord) and [`PairRecord`](crate::PairRecord). For other data, implement
/// [`Dataset`](crate::Dataset).
pub trait Record: Content + Clone + std::fmt::Debug + PartialEq + Send + Sync + 'static {
    /// The pixels: one picture or two.
    type Image: Clone + std::fmt::Debug + PartialEq + Send;

    /// Loads the pictures that the record names, one after the other.
    ///
    /// # Errors
    ///
    /// The first that `load` returns.
    fn load<E>(&self, load: impl FnMut(&str) -> Result<RgbImage, E>) -> Result<Self::Image, E>;
}

/// What only this crate does with records.
pub trait Content: Sized {
    #[doc(hidden)]
    fn parse(object: &Object, parsing: Parsing) -> Result<Self, Fault>;

    /// The folder that its pictures are named from.
    #[doc(hidden)]
    fn root<'a>(&self, options: &'a ReadOptions) -> &'a Path {
        &options.image_root
    }
}

/// A record with its pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample<R: Record> {
    /// What is known.
    pub record: R,
    /// u8 `[height, width, 3]`, of any size; for pairs, two of them.
    pub image: R::Image,
}
