//! Where an object is.

/// A ninth of the picture: one of three columns in one of three rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// The upper left corner.
    TopLeft,
    /// The middle of the upper row.
    Top,
    /// The upper right corner.
    TopRight,
    /// The middle of the left column.
    Left,
    /// The middle of both.
    Middle,
    /// The middle of the right column.
    Right,
    /// The lower left corner.
    BottomLeft,
    /// The middle of the lower row.
    Bottom,
    /// The lower right corner.
    BottomRight,
}

impl Place {
    /// All of them, row by row.
    pub const ALL: [Self; 9] = [
        Self::TopLeft,
        Self::Top,
        Self::TopRight,
        Self::Left,
        Self::Middle,
        Self::Right,
        Self::BottomLeft,
        Self::Bottom,
        Self::BottomRight,
    ];

    /// The place of a center, x right and y down, in sides of the picture.
    pub fn of([x, y]: [f32; 2]) -> Self {
        let third = |at: f32| ((at * 3.0) as usize).min(2);
        Self::ALL[3 * third(y) + third(x)]
    }

    /// Its name: "top left".
    pub fn word(self) -> &'static str {
        self.phrase()
            .rsplit_once("the ")
            .map_or(self.phrase(), |(_, word)| word)
    }

    /// What a text says behind an object: "at the top left".
    pub fn phrase(self) -> &'static str {
        match self {
            Self::TopLeft => "at the top left",
            Self::Top => "at the top",
            Self::TopRight => "at the top right",
            Self::Left => "on the left",
            Self::Middle => "in the middle",
            Self::Right => "on the right",
            Self::BottomLeft => "at the bottom left",
            Self::Bottom => "at the bottom",
            Self::BottomRight => "at the bottom right",
        }
    }
}
