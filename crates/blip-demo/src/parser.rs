//! A caption's text as a claim.
//!
//! ```text
//! caption    = [ "a picture of" | "there is" | "there are" ] mention { link mention } [ background ] [ "." ]
//! link       = "," | "and" | "," "and" | relation
//! relation   = [ "to the" | "on the" ] ( "left" | "right" ) "of" | "above" | "over" | "below" | "under"
//! mention    = number [ size ] [ color ] noun [ place ]  (singular after "a", "an" and "one", else plural and no place)
//! place      = "at the" ( "top" | "bottom" ) [ "left" | "right" ] | "on the" ( "left" | "right" ) | "in the middle"
//! background = ( "on" | "against" | "with" ) ( "a" | "an" | "the" ) color "background"
//! ```
//!
//! A text that stops in the middle of a phrase, or names what no scene has, is no caption.

use std::str::FromStr;

use crate::wording::{NUMBERS, size_words};
use crate::{Background, Claim, Color, DemoError, Mention, Place, Relation, Shape, StatedRelation};

/// The most mentions that are read: no scene has as many, and a judge tries all ways to match them.
const MAX_MENTIONS: usize = 6;

/// What may stand before a caption.
const PREFIXES: [&[&str]; 3] = [&["a", "picture", "of"], &["there", "is"], &["there", "are"]];

/// Relations word by word.
const RELATIONS: [(&[&str], Relation); 10] = [
    (&["to", "the", "left", "of"], Relation::LeftOf),
    (&["on", "the", "left", "of"], Relation::LeftOf),
    (&["left", "of"], Relation::LeftOf),
    (&["to", "the", "right", "of"], Relation::RightOf),
    (&["on", "the", "right", "of"], Relation::RightOf),
    (&["right", "of"], Relation::RightOf),
    (&["above"], Relation::Above),
    (&["over"], Relation::Above),
    (&["below"], Relation::Below),
    (&["under"], Relation::Below),
];

impl FromStr for Claim {
    type Err = DemoError;

    /// Reads a caption in any of its wordings, in lower or upper case, with or without spaces before commas.
    ///
    /// # Errors
    ///
    /// [`DemoError::NotACaption`] at the first word that no caption can have there.
    fn from_str(text: &str) -> Result<Self, DemoError> {
        let spaced = text
            .trim()
            .trim_end_matches('.')
            .to_lowercase()
            .replace(',', " , ");
        let mut parser = Parser {
            words: spaced.split_whitespace().collect(),
            position: 0,
        };
        parser.claim()
    }
}

/// Words, and how many of them are read.
struct Parser<'a> {
    words: Vec<&'a str>,
    position: usize,
}

impl<'a> Parser<'a> {
    /// The whole text.
    fn claim(&mut self) -> Result<Claim, DemoError> {
        let _ = PREFIXES.iter().any(|prefix| self.take(prefix));
        let mut mentions = vec![self.mention()?];
        let mut relations = Vec::new();
        while mentions.len() < MAX_MENTIONS {
            if let Some(relation) = self.relation() {
                relations.push(StatedRelation {
                    subject: mentions.len() - 1,
                    relation,
                    object: mentions.len(),
                });
            } else if self.take(&[","]) {
                self.take(&["and"]);
            } else if !self.take(&["and"]) {
                break;
            }
            mentions.push(self.mention()?);
        }
        let background = self.background()?;
        if self.position < self.words.len() {
            return Err(self.expected("\"and\", a relation, a background or the end"));
        }
        Ok(Claim {
            mentions,
            relations,
            background,
        })
    }

    /// "three small yellow triangles".
    fn mention(&mut self) -> Result<Mention, DemoError> {
        let count = self
            .word(|word| match word {
                "a" | "an" => Some(1),
                word => NUMBERS.iter().position(|number| *number == word),
            })
            .filter(|count| *count > 0);
        let Some(count) = count else {
            return Err(self.expected("\"a\" or a number"));
        };
        let size = self.word(|word| size_words().find(|(name, _)| *name == word).map(|(_, size)| size));
        let color = self.word(|word| Color::ALL.into_iter().find(|color| color.word() == word));
        let shape = self
            .word(|word| noun(word, count))
            .ok_or_else(|| self.expected("a shape, in the number that was said"))?;
        let place = if count == 1 { self.place() } else { None };
        Ok(Mention {
            count,
            size,
            color,
            shape,
            place,
        })
    }

    /// "at the top left"; not the beginning of "on the left of".
    fn place(&mut self) -> Option<Place> {
        let words = |place: Place| place.phrase().split(' ').collect::<Vec<&str>>();
        let rest = &self.words[self.position..];
        // "at the top left" rather than "at the top".
        let place = Place::ALL
            .into_iter()
            .filter(|place| rest.starts_with(&words(*place)))
            .max_by_key(|place| place.phrase().len())?;
        let behind = self.position + words(place).len();
        if self.words.get(behind) == Some(&"of") {
            return None;
        }
        self.position = behind;
        Some(place)
    }

    /// "to the left of".
    fn relation(&mut self) -> Option<Relation> {
        RELATIONS
            .iter()
            .find(|(words, _)| self.take(words))
            .map(|(_, relation)| *relation)
    }

    /// "on a white background".
    fn background(&mut self) -> Result<Option<Background>, DemoError> {
        if !["on", "against", "with"].iter().any(|word| self.take(&[*word])) {
            return Ok(None);
        }
        if !["a", "an", "the"].iter().any(|word| self.take(&[*word])) {
            return Err(self.expected("\"a\""));
        }
        let background = self
            .word(|word| {
                Background::ALL
                    .into_iter()
                    .find(|background| background.word() == word)
            })
            .ok_or_else(|| self.expected("a background's color"))?;
        if !self.take(&["background"]) {
            return Err(self.expected("\"background\""));
        }
        Ok(Some(background))
    }

    /// Reads these words, all or none.
    fn take(&mut self, words: &[&str]) -> bool {
        let found = self.words[self.position..].starts_with(words);
        if found {
            self.position += words.len();
        }
        found
    }

    /// Reads a word if it means something.
    fn word<T>(&mut self, meaning: impl Fn(&'a str) -> Option<T>) -> Option<T> {
        let meant = meaning(self.words.get(self.position)?)?;
        self.position += 1;
        Some(meant)
    }

    /// The error at the next word.
    fn expected(&self, expected: &'static str) -> DemoError {
        DemoError::NotACaption {
            expected,
            position: self.position,
            got: self
                .words
                .get(self.position)
                .map_or_else(|| "the end".to_owned(), |word| format!("{word:?}")),
        }
    }
}

/// The shape of a noun in the right number; `Some(None)` for "object" and the like.
fn noun(word: &str, count: usize) -> Option<Option<Shape>> {
    let shapeless = if count == 1 {
        ["object", "thing", "shape"]
    } else {
        ["objects", "things", "shapes"]
    };
    if shapeless.contains(&word) {
        return Some(None);
    }
    Shape::ALL
        .into_iter()
        .find(|shape| word == if count == 1 { shape.word() } else { shape.plural() })
        .map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Size;

    fn parse(text: &str) -> Claim {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn wordings_of_one_claim_are_one_claim() {
        let claim = parse("a small red circle to the left of a large orange star on a white background");
        assert_eq!(
            claim.mentions[1],
            Mention {
                count: 1,
                size: Some(Size::Large),
                color: Some(Color::Orange),
                shape: Some(Shape::Star),
                place: None,
            }
        );
        for wording in [
            "a little red circle left of a big orange star against a white background",
            "A picture of a small red circle on the left of a large orange star with a white background.",
            "there is one small  red circle to the left of one large orange star on the white background",
        ] {
            assert_eq!(parse(wording), claim);
        }
    }

    #[test]
    fn lists_and_incomplete_captions_are_read() {
        let claim = parse("a red circle , two squares, and an object");
        assert_eq!(claim.mentions.len(), 3);
        assert_eq!(claim, parse("a red circle, two squares and a thing"));
        assert!(claim.relations.is_empty() && claim.background.is_none());
        let claim = parse("a circle and a star above a cross");
        assert_eq!(
            claim.relations,
            [StatedRelation {
                subject: 1,
                relation: Relation::Above,
                object: 2
            }]
        );
    }

    #[test]
    fn places_are_told_from_relations() {
        let claim = parse("a circle on the left and a star at the bottom right on a white background");
        let places: Vec<_> = claim.mentions.iter().map(|mention| mention.place).collect();
        assert_eq!(places, [Some(Place::Left), Some(Place::BottomRight)]);
        assert!(claim.relations.is_empty());
        let claim = parse("a circle on the left of a star at the top");
        assert_eq!(claim.relations[0].relation, Relation::LeftOf);
        let places: Vec<_> = claim.mentions.iter().map(|mention| mention.place).collect();
        assert_eq!(places, [None, Some(Place::Top)]);
    }

    #[test]
    fn nonsense_is_refused_where_it_stands() {
        for (text, position) in [
            ("", 0),
            ("circle", 0),
            ("a", 1),
            ("a small red", 3),
            ("a red small circle", 2),
            ("a pink circle", 1),
            ("two circle", 1),
            ("a circles", 1),
            ("zero circles", 1),
            ("a circle and", 3),
            ("a circle a star", 2),
            ("a circle to the left a star", 2),
            ("a circle on a red background", 4),
            ("a circle on a white", 5),
            ("a circle on a white background and a star", 6),
            ("there is", 2),
            ("a dog on a skateboard", 1),
            ("two circles at the top", 2),
            ("a circle at the top middle", 5),
        ] {
            match text.parse::<Claim>() {
                Err(DemoError::NotACaption { position: got, .. }) => assert_eq!(got, position, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
        let long = vec!["a circle"; 40].join(" and ");
        assert!(long.parse::<Claim>().is_err());
    }
}
