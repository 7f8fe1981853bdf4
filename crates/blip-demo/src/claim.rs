//! What a caption says.

use crate::{Background, Color, Item, Kind, Object, Place, Relation, Shape, Size};

/// Some objects that a text names: "three small yellow triangles". What it does not say is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mention {
    /// How many.
    pub count: usize,
    /// The size of each.
    pub size: Option<Size>,
    /// The colour of each.
    pub color: Option<Color>,
    /// The shape of each.
    pub shape: Option<Shape>,
    /// Where it is; of one object alone.
    pub place: Option<Place>,
}

impl Mention {
    /// Everything about an item but its place.
    pub fn of(item: Item) -> Self {
        Self {
            count: item.count,
            size: Some(item.size),
            color: Some(item.kind.color),
            shape: Some(item.kind.shape),
            place: None,
        }
    }

    /// Colour and shape, if both are said.
    pub fn kind(&self) -> Option<Kind> {
        Some(Kind {
            color: self.color?,
            shape: self.shape?,
        })
    }

    /// Whether an object has the size, colour, shape and place that are said.
    pub fn fits(&self, object: &Object) -> bool {
        self.size.is_none_or(|size| size == object.size)
            && self.color.is_none_or(|color| color == object.kind.color)
            && self.shape.is_none_or(|shape| shape == object.kind.shape)
            && self.place.is_none_or(|place| place == Place::of(object.center))
    }
}

/// "The subject is left of the object": the mentions by their place in [`Claim::mentions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StatedRelation {
    /// The mention before the relation.
    pub subject: usize,
    /// How the subject lies to the object.
    pub relation: Relation,
    /// The mention after the relation.
    pub object: usize,
}

/// All that a caption says of a scene.
///
/// [`Claim::text`] is its canonical wording; `parse` reads every wording.
///
/// # Examples
///
/// ```
/// use blip_demo::{Background, Claim, Shape};
///
/// let claim: Claim = "a big red circle over three stars on a grey background".parse()?;
/// assert_eq!(claim.mentions[1].count, 3);
/// assert_eq!(claim.mentions[1].shape, Some(Shape::Star));
/// assert_eq!(claim.background, Some(Background::Grey));
/// assert_eq!(claim.text(), "a large red circle above three stars on a grey background");
/// # Ok::<(), blip_demo::DemoError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The objects, in the order of the text; at least one.
    pub mentions: Vec<Mention>,
    /// Relations between a mention and the next.
    pub relations: Vec<StatedRelation>,
    /// What the objects are said to lie on.
    pub background: Option<Background>,
}
