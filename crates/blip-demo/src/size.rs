//! How large an object is.

/// Two sizes with a clear gap between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Size {
    /// A radius of 0.08 to 0.1 of the picture's side.
    Small,
    /// A radius of 0.135 to 0.15 of the picture's side.
    Large,
}

impl Size {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Small, Self::Large];

    /// The adjective in canonical texts: "small", "large".
    pub fn word(self) -> &'static str {
        self.words()[0]
    }

    /// All adjectives for it, the canonical one first.
    pub(crate) fn words(self) -> &'static [&'static str] {
        match self {
            Self::Small => &["small", "little"],
            Self::Large => &["large", "big"],
        }
    }

    /// The other size.
    pub fn other(self) -> Self {
        match self {
            Self::Small => Self::Large,
            Self::Large => Self::Small,
        }
    }

    /// The least and the largest radius, in sides of the picture.
    pub fn radii(self) -> [f32; 2] {
        match self {
            Self::Small => [0.08, 0.1],
            Self::Large => [0.135, 0.15],
        }
    }
}
