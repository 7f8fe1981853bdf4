//! What the objects lie on.

/// The colour of the picture around the objects: none that an object can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Background {
    /// Nearly white, so that its shading shows.
    White,
    /// A middle grey.
    Grey,
    /// Nearly black.
    Black,
    /// A dark brown.
    Brown,
}

impl Background {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::White, Self::Grey, Self::Black, Self::Brown];

    /// The adjective: "white".
    pub fn word(self) -> &'static str {
        match self {
            Self::White => "white",
            Self::Grey => "grey",
            Self::Black => "black",
            Self::Brown => "brown",
        }
    }

    /// Red, green and blue in 0..=255, before shading.
    pub(crate) fn rgb(self) -> [f32; 3] {
        match self {
            Self::White => [238.0, 238.0, 238.0],
            Self::Grey => [150.0, 150.0, 150.0],
            Self::Black => [24.0, 24.0, 24.0],
            Self::Brown => [105.0, 70.0, 42.0],
        }
    }
}
