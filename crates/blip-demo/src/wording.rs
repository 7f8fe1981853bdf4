//! Words for what is meant: one canonical wording, or one drawn by lot.

use rand::Rng;

use crate::draw::Draw;
use crate::{Background, Claim, Mention, Place, Relation, Size};

/// 0 to 8 in words; a picture has at most four objects, two pictures eight.
pub(crate) const NUMBERS: [&str; 9] = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight",
];

/// What stands before a background's colour, the canonical wording first.
const ON: &[&str] = &["on a", "against a"];

/// How often a text has the canonical wording, where there is another.
const CANONICAL: f32 = 0.6;

/// Takes one of the wordings of the same thing.
pub(crate) trait Choice {
    /// One of them.
    fn of(&mut self, wordings: &[&'static str]) -> &'static str;
}

/// The first wording.
pub(crate) struct Canonical;

impl Choice for Canonical {
    fn of(&mut self, wordings: &[&'static str]) -> &'static str {
        wordings.first().copied().unwrap_or_default()
    }
}

/// Mostly the first wording, at times another.
pub(crate) struct Varied<'a, R: ?Sized>(pub(crate) &'a mut R);

impl<R: Rng + ?Sized> Choice for Varied<'_, R> {
    fn of(&mut self, wordings: &[&'static str]) -> &'static str {
        match wordings {
            [] => "",
            [only] => only,
            [first, ..] if self.0.chance(CANONICAL) => first,
            [_, others @ ..] => others[self.0.below(others.len())],
        }
    }
}

impl Mention {
    /// "three small yellow triangles", "an orange object at the top".
    pub(crate) fn phrase(&self, choice: &mut impl Choice) -> String {
        let words = self.words(choice);
        let number = match self.count {
            1 => article(&words),
            count => NUMBERS.get(count).unwrap_or(&"many"),
        };
        let place = self.place.map(Place::phrase).unwrap_or_default();
        format!("{number} {words} {place}").trim_end().to_owned()
    }

    /// "the small yellow triangle", in the plural if there are several.
    pub(crate) fn definite(&self, choice: &mut impl Choice) -> String {
        format!("the {}", self.words(choice))
    }

    /// "small yellow triangles": without an article, a number or a place.
    pub(crate) fn words(&self, choice: &mut impl Choice) -> String {
        let mut words = Vec::with_capacity(3);
        words.extend(self.size.map(|size| choice.of(size.words())));
        words.extend(self.color.map(|color| color.word()));
        words.push(match (self.shape, self.count) {
            (Some(shape), 1) => shape.word(),
            (Some(shape), _) => shape.plural(),
            (None, 1) => "object",
            (None, _) => "objects",
        });
        words.join(" ")
    }
}

impl Claim {
    /// The canonical wording.
    pub fn text(&self) -> String {
        self.text_by(&mut Canonical)
    }

    /// A wording drawn by lot.
    pub fn varied_text<R: Rng + ?Sized>(&self, rng: &mut R) -> String {
        self.text_by(&mut Varied(rng))
    }

    /// A wording by a choice.
    fn text_by(&self, choice: &mut impl Choice) -> String {
        let mut text = String::new();
        for (place, mention) in self.mentions.iter().enumerate() {
            if place > 0 {
                match self.relation_before(place) {
                    Some(relation) => {
                        text.push(' ');
                        text.push_str(choice.of(relation.wordings()));
                        text.push(' ');
                    }
                    None if place + 1 < self.mentions.len() => text.push_str(", "),
                    None => text.push_str(" and "),
                }
            }
            text.push_str(&mention.phrase(choice));
        }
        if let Some(background) = self.background {
            text.push(' ');
            text.push_str(&background_phrase(background, choice));
        }
        text
    }

    /// The relation between a mention and the one before it.
    fn relation_before(&self, place: usize) -> Option<Relation> {
        self.relations
            .iter()
            .find(|stated| stated.object == place)
            .map(|stated| stated.relation)
    }
}

/// "on a white background".
fn background_phrase(background: Background, choice: &mut impl Choice) -> String {
    format!("{} {} background", choice.of(ON), background.word())
}

/// "a", or "an" before a vowel.
pub(crate) fn article(words: &str) -> &'static str {
    if words.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    }
}

/// "is" of one, "are" of several.
pub(crate) fn to_be(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

/// Every word for a size, with the size.
pub(crate) fn size_words() -> impl Iterator<Item = (&'static str, Size)> {
    Size::ALL
        .into_iter()
        .flat_map(|size| size.words().iter().map(move |word| (*word, size)))
}
