//! What an object is called.

use crate::{Color, Shape};

/// A colour and a shape: "red circle".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind {
    /// The colour.
    pub color: Color,
    /// The shape.
    pub shape: Shape,
}

impl Kind {
    /// How many there are.
    pub const COUNT: usize = Color::ALL.len() * Shape::ALL.len();

    /// A kind from its two halves.
    pub const fn new(color: Color, shape: Shape) -> Self {
        Self { color, shape }
    }

    /// All of them, by colour, then by shape.
    pub fn all() -> impl Iterator<Item = Self> {
        Color::ALL
            .into_iter()
            .flat_map(|color| Shape::ALL.into_iter().map(move |shape| Self { color, shape }))
    }

    /// Its place in [`Kind::all`].
    pub(crate) fn index(self) -> usize {
        self.color as usize * Shape::ALL.len() + self.shape as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_a_place_in_all() {
        assert_eq!(Kind::all().count(), Kind::COUNT);
        assert!(Kind::all().enumerate().all(|(place, kind)| kind.index() == place));
    }
}
