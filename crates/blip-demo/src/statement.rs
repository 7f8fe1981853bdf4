//! Sentences about a scene, true or false by a single fact.

use std::mem::swap;

use rand::Rng;

use crate::draw::Draw;
use crate::{
    Background, Claim, Color, FactKind, Judgement, Mention, Place, Relation, Scene, Shape, StatedRelation,
};

/// How many of the statements omit the sizes.
const WITHOUT_SIZES: f32 = 0.25;

/// How many of the statements about several items name only one.
const ONE_ITEM: f32 = 0.2;

/// What a false count states: one as often as all others.
const FALSE_COUNTS: [usize; 6] = [1, 1, 1, 2, 3, 4];

/// A sentence like a caption.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Statement {
    /// The sentence.
    pub text: String,
    /// The sort of the single fact that was made false, or `None` if all are true.
    pub changed: Option<FactKind>,
}

impl Statement {
    /// Whether the sentence is true of its scene.
    pub fn is_true(&self) -> bool {
        self.changed.is_none()
    }
}

impl Scene {
    /// A sentence about this scene: true, or a true one of which exactly one fact was changed.
    ///
    /// The changed fact is a colour, a shape, a size, a count, a place, the relation or the background, whichever the
    /// sentence states. Each is about as likely, but for counts: not all can be changed without making the text absurd.
    pub fn statement<R: Rng + ?Sized>(&self, rng: &mut R, truth: bool) -> Statement {
        let claim = self.sample_partial_claim(rng);
        if truth {
            return Statement {
                text: claim.varied_text(rng),
                changed: None,
            };
        }
        let (claim, changed) = self.falsify(&claim, rng);
        Statement {
            text: claim.varied_text(rng),
            changed: Some(changed),
        }
    }

    /// A sentence about how two single objects lie to each other, and nothing else, true or with the relation the other
    /// way round; `None` where no two lie clearly.
    ///
    /// The objects are any two of the scene, named by colour and shape, and by size where it is needed or by chance.
    pub fn relation_statement<R: Rng + ?Sized>(&self, rng: &mut R, truth: bool) -> Option<Statement> {
        let (first, second, relation) = rng.pick(&self.relations())?;
        let mut claim = Claim {
            mentions: vec![Mention::of(first), Mention::of(second)],
            relations: vec![StatedRelation {
                subject: 0,
                relation: if truth { relation } else { relation.inverse() },
                object: 1,
            }],
            background: None,
        };
        let alone = |mention: &Mention| {
            self.number(&Mention {
                size: None,
                ..*mention
            }) == 1
        };
        if claim.mentions.iter().all(alone) && rng.chance(0.5) {
            claim.mentions.iter_mut().for_each(|mention| mention.size = None);
        }
        Some(Statement {
            text: claim.varied_text(rng),
            changed: (!truth).then_some(FactKind::Relation),
        })
    }

    /// A false sentence of which every word is right: two things of the scene have exchanged their colours, shapes, sizes,
    /// counts or places, or the relation is across the true one, "left of" for "above"; `None` where nothing can be
    /// exchanged.
    ///
    /// It is what a search confuses with the truth. [`Statement::changed`] is the sort of what was exchanged.
    pub fn confused_statement<R: Rng + ?Sized>(&self, rng: &mut R) -> Option<Statement> {
        let claim = self.sample_claim(rng);
        let split = self.split();
        let mut confused = confusions(&claim);
        confused.retain(|(claim, _)| split.may_state(claim) && !Judgement::of_claim(claim, self).is_true());
        let (claim, changed) = rng.pick(&confused)?;
        Some(Statement {
            text: claim.varied_text(rng),
            changed: Some(changed),
        })
    }

    /// A true claim that may leave out sizes, the background and items.
    fn sample_partial_claim<R: Rng + ?Sized>(&self, rng: &mut R) -> Claim {
        let mut claim = self.sample_claim(rng);
        if claim.mentions.len() > 1 && rng.chance(ONE_ITEM) {
            let only = claim.mentions[rng.below(claim.mentions.len())];
            claim.mentions = vec![only];
            claim.relations.clear();
        }
        if rng.chance(WITHOUT_SIZES) {
            let mut without = claim.clone();
            for mention in &mut without.mentions {
                mention.size = None;
            }
            // Of two alike but for their sizes, the sizes are needed.
            if Judgement::of_claim(&without, self).is_true() {
                claim = without;
            }
        }
        claim
    }

    /// The claim with one fact changed such that it is false.
    fn falsify<R: Rng + ?Sized>(&self, claim: &Claim, rng: &mut R) -> (Claim, FactKind) {
        let split = self.split();
        let mut kinds = [
            FactKind::Color,
            FactKind::Shape,
            FactKind::Size,
            FactKind::Count,
            FactKind::Place,
            FactKind::Relation,
            FactKind::Background,
        ];
        rng.shuffle(&mut kinds);
        for strict in [true, false] {
            for kind in kinds {
                // Less often of one object, and more often to one: else "four" would be mostly false.
                let one = claim.mentions.iter().all(|mention| mention.count == 1);
                if strict && kind == FactKind::Count && one && rng.chance(0.5) {
                    continue;
                }
                let mut variants = variants(claim, kind);
                variants.retain(|variant| {
                    let usual = is_plausible(variant) && split.may_state(variant);
                    !Judgement::of_claim(variant, self).is_true() && (usual || !strict)
                });
                if let Some(variant) = rng.pick(&variants) {
                    return (variant, kind);
                }
            }
        }
        unreachable!("of the six other colours of a mention, at most three are in the scene")
    }
}

/// Whether a sampled scene could be like this: "two small stars and a small star" or "four circles above a square" is
/// false without a look at the picture.
fn is_plausible(claim: &Claim) -> bool {
    let named_once = claim.mentions.iter().enumerate().all(|(place, mention)| {
        claim.mentions[..place]
            .iter()
            .all(|before| before.kind() != mention.kind())
    });
    let counts: Vec<usize> = claim.mentions.iter().map(|mention| mention.count).collect();
    named_once
        && match *counts.as_slice() {
            [_] | [1, 1, 1] => true,
            [1, 1] => {
                !claim.relations.is_empty() || claim.mentions.iter().all(|mention| mention.place.is_some())
            }
            [1, 2..=3] | [2..=3, 1] => claim.relations.is_empty(),
            _ => false,
        }
}

/// The claim with one fact of this sort changed, in every way there is.
fn variants(claim: &Claim, kind: FactKind) -> Vec<Claim> {
    let mut variants = Vec::new();
    for place in 0..claim.mentions.len() {
        let mention = claim.mentions[place];
        let mut push = |changed| {
            let mut variant = claim.clone();
            variant.mentions[place] = changed;
            variants.push(variant);
        };
        match kind {
            FactKind::Color => others(Color::ALL, mention.color).for_each(|color| {
                push(Mention {
                    color: Some(color),
                    ..mention
                });
            }),
            FactKind::Shape => others(Shape::ALL, mention.shape).for_each(|shape| {
                push(Mention {
                    shape: Some(shape),
                    ..mention
                });
            }),
            FactKind::Size => mention.size.into_iter().for_each(|size| {
                push(Mention {
                    size: Some(size.other()),
                    ..mention
                });
            }),
            FactKind::Count => FALSE_COUNTS
                .into_iter()
                .filter(|count| *count != mention.count)
                .for_each(|count| {
                    // Several are in no one place.
                    push(Mention {
                        count,
                        place: None,
                        ..mention
                    });
                }),
            FactKind::Place => others(Place::ALL, mention.place).for_each(|place| {
                push(Mention {
                    place: Some(place),
                    ..mention
                });
            }),
            FactKind::Relation | FactKind::Background | FactKind::Existence => {}
        }
    }
    match kind {
        FactKind::Relation => {
            for place in 0..claim.relations.len() {
                let mut variant = claim.clone();
                variant.relations[place].relation = variant.relations[place].relation.inverse();
                variants.push(variant);
            }
        }
        FactKind::Background => {
            variants.extend(others(Background::ALL, claim.background).map(|background| Claim {
                background: Some(background),
                ..claim.clone()
            }));
        }
        _ => {}
    }
    variants
}

/// Exchanges what two mentions say of one sort of fact.
type Exchange = fn(&mut Mention, &mut Mention);

const EXCHANGES: [(FactKind, Exchange); 5] = [
    (FactKind::Color, |a, b| swap(&mut a.color, &mut b.color)),
    (FactKind::Shape, |a, b| swap(&mut a.shape, &mut b.shape)),
    (FactKind::Size, |a, b| swap(&mut a.size, &mut b.size)),
    (FactKind::Place, |a, b| swap(&mut a.place, &mut b.place)),
    (FactKind::Count, |a, b| swap(&mut a.count, &mut b.count)),
];

/// The claim with something exchanged between two mentions, or with a relation across, in every way there is.
fn confusions(claim: &Claim) -> Vec<(Claim, FactKind)> {
    let mut confusions = Vec::new();
    for second in 1..claim.mentions.len() {
        for first in 0..second {
            for (kind, exchange) in EXCHANGES {
                let mut variant = claim.clone();
                let (before, after) = variant.mentions.split_at_mut(second);
                exchange(&mut before[first], &mut after[0]);
                confusions.push((variant, kind));
            }
        }
    }
    for (place, stated) in claim.relations.iter().enumerate() {
        for across in Relation::ALL {
            if across != stated.relation && across != stated.relation.inverse() {
                let mut variant = claim.clone();
                variant.relations[place].relation = across;
                confusions.push((variant, FactKind::Relation));
            }
        }
    }
    confusions
}

/// Everything but what is stated; nothing if nothing is.
fn others<T: PartialEq>(all: impl IntoIterator<Item = T>, stated: Option<T>) -> impl Iterator<Item = T> {
    all.into_iter()
        .filter(move |other| stated.as_ref().is_some_and(|stated| stated != other))
}
