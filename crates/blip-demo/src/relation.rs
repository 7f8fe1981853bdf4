//! How one object lies to another.

/// Where the first of two objects is, seen from the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Relation {
    /// The first is to the left.
    LeftOf,
    /// The first is above.
    Above,
    /// The first is to the right.
    RightOf,
    /// The first is below.
    Below,
}

impl Relation {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::LeftOf, Self::Above, Self::RightOf, Self::Below];

    /// The least offset along the larger axis, in sides of the picture.
    pub const MIN_OFFSET: f32 = 0.25;

    /// How many times the smaller offset the larger one must be.
    pub const MIN_RATIO: f32 = 1.75;

    /// The relation of a center to another, x right and y down, or `None` if it is not clear.
    ///
    /// Only the axis of the larger offset counts: what is far left and a little above is left.
    pub fn between(first: [f32; 2], second: [f32; 2]) -> Option<Self> {
        let [x, y] = [first[0] - second[0], first[1] - second[1]];
        let (larger, smaller, relation) = if x.abs() >= y.abs() {
            let relation = if x < 0.0 { Self::LeftOf } else { Self::RightOf };
            (x.abs(), y.abs(), relation)
        } else {
            let relation = if y < 0.0 { Self::Above } else { Self::Below };
            (y.abs(), x.abs(), relation)
        };
        (larger >= Self::MIN_OFFSET && larger >= Self::MIN_RATIO * smaller).then_some(relation)
    }

    /// The relation of the second to the first.
    pub fn inverse(self) -> Self {
        match self {
            Self::LeftOf => Self::RightOf,
            Self::RightOf => Self::LeftOf,
            Self::Above => Self::Below,
            Self::Below => Self::Above,
        }
    }

    /// The words between the two objects: "to the left of".
    pub fn words(self) -> &'static str {
        self.wordings()[0]
    }

    /// All wordings of it, the canonical one first.
    pub(crate) fn wordings(self) -> &'static [&'static str] {
        match self {
            Self::LeftOf => &["to the left of", "left of"],
            Self::RightOf => &["to the right of", "right of"],
            Self::Above => &["above", "over"],
            Self::Below => &["below", "under"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_larger_axis_decides_if_it_is_clear() {
        let middle = [0.5, 0.5];
        assert_eq!(Relation::between([0.2, 0.5], middle), Some(Relation::LeftOf));
        assert_eq!(Relation::between([0.8, 0.4], middle), Some(Relation::RightOf));
        assert_eq!(Relation::between([0.5, 0.1], middle), Some(Relation::Above));
        assert_eq!(Relation::between([0.6, 0.9], middle), Some(Relation::Below));
        // Too near, and too diagonal.
        assert_eq!(Relation::between([0.3, 0.5], middle), None);
        assert_eq!(Relation::between([0.1, 0.2], middle), None);
        for relation in Relation::ALL {
            assert_eq!(relation.inverse().inverse(), relation);
            assert_ne!(relation.inverse(), relation);
        }
    }
}
