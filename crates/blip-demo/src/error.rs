//! The one error of this crate.

/// What can be wrong with a scene, a size or a text from outside.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// input: a side too small to show a shape, or too large to be meant.
    #[error("the side is {side} pixels: expected {minimum} to {maximum}")]
    Side {
        /// Pixels asked for.
        side: usize,
        /// The fewest.
        minimum: usize,
        /// The most.
        maximum: usize,
    },

    /// input: a scene of no objects, or of more than the texts can count.
    #[error("{got} objects: expected 1 to {most}")]
    ObjectCount {
        /// How many came.
        got: usize,
        /// The most.
        most: usize,
    },

    /// input: an object that is not wholly in the picture, or whose numbers are not finite.
    #[error("object {index} does not lie in the picture: center {center:?}, radius {radius}")]
    Outside {
        /// Which one.
        index: usize,
        /// Its center, in sides.
        center: [f32; 2],
        /// Its radius, in sides.
        radius: f32,
    },

    /// input: an object turned so far that a square would be no square.
    #[error("object {index} is turned by {angle}: expected at most {most} radians")]
    Angle {
        /// Which one.
        index: usize,
        /// Its angle, in radians.
        angle: f32,
        /// The largest.
        most: f32,
    },

    /// input: two objects that touch or overlap.
    #[error("objects {first} and {second} overlap")]
    Overlap {
        /// The one.
        first: usize,
        /// The other.
        second: usize,
    },

    /// input: a text that is no caption of these scenes.
    #[error("expected {expected} at word {position}, got {got}")]
    NotACaption {
        /// What could have stood there.
        expected: &'static str,
        /// Counted from 0; a comma counts as a word.
        position: usize,
        /// What stands there, quoted, or "the end".
        got: String,
    },
}
