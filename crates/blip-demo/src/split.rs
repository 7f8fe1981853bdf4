//! Which scenes are for training and which for tests.
//!
//! A scene's facts decide its split, so that no test scene can occur in training whatever the seeds:
//!
//! - [`Split::NewKind`]: one of three kinds that training neither shows nor names;
//! - [`Split::HeldOut`]: two kinds that training never shows together, or, of scenes of one kind, a kind, size, count
//!   and background that it never shows together;
//! - [`Split::Train`]: the rest.

use crate::draw::mix;
use crate::{Background, Claim, Color, Facts, Kind, Shape, Size};

/// The kinds that occur in [`Split::NewKind`] only.
pub const NEW_KINDS: [Kind; 3] = [
    Kind::new(Color::Orange, Shape::Square),
    Kind::new(Color::Cyan, Shape::Triangle),
    Kind::new(Color::Purple, Shape::Star),
];

/// How many of a hundred combinations are held out.
const HELD_OUT_PERCENT: u64 = 15;

/// The first salt of the hash by which every kind is in 2 to 8 held-out pairs: with others, some are in none.
const SALT: u64 = 22;

/// A part of all scenes. Each scene belongs to exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Split {
    /// For training.
    Train,
    /// Known kinds in combinations that training never shows.
    HeldOut,
    /// With a kind that training never shows.
    NewKind,
}

impl Split {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Train, Self::HeldOut, Self::NewKind];

    /// The split that these facts belong to.
    pub fn of(facts: &Facts) -> Self {
        let kinds: Vec<Kind> = facts.items.iter().map(|item| item.kind).collect();
        let one_kind = kinds.windows(2).all(|pair| pair[0] == pair[1]);
        if kinds.iter().any(|kind| is_new(*kind)) {
            Self::NewKind
        } else if has_held_out_pair(&kinds)
            || one_kind
                && facts
                    .items
                    .iter()
                    .any(|item| is_held_out_combination(item.kind, item.size, item.count, facts.background))
        {
            Self::HeldOut
        } else {
            Self::Train
        }
    }

    /// Whether a text with a picture of this split may name these kinds together.
    ///
    /// A false statement of a held-out pair would teach that the pair is false, so training may not name it at all.
    pub(crate) fn may_name(self, kinds: &[Kind]) -> bool {
        match self {
            Self::Train => !has_held_out_pair(kinds) && !kinds.iter().any(|kind| is_new(*kind)),
            Self::HeldOut => !kinds.iter().any(|kind| is_new(*kind)),
            Self::NewKind => true,
        }
    }

    /// Whether a text with a picture of this split may state this.
    pub(crate) fn may_state(self, claim: &Claim) -> bool {
        let kinds: Vec<Kind> = claim
            .mentions
            .iter()
            .filter_map(|mention| mention.kind())
            .collect();
        let held_out = match (claim.mentions.as_slice(), claim.background) {
            ([mention], Some(background)) => match (mention.kind(), mention.size) {
                (Some(kind), Some(size)) => is_held_out_combination(kind, size, mention.count, background),
                _ => false,
            },
            _ => false,
        };
        self.may_name(&kinds) && !(self == Self::Train && held_out)
    }
}

/// Whether a kind occurs in [`Split::NewKind`] only.
fn is_new(kind: Kind) -> bool {
    NEW_KINDS.contains(&kind)
}

/// Whether two of the kinds are never shown together in training.
fn has_held_out_pair(kinds: &[Kind]) -> bool {
    kinds.iter().enumerate().any(|(place, first)| {
        kinds[place + 1..]
            .iter()
            .any(|second| is_held_out_pair(*first, *second))
    })
}

/// Whether training never shows these kinds together, in either order.
fn is_held_out_pair(first: Kind, second: Kind) -> bool {
    let [low, high] = [
        first.index().min(second.index()),
        first.index().max(second.index()),
    ];
    low != high && is_held_out_code((low * Kind::COUNT + high) as u64)
}

/// Whether training never shows a scene of just this.
fn is_held_out_combination(kind: Kind, size: Size, count: usize, background: Background) -> bool {
    let pairs = Kind::COUNT * Kind::COUNT;
    let code =
        ((kind.index() * Size::ALL.len() + size as usize) * Background::ALL.len() + background as usize) * 8
            + count;
    is_held_out_code((pairs + code) as u64)
}

/// The hash behind both.
fn is_held_out_code(code: u64) -> bool {
    mix((SALT << 32) + code) % 100 < HELD_OUT_PERCENT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_fifteen_percent_are_held_out_and_every_kind_has_both() {
        let known: Vec<Kind> = Kind::all().filter(|kind| !is_new(*kind)).collect();
        assert_eq!(known.len(), Kind::COUNT - 3);
        let mut held_out = 0;
        for first in &known {
            let partners = known
                .iter()
                .filter(|second| is_held_out_pair(*first, **second))
                .count();
            assert!((2..=8).contains(&partners), "{first:?}: {partners}");
            held_out += partners;
        }
        let share = held_out as f32 / (known.len() * (known.len() - 1)) as f32;
        assert!((0.14..0.16).contains(&share), "{share}");

        let mut combinations = 0;
        for kind in &known {
            for size in Size::ALL {
                for background in Background::ALL {
                    combinations += (1..=4)
                        .filter(|count| is_held_out_combination(*kind, size, *count, background))
                        .count();
                }
            }
        }
        let share = combinations as f32 / (known.len() * 32) as f32;
        assert!((0.14..0.16).contains(&share), "{share}");
    }

    #[test]
    fn a_pair_has_no_order() {
        for first in Kind::all() {
            assert!(!is_held_out_pair(first, first));
            assert!(
                Kind::all().all(|second| is_held_out_pair(first, second) == is_held_out_pair(second, first))
            );
        }
    }

    #[test]
    fn new_kinds_share_no_color_and_no_shape() {
        for (place, first) in NEW_KINDS.iter().enumerate() {
            for second in &NEW_KINDS[place + 1..] {
                assert!(first.color != second.color && first.shape != second.shape);
            }
        }
    }
}
