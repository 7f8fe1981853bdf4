//! Sentences about two scenes, as NLVR2 has them.

use rand::Rng;

use crate::draw::{Draw, mix};
use crate::question::said;
use crate::wording::{NUMBERS, Varied, article, to_be};
use crate::{Background, Item, Kind, Mention, Scene, Split, seeded};

/// What a sentence about two pictures is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PairStatementKind {
    /// "both pictures contain a red circle"
    Both,
    /// "only one of the pictures contains a blue square"
    OnlyOne,
    /// "the left picture contains a small star"
    OneSide,
    /// "neither picture contains a green cross"
    Neither,
    /// "the left picture has more objects than the right picture"
    Compare,
    /// "there are four stars in total"
    Total,
    /// "both pictures have a white background"
    Background,
}

impl PairStatementKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Both,
        Self::OnlyOne,
        Self::OneSide,
        Self::Neither,
        Self::Compare,
        Self::Total,
        Self::Background,
    ];
}

/// A sentence about two pictures.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PairStatement {
    /// What it is about.
    pub kind: PairStatementKind,
    /// The sentence.
    pub text: String,
    /// Whether it is true.
    pub truth: bool,
}

/// Which words a mention has: size, colour, shape.
const FORMS: [[bool; 3]; 6] = [
    [false, true, true],
    [false, true, true],
    [true, true, true],
    [true, false, true],
    [false, false, true],
    [false, true, false],
];

/// Totals about as often as they are true: were false ones drawn evenly, high numbers would be mostly false.
const TOTALS: [usize; 10] = [1, 1, 1, 1, 2, 2, 2, 3, 3, 4];

/// How many scenes are looked at for one that has something in common with the first.
const CANDIDATES: u64 = 16;

/// Two scenes of a split, the left and the right: often with a kind, a colour or a shape in common, so that sentences
/// about both are true and false as often. Equal seeds give equal pairs.
pub fn sample_pair(seed: u64, split: Split) -> [Scene; 2] {
    // Far from the seeds that callers count through, else the second scene would be a neighbour's first.
    let far = mix(seed ^ 0x7061_6972);
    let mut rng = seeded(far);
    let first = Scene::sample(far, split);
    let shares: fn(Kind, Kind) -> bool = match rng.below(4) {
        0 | 1 => |own, other| own == other,
        2 => |own, other| own.color == other.color || own.shape == other.shape,
        _ => |_, _| true,
    };
    let mut candidates = (1..=CANDIDATES).map(|step| Scene::sample(far.wrapping_add(step), split));
    // Single objects, as sentences say "a red circle".
    let singles = |scene: &Scene| -> Vec<Kind> {
        let items = scene.items().into_iter();
        items
            .filter(|item| item.count == 1)
            .map(|item| item.kind)
            .collect()
    };
    let own = singles(&first);
    let related = candidates.find(|second| {
        let others = singles(second);
        others
            .iter()
            .any(|other| own.iter().any(|own| shares(*own, *other)))
    });
    let second = related.unwrap_or_else(|| Scene::sample(far.wrapping_add(CANDIDATES + 1), split));
    [first, second]
}

/// A sentence about two scenes, true or false as asked, of a kind that these scenes allow, drawn by lot.
///
/// A kind is taken only if it could have been made both true and false for these scenes, so that the kind of a
/// sentence says little about its truth.
pub fn pair_statement<R: Rng + ?Sized>(
    first: &Scene,
    second: &Scene,
    rng: &mut R,
    truth: bool,
) -> PairStatement {
    let pair = Pair {
        scenes: [first, second],
    };
    let mut kinds = PairStatementKind::ALL;
    rng.shuffle(&mut kinds);
    let (kind, text) = kinds
        .into_iter()
        .find_map(|kind| Some((kind, pair.statement(kind, rng, truth)?)))
        .expect("the numbers of objects can always be compared");
    PairStatement { kind, text, truth }
}

/// The left and the right scene.
struct Pair<'a> {
    scenes: [&'a Scene; 2],
}

/// Mentions of one form, by where exactly one object fits.
struct Places {
    both: Vec<Mention>,
    left: Vec<Mention>,
    right: Vec<Mention>,
    nowhere: Vec<Mention>,
}

impl Places {
    /// How a sentence of this kind begins, and the mentions that make it true, and false.
    fn sentence(self, kind: PairStatementKind, in_left: bool) -> (&'static str, Vec<Mention>, Vec<Mention>) {
        let either = [self.left.as_slice(), self.right.as_slice()].concat();
        match kind {
            PairStatementKind::Both => ("both pictures contain", self.both, either),
            PairStatementKind::Neither => ("neither picture contains", self.nowhere, either),
            PairStatementKind::OnlyOne => {
                let others = if self.both.is_empty() {
                    self.nowhere
                } else {
                    self.both
                };
                ("only one of the pictures contains", either, others)
            }
            _ if in_left => ("the left picture contains", self.left, self.right),
            _ => ("the right picture contains", self.right, self.left),
        }
    }
}

impl Pair<'_> {
    /// A sentence of this kind, or `None` if these scenes do not allow both truths.
    fn statement<R: Rng + ?Sized>(
        &self,
        kind: PairStatementKind,
        rng: &mut R,
        truth: bool,
    ) -> Option<String> {
        match kind {
            PairStatementKind::Compare => self.compare(rng, truth),
            PairStatementKind::Total => self.total(rng, truth),
            PairStatementKind::Background => self.background(rng, truth),
            _ => self.contains(kind, rng, truth),
        }
    }

    /// "both pictures contain a red circle" and the like.
    fn contains<R: Rng + ?Sized>(&self, kind: PairStatementKind, rng: &mut R, truth: bool) -> Option<String> {
        let in_left = rng.chance(0.5);
        let mut forms = FORMS;
        rng.shuffle(&mut forms);
        let (subject, mentions) = forms.into_iter().find_map(|form| {
            let (subject, when_true, when_false) = self.places(form).sentence(kind, in_left);
            let both_truths = !when_true.is_empty() && !when_false.is_empty();
            both_truths.then_some((subject, if truth { when_true } else { when_false }))
        })?;
        let phrase = rng.pick(&mentions)?.phrase(&mut Varied(rng));
        Some(format!("{subject} {phrase}"))
    }

    /// Which mentions of this form fit one object in both scenes, in one of them, or none in either.
    ///
    /// What fits several objects of a scene is left out: whether three circles are "a circle" is a matter of taste.
    fn places(&self, form: [bool; 3]) -> Places {
        let single = |item: Item| Mention {
            count: 1,
            ..said(item, form)
        };
        let [left, right] = self.scenes;
        let mut present: Vec<Mention> = Vec::new();
        let mut nowhere: Vec<Mention> = Vec::new();
        for scene in self.scenes {
            for item in scene.items() {
                present.push(single(item));
                nowhere.extend(scene.absent_variants(single(item)));
            }
        }
        present.retain(|mention| self.may_name(mention));
        nowhere.retain(|mention| self.may_name(mention) && self.numbers(mention) == [0, 0]);
        let at = |numbers: [usize; 2]| -> Vec<Mention> {
            present
                .iter()
                .filter(|mention| [left, right].map(|scene| scene.number(mention)) == numbers)
                .copied()
                .collect()
        };
        Places {
            both: at([1, 1]),
            left: at([1, 0]),
            right: at([0, 1]),
            nowhere,
        }
    }

    /// "the left picture has more objects than the right picture" and the like.
    fn compare<R: Rng + ?Sized>(&self, rng: &mut R, truth: bool) -> Option<String> {
        let [left, right] = self.scenes.map(|scene| scene.objects.len());
        let statements = [
            (
                "the left picture has more objects than the right picture",
                left > right,
            ),
            (
                "the right picture has more objects than the left picture",
                right > left,
            ),
            (
                "the left picture has fewer objects than the right picture",
                left < right,
            ),
            (
                "the right picture has fewer objects than the left picture",
                right < left,
            ),
            ("both pictures have the same number of objects", left == right),
            ("both pictures have the same number of objects", left == right),
        ];
        let fitting: Vec<&str> = statements
            .iter()
            .filter(|(_, is_so)| *is_so == truth)
            .map(|(text, _)| *text)
            .collect();
        rng.pick(&fitting).map(str::to_owned)
    }

    /// "there are four stars in total".
    fn total<R: Rng + ?Sized>(&self, rng: &mut R, truth: bool) -> Option<String> {
        let items: Vec<Item> = self.scenes.iter().flat_map(|scene| scene.items()).collect();
        let item = rng.pick(&items)?;
        let form = rng.pick(&[
            [false, false, true],
            [false, false, true],
            [false, true, false],
            [false, true, true],
        ])?;
        let mut mention = said(item, form);
        let total: usize = self.numbers(&mention).iter().sum();
        let stated = if truth {
            total
        } else {
            let mut others = TOTALS.to_vec();
            if total >= 4 {
                others.extend([total - 1, total + 1, total - 1, total + 1]);
            }
            others.retain(|other| *other != total && *other < NUMBERS.len());
            rng.pick(&others)?
        };
        mention.count = stated;
        let number = NUMBERS.get(stated)?;
        let words = mention.words(&mut Varied(rng));
        Some(format!("there {} {number} {words} in total", to_be(stated)))
    }

    /// "both pictures have a white background" if they have the same, else about one of them.
    fn background<R: Rng + ?Sized>(&self, rng: &mut R, truth: bool) -> Option<String> {
        let [left, right] = self.scenes.map(|scene| scene.background);
        let (subject, right_one, wrong_ones) = if left == right {
            let others = Background::ALL
                .into_iter()
                .filter(|other| *other != left)
                .collect();
            ("both pictures have", left, others)
        } else if rng.chance(0.5) {
            ("the left picture has", left, vec![right])
        } else {
            ("the right picture has", right, vec![left])
        };
        let stated = if truth { right_one } else { rng.pick(&wrong_ones)? };
        let word = stated.word();
        Some(format!("{subject} {} {word} background", article(word)))
    }

    /// How many objects fit in the left and in the right scene.
    fn numbers(&self, mention: &Mention) -> [usize; 2] {
        self.scenes.map(|scene| scene.number(mention))
    }

    /// Whether a text with these pictures may name the mention's kind.
    fn may_name(&self, mention: &Mention) -> bool {
        let split = self.scenes[0].split().max(self.scenes[1].split());
        self.scenes.iter().all(|scene| {
            let kinds = scene.objects.iter().map(|object| object.kind);
            let named: Vec<Kind> = kinds.chain(mention.kind()).collect();
            split.may_name(&named)
        })
    }
}
