//! Questions about a scene, with their answers.

use rand::Rng;

use crate::draw::Draw;
use crate::wording::{Choice, NUMBERS, Varied, article, to_be};
use crate::{Color, Item, Kind, Mention, Place, Relation, Scene, Shape, Size};

/// What a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum QuestionKind {
    /// "what color is the star?"
    Color,
    /// "what shape is the red object?"
    Shape,
    /// "how many circles are there?"
    Count,
    /// "is there a blue square?"
    Exists,
    /// "what size is the star?"
    Size,
    /// "what is to the left of the red circle?"
    RelatedTo,
    /// "is the star above the circle?"
    Relation,
    /// "where is the star?"
    Place,
    /// "what color is the background?"
    Background,
    /// "is the star above, below, left or right of the circle?"
    Direction,
}

impl QuestionKind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Color,
        Self::Shape,
        Self::Count,
        Self::Exists,
        Self::Size,
        Self::RelatedTo,
        Self::Relation,
        Self::Place,
        Self::Background,
        Self::Direction,
    ];
}

/// A question, in lower case with a question mark.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// What it is about.
    pub kind: QuestionKind,
    /// The question.
    pub text: String,
    /// The answer: one or two words.
    pub answer: String,
    /// Other answers that are as right.
    pub accepted: Vec<String>,
}

impl Question {
    /// Whether an answer is right.
    pub fn accepts(&self, answer: &str) -> bool {
        let answer = answer.trim();
        self.answer == answer || self.accepted.iter().any(|accepted| accepted == answer)
    }

    /// A question with one answer.
    fn new(kind: QuestionKind, text: String, answer: impl Into<String>) -> Self {
        Self {
            kind,
            text,
            answer: answer.into(),
            accepted: Vec::new(),
        }
    }

    /// The same, with other answers that are as right.
    fn or(mut self, accepted: &[&str]) -> Self {
        self.accepted
            .extend(accepted.iter().map(|answer| (*answer).to_owned()));
        self
    }
}

impl Scene {
    /// One question of each kind that this scene allows, drawn by lot.
    ///
    /// Whatever a question refers to is the only such thing in the scene. Yes and no are as likely.
    pub fn questions<R: Rng + ?Sized>(&self, rng: &mut R) -> Vec<Question> {
        QuestionKind::ALL
            .into_iter()
            .filter_map(|kind| self.question(kind, rng))
            .collect()
    }

    /// A question of this kind, or `None` if the scene allows none.
    pub fn question<R: Rng + ?Sized>(&self, kind: QuestionKind, rng: &mut R) -> Option<Question> {
        match kind {
            QuestionKind::Color => self.color_question(rng),
            QuestionKind::Shape => self.shape_question(rng),
            QuestionKind::Count => self.count_question(rng),
            QuestionKind::Exists => self.exists_question(rng),
            QuestionKind::Size => self.size_question(rng),
            QuestionKind::RelatedTo => self.related_question(rng),
            QuestionKind::Relation => self.relation_question(rng),
            QuestionKind::Direction => self.direction_question(rng),
            QuestionKind::Place => self.place_question(rng),
            QuestionKind::Background => Some(Question::new(
                kind,
                "what color is the background?".to_owned(),
                self.background.word(),
            )),
        }
    }

    fn color_question<R: Rng + ?Sized>(&self, rng: &mut R) -> Option<Question> {
        let (item, mention) = self.refer(rng, &[[false, false, true], [true, false, true]])?;
        let text = format!(
            "what color {} {}?",
            to_be(item.count),
            mention.definite(&mut Varied(rng))
        );
        Some(Question::new(QuestionKind::Color, text, item.kind.color.word()))
    }

    fn shape_question<R: Rng + ?Sized>(&self, rng: &mut R) -> Option<Question> {
        let (item, mention) = self.refer(
            rng,
            &[[false, true, false], [true, false, false], [true, true, false]],
        )?;
        let the = mention.definite(&mut Varied(rng));
        let text = if item.count == 1 && rng.chance(0.3) {
            format!("what is {}?", the.replace("object", "thing"))
        } else {
            format!("what shape {} {the}?", to_be(item.count))
        };
        let shape = item.kind.shape;
        Some(Question::new(QuestionKind::Shape, text, shape.word()).or(&[shape.plural()]))
    }

    fn size_question<R: Rng + ?Sized>(&self, rng: &mut R) -> Option<Question> {
        let (item, mention) = self.refer(rng, &[[false, false, true], [false, true, true]])?;
        let text = format!(
            "what size {} {}?",
            to_be(item.count),
            mention.definite(&mut Varied(rng))
        );
        let (answer, others) = item.size.words().split_first()?;
        Some(Question::new(QuestionKind::Size, text, *answer).or(others))
    }

    fn count_question<R: Rng + ?Sized>(&self, rng: &mut R) -> Option<Question> {
        let item = rng.pick(&self.items())?;
        let [size, color, shape] = rng.pick(&[
            [false, false, true],
            [false, false, true],
            [false, true, false],
            [false, true, true],
            [true, false, false],
            [false, false, false],
        ])?;
        let mut asked = said(item, [size, color, shape]);
        // "how many objects" has no answer zero.
        if (color || shape) && rng.chance(0.2) {
            asked = self.absent(rng, asked).unwrap_or(asked);
        }
        asked.count = 2;
        let text = format!("how many {} are there?", asked.words(&mut Varied(rng)));
        let count = self.number(&asked);
        let question = Question::new(QuestionKind::Count, text, *NUMBERS.get(count)?);
        Some(if count == 0 {
            question.or(&["none"])
        } else {
            question
        })
    }

    fn exists_question<R: Rng + ?Sized>(&self, rng: &mut R) -> Option<Question> {
        let item = rng.pick(&self.items())?;
        let parts = rng.pick(&[
            [false, true, true],
            [false, true, true],
            [true, true, true],
            [true, false, true],
            [false, false, true],
            [false, true, false],
        ])?;
        let present = said(item, parts);
        let yes = rng.chance(0.5);
        let asked = Mention {
            count: 1,
            ..if yes { present } else { self.absent(rng, present)? }
        };
        let words = asked.words(&mut Varied(rng));
        let text = format!("is there {} {words}?", article(&words));
        Some(Question::new(QuestionKind::Exists, text, yes_or_no(yes)))
    }

    fn related_question<R: Rng + ?Sized>(&self, rng: &mut R) -> Option<Question> {
        let (mut items, mut relation) = self.pair()?;
        if rng.chance(0.5) {
            items.reverse();
            relation = relation.inverse();
        }
        let [asked, known] = items;
        let mention = self.refer_to(rng, known, &[[false, false, true], [false, true, true]])?;
        let mut varied = Varied(rng);
        let text = format!(
            "what is {} {}?",
            varied.of(relation.wordings()),
            mention.definite(&mut varied)
        );
        let Kind { color, shape } = asked.kind;
        let answer = format!("{} {}", color.word(), shape.word());
        Some(Question::new(QuestionKind::RelatedTo, text, answer))
    }

    fn relation_question<R: Rng + ?Sized>(&self, rng: &mut R) -> Option<Question> {
        let (subject, object, relation) = self.related(rng)?;
        let yes = rng.chance(0.5);
        let stated = if yes { relation } else { relation.inverse() };
        let mut varied = Varied(rng);
        let text = format!(
            "is {} {} {}?",
            subject.definite(&mut varied),
            varied.of(stated.wordings()),
            object.definite(&mut varied)
        );
        Some(Question::new(QuestionKind::Relation, text, yes_or_no(yes)))
    }

    fn direction_question<R: Rng + ?Sized>(&self, rng: &mut R) -> Option<Question> {
        let (subject, object, relation) = self.related(rng)?;
        let mut varied = Varied(rng);
        let text = format!(
            "is {} above, below, left or right of {}?",
            subject.definite(&mut varied),
            object.definite(&mut varied)
        );
        let answer = match relation {
            Relation::LeftOf => "left",
            Relation::RightOf => "right",
            Relation::Above => "above",
            Relation::Below => "below",
        };
        Some(Question::new(QuestionKind::Direction, text, answer))
    }

    /// Words for two single objects, and how the first lies to the second.
    fn related<R: Rng + ?Sized>(&self, rng: &mut R) -> Option<(Mention, Mention, Relation)> {
        let (first, second, relation) = rng.pick(&self.relations())?;
        let forms = [[false, false, true], [false, true, true]];
        let subject = self.refer_to(rng, first, &forms)?;
        let object = self.refer_to(rng, second, &forms)?;
        Some((subject, object, relation))
    }

    fn place_question<R: Rng + ?Sized>(&self, rng: &mut R) -> Option<Question> {
        let mut single = self.items();
        single.retain(|item| item.count == 1);
        let item = rng.pick(&single)?;
        let mention = self.refer_to(rng, item, &[[false, false, true], [false, true, true]])?;
        let place = Place::of(self.objects_of(item).next()?.center);
        let text = format!("where is {}?", mention.definite(&mut Varied(rng)));
        Some(Question::new(QuestionKind::Place, text, place.word()))
    }

    /// An item, and words that mean only it. The forms say which of size, colour and shape the words have.
    fn refer<R: Rng + ?Sized>(&self, rng: &mut R, forms: &[[bool; 3]]) -> Option<(Item, Mention)> {
        let mut items = self.items();
        rng.shuffle(&mut items);
        items
            .into_iter()
            .find_map(|item| Some((item, self.refer_to(rng, item, forms)?)))
    }

    /// Words of one of the forms that mean only this item.
    fn refer_to<R: Rng + ?Sized>(&self, rng: &mut R, item: Item, forms: &[[bool; 3]]) -> Option<Mention> {
        let clear: Vec<Mention> = forms
            .iter()
            .map(|form| said(item, *form))
            .filter(|mention| self.number(mention) == item.count)
            .collect();
        rng.pick(&clear)
    }

    /// One of [`Scene::absent_variants`].
    ///
    /// A word that another object of the scene has is likelier, so that a model must see which belongs to which.
    fn absent<R: Rng + ?Sized>(&self, rng: &mut R, present: Mention) -> Option<Mention> {
        let variants = self.absent_variants(present);
        let near: Vec<Mention> = variants
            .iter()
            .filter(|variant| {
                self.objects.iter().any(|object| {
                    (variant.color != present.color && variant.color == Some(object.kind.color))
                        || (variant.shape != present.shape && variant.shape == Some(object.kind.shape))
                        || (variant.size != present.size && variant.size == Some(object.size))
                })
            })
            .copied()
            .collect();
        let pool = if near.is_empty() || rng.chance(0.5) {
            variants
        } else {
            near
        };
        rng.pick(&pool)
    }

    /// Mentions that fit no object here, for one that does: each with one of its words changed.
    pub(crate) fn absent_variants(&self, present: Mention) -> Vec<Mention> {
        let mut variants = Vec::new();
        if present.color.is_some() {
            variants.extend(Color::ALL.map(|color| Mention {
                color: Some(color),
                ..present
            }));
        }
        if present.shape.is_some() {
            variants.extend(Shape::ALL.map(|shape| Mention {
                shape: Some(shape),
                ..present
            }));
        }
        if present.size.is_some() {
            variants.extend(Size::ALL.map(|size| Mention {
                size: Some(size),
                ..present
            }));
        }
        let split = self.split();
        let kinds: Vec<Kind> = self.objects.iter().map(|object| object.kind).collect();
        variants.retain(|variant| {
            let named: Vec<Kind> = kinds.iter().copied().chain(variant.kind()).collect();
            split.may_name(&named) && self.number(variant) == 0
        });
        variants
    }
}

/// An item in words: with its size, its colour, its shape, or without.
pub(crate) fn said(item: Item, [size, color, shape]: [bool; 3]) -> Mention {
    Mention {
        count: item.count,
        size: size.then_some(item.size),
        color: color.then_some(item.kind.color),
        shape: shape.then_some(item.kind.shape),
        place: None,
    }
}

/// A truth as an answer.
fn yes_or_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}
