//! Whether a caption is true of a scene.

use crate::wording::{Canonical, NUMBERS};
use crate::{Claim, Item, Mention, Place, Scene};

/// A sort of fact that a caption states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FactKind {
    /// How many there are of an item.
    Count,
    /// The size of an item.
    Size,
    /// The colour of an item.
    Color,
    /// The shape of an item.
    Shape,
    /// Where an object is.
    Place,
    /// How an item lies to another.
    Relation,
    /// What the objects lie on.
    Background,
    /// That there is an item at all: stated by a mention beyond the items that the scene has.
    Existence,
}

/// A fact that is stated and not so.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WrongFact {
    /// What sort of fact.
    pub kind: FactKind,
    /// The word or words for it: "red", "to the left of", "a small red circle".
    pub stated: String,
}

/// What is right and wrong about a caption of a scene.
///
/// A mention states its count, and the size, colour, shape and place that it names; mentions are matched with the
/// scene's items such that as many facts as possible are right. The order of a list states nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Whether the text is a caption at all.
    pub parsed: bool,
    /// How many facts it states.
    pub stated: usize,
    /// How many of them are right: `stated` less those in `wrong`.
    pub correct: usize,
    /// The others.
    pub wrong: Vec<WrongFact>,
    /// Items that no mention names with the right colour and shape.
    pub missing: Vec<Item>,
}

impl Judgement {
    /// Judges a text. What is no caption states nothing, and is not true either.
    pub fn of(text: &str, scene: &Scene) -> Self {
        match text.parse() {
            Ok(claim) => Self::of_claim(&claim, scene),
            Err(_) => Self {
                parsed: false,
                stated: 0,
                correct: 0,
                wrong: Vec::new(),
                missing: scene.items(),
            },
        }
    }

    /// Judges what a text says.
    pub fn of_claim(claim: &Claim, scene: &Scene) -> Self {
        let items = scene.items();
        let mut best: Option<Self> = None;
        for_each_matching(claim.mentions.len(), items.len(), &mut |matching| {
            let judgement = Self::by_matching(claim, scene, &items, matching);
            let better = best.as_ref().is_none_or(|best| {
                (judgement.correct, best.wrong.len()) > (best.correct, judgement.wrong.len())
            });
            if better {
                best = Some(judgement);
            }
        });
        best.expect("there is a matching of any two numbers, the empty one")
    }

    /// Whether every stated fact is right and no object is invented.
    pub fn is_true(&self) -> bool {
        self.parsed && self.wrong.is_empty()
    }

    /// Whether every item of the scene is named with its colour and shape.
    pub fn names_every_object(&self) -> bool {
        self.parsed && self.missing.is_empty()
    }

    /// The judgement if each mention means the item it is matched with.
    fn by_matching(claim: &Claim, scene: &Scene, items: &[Item], matching: &[Option<usize>]) -> Self {
        let mut judgement = Self {
            parsed: true,
            stated: 0,
            correct: 0,
            wrong: Vec::new(),
            missing: items.to_vec(),
        };
        for (mention, item) in claim.mentions.iter().zip(matching) {
            match item {
                Some(item) => judgement.judge_mention(mention, items[*item], scene),
                None => judgement.fact(FactKind::Existence, false, || mention.phrase(&mut Canonical)),
            }
        }
        for stated in &claim.relations {
            let matched = |mention: usize| matching.get(mention).copied().flatten().map(|item| items[item]);
            let relation = matched(stated.subject)
                .zip(matched(stated.object))
                .and_then(|(subject, object)| scene.relation(subject, object));
            judgement.fact(FactKind::Relation, relation == Some(stated.relation), || {
                stated.relation.words().to_owned()
            });
        }
        if let Some(background) = claim.background {
            judgement.fact(FactKind::Background, background == scene.background, || {
                background.word().to_owned()
            });
        }
        judgement
    }

    /// Judges a mention that means this item.
    fn judge_mention(&mut self, mention: &Mention, item: Item, scene: &Scene) {
        self.fact(FactKind::Count, mention.count == item.count, || {
            NUMBERS
                .get(mention.count)
                .map_or_else(|| mention.count.to_string(), |word| (*word).to_owned())
        });
        if let Some(size) = mention.size {
            self.fact(FactKind::Size, size == item.size, || size.word().to_owned());
        }
        if let Some(color) = mention.color {
            self.fact(FactKind::Color, color == item.kind.color, || {
                color.word().to_owned()
            });
        }
        if let Some(shape) = mention.shape {
            self.fact(FactKind::Shape, shape == item.kind.shape, || {
                shape.word().to_owned()
            });
        }
        if let Some(place) = mention.place {
            let right = scene
                .objects_of(item)
                .all(|object| Place::of(object.center) == place);
            self.fact(FactKind::Place, right, || place.phrase().to_owned());
        }
        if mention.kind() == Some(item.kind) {
            self.missing.retain(|missing| *missing != item);
        }
    }

    /// Counts a fact.
    fn fact(&mut self, kind: FactKind, right: bool, stated: impl FnOnce() -> String) {
        self.stated += 1;
        if right {
            self.correct += 1;
        } else {
            self.wrong.push(WrongFact {
                kind,
                stated: stated(),
            });
        }
    }
}

/// Calls back with every way to give mentions an item each, or none, and no item to two.
fn for_each_matching(mentions: usize, items: usize, visit: &mut impl FnMut(&[Option<usize>])) {
    extend_matching(mentions, items, &mut Vec::with_capacity(mentions), visit);
}

/// All matchings that begin like this one.
fn extend_matching(
    mentions: usize,
    items: usize,
    matching: &mut Vec<Option<usize>>,
    visit: &mut impl FnMut(&[Option<usize>]),
) {
    if matching.len() == mentions {
        return visit(matching);
    }
    for item in (0..items).map(Some).chain([None]) {
        if item.is_none() || !matching.contains(&item) {
            matching.push(item);
            extend_matching(mentions, items, matching, visit);
            matching.pop();
        }
    }
}
