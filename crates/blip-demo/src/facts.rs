//! What a scene shows, as texts can tell it.

use crate::{Background, Kind, Relation, Size};

/// Alike objects of a scene: one, or a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Item {
    /// Colour and shape of each.
    pub kind: Kind,
    /// The size of each.
    pub size: Size,
    /// How many.
    pub count: usize,
}

/// Everything about a scene that its canonical caption says; places, shades and noise are no facts.
///
/// Scenes with equal facts have the same [`full_caption`](crate::Scene::full_caption) but for the order of three
/// objects or more, and scenes with unequal facts never have the same. Use it as a key to choose scenes that a text
/// can tell apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Facts {
    /// What the objects lie on.
    pub background: Background,
    /// The items. Two single objects with a clear relation: the left or upper one first. Else sorted.
    pub items: Vec<Item>,
    /// [`Relation::LeftOf`] or [`Relation::Above`] of the first to the second of two single objects.
    pub relation: Option<Relation>,
}
