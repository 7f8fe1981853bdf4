//! Words: of letters, of parts with hyphens, and those that the Treebank cuts in two.

use std::collections::BTreeSet;

use super::Match;
use super::abbreviation::acronym_ends;
use super::apostrophe::{apostrophe_end, loose_apostrophe_end};
use super::character::{is_digit, is_hyphen, is_inner_punctuation, is_letter, is_word_letter};
use super::form::Form;
use super::scan::{is, literal, literals, one, peek, run, some};

/// Words that are written as one and are two, with the length of the first.
const ASSIMILATIONS: [(&str, usize); 8] = [
    ("cannot", 3),
    ("'twas", 2),
    ("'tis", 2),
    ("gonna", 3),
    ("gotta", 3),
    ("lemme", 3),
    ("gimme", 3),
    ("wanna", 3),
];

/// Tokens of the Treebank that no other rule makes.
const SPECIAL: [&str; 15] = [
    "-rrb-",
    "-lrb-",
    "-rcb-",
    "-lcb-",
    "-rsb-",
    "-lsb-",
    "c.d.s",
    "pro-",
    "anti-",
    "s&p-500",
    "s&amp;p-500",
    "s&ls",
    "s&amp;ls",
    "cap'n",
    "c'est",
];

/// A letter of a word: a character, or an entity such as `&eacute;`.
pub(super) fn letter_end(text: &[char], at: usize) -> Option<usize> {
    one(text, at, is_word_letter).or_else(|| {
        let vowel = one(text, literal(text, at, "&")?, |c| "aeiouAEIOU".contains(c))?;
        literals(text, vowel, &["acute;", "grave;", "uml;"])
    })
}

/// A letter, then letters and digits.
fn part_end(text: &[char], at: usize) -> Option<usize> {
    let mut end = letter_end(text, at)?;
    while let Some(next) = letter_end(text, end).or_else(|| one(text, end, is_digit)) {
        end = next;
    }
    Some(end)
}

/// A word, or words that are joined by a period, `!` or `?` without a space: "end.start" is one.
pub(super) fn word_end(text: &[char], at: usize) -> Option<usize> {
    let mut end = part_end(text, at)?;
    while let Some(next) =
        one(text, end, |c| matches!(c, '.' | '!' | '?')).and_then(|end| part_end(text, end))
    {
        end = next;
    }
    Some(end)
}

/// "dog".
pub(super) fn word(text: &[char], at: usize) -> Option<Match> {
    Some(Match::new(word_end(text, at)?, Form::Word))
}

/// A word with its period, where punctuation follows: "etc.," and "asleep.,".
pub(super) fn word_before_punctuation(text: &[char], at: usize) -> Option<Match> {
    let end = literal(text, word_end(text, at)?, ".")?;
    let reach = one(text, end, is_inner_punctuation)?;
    Some(Match::new(end, Form::Word).reaching(reach))
}

/// "C++", "C#" and "F#".
pub(super) fn programming_language(text: &[char], at: usize) -> Option<Match> {
    Some(Match::new(
        literals(text, at, &["c++", "c#", "f#"])?,
        Form::Verbatim,
    ))
}

/// "cannot" is "can" and "not".
pub(super) fn assimilation(text: &[char], at: usize) -> Option<Match> {
    ASSIMILATIONS.iter().find_map(|(spelling, first)| {
        let reach = literal(text, at, spelling)?;
        Some(Match::new(at + first, Form::Verbatim).reaching(reach))
    })
}

/// "S&P-500".
pub(super) fn special(text: &[char], at: usize) -> Option<Match> {
    let typeset = || {
        // The apostrophe of "Cap'n" and "c'est" may be any.
        let (start, rest) = [("cap", "n"), ("c", "est")]
            .into_iter()
            .find_map(|(start, rest)| Some((literal(text, at, start)?, rest)))?;
        literal(text, apostrophe_end(text, start)?, rest)
    };
    let end = literals(text, at, &SPECIAL).or_else(typeset)?;
    Some(Match::new(end, Form::Ampersand))
}

/// Two or three words with strokes between them, each with up to two hyphens: "and/or", "semi-dark/black".
pub(super) fn alternatives(text: &[char], at: usize) -> Option<Match> {
    let unit = |at: usize| {
        let mut end = some(text, at, |c| c.is_ascii_alphanumeric())?;
        for _ in 0..2 {
            let part = literal(text, end, "-").and_then(|end| some(text, end, |c| c.is_ascii_alphabetic()));
            end = part.unwrap_or(end);
        }
        Some(end)
    };
    let stroke = |at: usize| literals(text, at, &["/", "\\/"]);
    let mut end = unit(stroke(unit(at)?)?)?;
    if let Some(third) = stroke(end).and_then(unit) {
        end = third;
    }
    Some(Match::new(end, Form::Verbatim))
}

/// Parts joined by hyphens, the first with periods and commas inside: "well-known", "1,000-foot", "U.S.-led".
///
/// A period that ends it belongs to it where punctuation follows.
pub(super) fn hyphenated(text: &[char], at: usize) -> Option<Match> {
    let first = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ',' | '\u{ad}');
    let start = run(text, one(text, at, |c| c.is_ascii_alphanumeric())?, first);
    let end = hyphenated_parts(text, start)?;
    Some(with_period(text, end, Form::Word))
}

/// The longest row of parts that each begin with a hyphen: letters and digits, or an acronym with its last period.
fn hyphenated_parts(text: &[char], at: usize) -> Option<usize> {
    let mut longest = None;
    // What can be reached with whole parts. An acronym can be read in more than one way, which meet again; from the
    // first place on, each is looked at once.
    let mut reached = BTreeSet::from([at]);
    while let Some(from) = reached.pop_first() {
        let Some(start) = literal(text, from, "-") else {
            continue;
        };
        let plain = some(text, start, |c| c.is_ascii_alphanumeric() || c == '\u{ad}');
        let acronyms = acronym_ends(text, start, 2)
            .into_iter()
            .filter_map(|end| literal(text, end, "."));
        for end in plain.into_iter().chain(acronyms) {
            longest = longest.max(Some(end));
            reached.insert(end);
        }
    }
    longest
}

/// Parts of letters and digits joined by hyphens, each perhaps with d', l' or o' before it: "o'clock", "café-bar".
///
/// A period that ends it belongs to it where punctuation follows.
pub(super) fn compound(text: &[char], at: usize) -> Option<Match> {
    let plain = |c: char| is_letter(c) || is_digit(c);
    let part = |at: usize| {
        let elided = || {
            let end = one(text, at, |c| "dDoOlL".contains(c))?;
            let end = loose_apostrophe_end(text, end)?;
            some(text, one(text, end, plain)?, plain)
        };
        elided().or_else(|| some(text, at, plain))
    };
    let mut end = part(at)?;
    while let Some(next) = one(text, end, is_hyphen).and_then(part) {
        end = next;
    }
    Some(with_period(text, end, Form::Verbatim))
}

/// Capitals joined by `&` or `+`: "AT&T".
///
/// A period that ends it belongs to it where punctuation follows.
pub(super) fn initials(text: &[char], at: usize) -> Option<Match> {
    let capitals = |at: usize| some(text, at, |c| c.is_ascii_uppercase());
    let joined = |at: usize| literals(text, at, &["+", "&", "&amp;"]).and_then(capitals);
    let mut end = joined(capitals(at)?)?;
    while let Some(next) = joined(end) {
        end = next;
    }
    Some(with_period(text, end, Form::Ampersand))
}

/// What ends at `end`, or one further if there is a period with punctuation behind it.
fn with_period(text: &[char], end: usize, form: Form) -> Match {
    if peek(text, end) == Some('.') && is(text, end + 1, is_inner_punctuation) {
        Match::new(end + 1, form).reaching(end + 2)
    } else {
        Match::new(end, form)
    }
}
