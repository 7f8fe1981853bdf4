//! How a scene is drawn by lot: first what it shows, then where.
//!
//! The picture has three rows of three cells, with at most one object in each. An object that is seen whole in one patch
//! of the image encoder is learned from a hundred thousand scenes; one that lies across several takes millions.

use rand::Rng;

use crate::draw::Draw;
use crate::{Background, Color, Facts, Item, Kind, Object, Relation, Shape, Size, Split};

/// The sorts of scenes, with their weights in a hundred.
const LAYOUTS: [(Layout, usize); 5] = [
    (Layout::Single, 20),
    (Layout::Pair, 30),
    (Layout::Group, 20),
    (Layout::Triple, 15),
    (Layout::GroupAndOne, 15),
];

/// A sort of scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// One object.
    Single,
    /// Two of different kinds, one clearly left of or above the other.
    Pair,
    /// Two to four alike.
    Group,
    /// Three of different kinds.
    Triple,
    /// Two or three alike, and one of another kind.
    GroupAndOne,
}

/// The least offset to the right from one of three objects to the next, in sides: their order must be seen.
const MIN_STEP: f32 = 0.1;

/// A background and objects of a split.
pub(crate) fn sample<R: Rng + ?Sized>(rng: &mut R, split: Split) -> (Background, Vec<Object>) {
    let layout = sample_layout(rng);
    // The layout first: were it drawn anew each time, held-out scenes would be mostly those with many pairs.
    let (background, items) = loop {
        let facts = Facts {
            background: Background::ALL[rng.below(Background::ALL.len())],
            items: sample_items(rng, layout),
            relation: None,
        };
        if Split::of(&facts) == split {
            break (facts.background, facts.items);
        }
    };
    (background, place(rng, layout, &items))
}

/// A layout by its weight.
fn sample_layout<R: Rng + ?Sized>(rng: &mut R) -> Layout {
    let mut left = rng.below(LAYOUTS.iter().map(|(_, weight)| weight).sum());
    for (layout, weight) in LAYOUTS {
        if left < weight {
            return layout;
        }
        left -= weight;
    }
    Layout::Single
}

/// What a scene of this layout shows.
fn sample_items<R: Rng + ?Sized>(rng: &mut R, layout: Layout) -> Vec<Item> {
    let counts = match layout {
        Layout::Single => vec![1],
        Layout::Pair => vec![1, 1],
        Layout::Group => vec![2 + rng.below(3)],
        Layout::Triple => vec![1, 1, 1],
        Layout::GroupAndOne => vec![2 + rng.below(2), 1],
    };
    let mut items: Vec<Item> = Vec::with_capacity(counts.len());
    for count in counts {
        let kind = loop {
            let kind = sample_kind(rng, items.last().map(|item| item.kind));
            if items.iter().all(|item| item.kind != kind) {
                break kind;
            }
        };
        let size = Size::ALL[rng.below(Size::ALL.len())];
        items.push(Item { kind, size, count });
    }
    items
}

/// A kind; often with the shape or the colour of the one before, so that neither alone tells objects apart.
fn sample_kind<R: Rng + ?Sized>(rng: &mut R, before: Option<Kind>) -> Kind {
    let kind = Kind {
        color: Color::ALL[rng.below(Color::ALL.len())],
        shape: Shape::ALL[rng.below(Shape::ALL.len())],
    };
    match (before, rng.below(10)) {
        (Some(before), 0..=1) => Kind {
            shape: before.shape,
            ..kind
        },
        (Some(before), 2..=3) => Kind {
            color: before.color,
            ..kind
        },
        _ => kind,
    }
}

/// Objects for the items, each somewhere in a cell of its own.
fn place<R: Rng + ?Sized>(rng: &mut R, layout: Layout, items: &[Item]) -> Vec<Object> {
    let mut cells: Vec<usize> = (0..CELLS * CELLS).collect();
    loop {
        rng.shuffle(&mut cells);
        let objects: Vec<Object> = items
            .iter()
            .flat_map(|item| std::iter::repeat_n(item, item.count))
            .zip(&cells)
            .map(|(item, &cell)| sample_object(rng, item, [cell % CELLS, cell / CELLS]))
            .collect();
        if is_clear(layout, &objects) {
            return objects;
        }
    }
}

/// Cells in a row, and rows of them.
const CELLS: usize = 3;

/// An object of an item, anywhere in a cell, counted from the left and from above.
fn sample_object<R: Rng + ?Sized>(rng: &mut R, item: &Item, cell: [usize; 2]) -> Object {
    let [least, most] = item.size.radii();
    let radius = rng.between(least, most);
    let edge = radius + Object::MARGIN;
    let side = 1.0 / CELLS as f32;
    Object {
        kind: item.kind,
        size: item.size,
        center: cell.map(|place| place as f32 * side + rng.between(edge, side - edge)),
        radius,
        angle: rng.between(-Object::MAX_ANGLE, Object::MAX_ANGLE),
        hue_shift: rng.between(-4.0, 4.0),
        brightness: rng.between(0.94, 1.06),
    }
}

/// Whether the objects are apart, and lie as the layout wants.
fn is_clear(layout: Layout, objects: &[Object]) -> bool {
    let apart = objects.iter().enumerate().all(|(place, first)| {
        objects[place + 1..].iter().all(|second| {
            first.gap(second) >= Object::GAP
                && (layout != Layout::Triple || (first.center[0] - second.center[0]).abs() >= MIN_STEP)
        })
    });
    let related = layout != Layout::Pair || Relation::between(objects[0].center, objects[1].center).is_some();
    apart && related
}
