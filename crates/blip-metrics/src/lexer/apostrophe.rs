//! Words with an apostrophe, and the endings that the Treebank cuts off: "man's" is "man" and "'s", "don't" is "do"
//! and "n't".

use super::Match;
use super::character::{is_apostrophe, is_letter, is_loose_apostrophe};
use super::form::Form;
use super::scan::{is, literal, literals, one, peek, run, some};
use super::word::word_end;

/// An apostrophe, or the entity of one.
pub(super) fn apostrophe_end(text: &[char], at: usize) -> Option<usize> {
    one(text, at, is_apostrophe).or_else(|| literal(text, at, "&apos;"))
}

/// An apostrophe, the entity of one, or what people also write for it.
pub(super) fn loose_apostrophe_end(text: &[char], at: usize) -> Option<usize> {
    one(text, at, is_loose_apostrophe).or_else(|| literal(text, at, "&apos;"))
}

/// "'s", "'m", "'d", "'re", "'ve", "'ll".
fn ending_end(text: &[char], at: usize) -> Option<usize> {
    literals(
        text,
        apostrophe_end(text, at)?,
        &["s", "m", "d", "re", "ve", "ll"],
    )
}

/// "n't".
fn not_end(text: &[char], at: usize) -> Option<usize> {
    literal(text, loose_apostrophe_end(text, literal(text, at, "n")?)?, "t")
}

/// "man" in "man's".
pub(super) fn word_before_ending(text: &[char], at: usize) -> Option<Match> {
    let end = word_end(text, at)?;
    Some(Match::new(end, Form::Word).reaching(ending_end(text, end)?))
}

/// "do" in "don't". It does not end in n.
pub(super) fn stem_before_not(text: &[char], at: usize) -> Option<Match> {
    let end = run(text, at, |c| c.is_ascii_alphabetic() || c == '\u{ad}').checked_sub(1)?;
    let stem = text.get(at..end)?;
    let last = stem.iter().rev().find(|c| **c != '\u{ad}')?;
    if last.eq_ignore_ascii_case(&'n') {
        return None;
    }
    Some(Match::new(end, Form::Word).reaching(not_end(text, end)?))
}

/// Words that keep their apostrophe: "'em", "'n'", "'90s", "O'Neill", "Hawai'i", "ma'am".
pub(super) fn word_with_apostrophe(text: &[char], at: usize) -> Option<Match> {
    const SPELLED: [&str; 11] = [
        "'twas",
        "c'mon",
        "cont'd",
        "cont'd.",
        "e'er",
        "ev'ry",
        "li'l",
        "nat'l",
        "nor'easter",
        "s'mores",
        "'cause",
    ];
    let leading = || {
        let end = apostrophe_end(text, at)?;
        let decade = one(text, end, |c| ('2'..='9').contains(&c)).and_then(|end| literal(text, end, "0s"));
        let and = literal(text, end, "n").map(|end| apostrophe_end(text, end).unwrap_or(end));
        let spelled = literals(text, end, &["em", "til", "till", "cause"]);
        decade.max(and).max(spelled)
    };
    let trailing = || {
        let letter = one(text, at, |c| "lLdDjJ".contains(c));
        let spelled = literals(text, at, &["dunkin", "somethin", "ol"]);
        let ends = [letter, spelled];
        ends.into_iter()
            .flatten()
            .filter_map(|end| apostrophe_end(text, end))
            .max()
    };
    let name = || {
        // I and Y are left out, for "I'll" and "Y'all".
        let initial = |c: char| matches!(c, 'A'..='H' | 'J'..='X' | 'Z' | 'n');
        let end = loose_apostrophe_end(text, one(text, at, initial)?)?;
        let last = some(text, end, is_letter)?;
        (last - end >= 2).then_some(last)
    };
    let vowels = || {
        let end = some(text, at, is_letter)?;
        if end - at < 2 || !"aeiouyAEIOUY".contains(text[end - 1]) {
            return None;
        }
        let end = loose_apostrophe_end(text, end)?;
        let second = one(text, end, |c| "aeiou".contains(c) || c.is_ascii_uppercase())?;
        Some(run(text, second, is_letter))
    };
    let o_o = || literal(text, loose_apostrophe_end(text, literal(text, at, "o")?)?, "o");
    let ends = [
        literals(text, at, &SPELLED),
        leading(),
        trailing(),
        name(),
        vowels(),
        o_o(),
    ];
    Some(Match::new(ends.into_iter().flatten().max()?, Form::Verbatim))
}

/// "y'" in "y'all".
pub(super) fn y_before_word(text: &[char], at: usize) -> Option<Match> {
    let end = apostrophe_end(text, literal(text, at, "y")?)?;
    Some(Match::new(end, Form::Verbatim).reaching(one(text, end, is_letter)?))
}

/// "'s" with something other than a letter behind it.
pub(super) fn ending(text: &[char], at: usize) -> Option<Match> {
    before_other(text, ending_end(text, at)?)
}

/// "n't" with something other than a letter behind it.
pub(super) fn not(text: &[char], at: usize) -> Option<Match> {
    before_other(text, not_end(text, at)?)
}

fn before_other(text: &[char], end: usize) -> Option<Match> {
    let reach = one(text, end, |c| !c.is_ascii_alphabetic())?;
    Some(Match::new(end, Form::Quote { opens: false }).reaching(reach))
}

/// "'s" or "n't", which end the text or go over into letters.
pub(super) fn ending_of_text(text: &[char], at: usize) -> Option<Match> {
    let end = ending_end(text, at).or_else(|| not_end(text, at))?;
    Some(Match::new(end, Form::Quote { opens: false }))
}

/// An apostrophe that opens a quotation: with a letter behind it and more behind that.
pub(super) fn opening(text: &[char], at: usize) -> Option<Match> {
    let more = |c: char| !matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{a0}');
    if peek(text, at) == Some('\'') && is(text, at + 1, |c| c.is_ascii_alphabetic()) && is(text, at + 2, more)
    {
        return Some(Match::new(at + 1, Form::Quote { opens: true }).reaching(at + 3));
    }
    None
}
