//! Numbers, dates, fractions and telephone numbers.

use super::Match;
use super::apostrophe::apostrophe_end;
use super::character::{is_digit, is_joint, is_space_or_line, is_subscript, is_superscript};
use super::form::Form;
use super::scan::{at_most, counted, literal, literals, one, peek, run, some};

fn is_ascii_digit(character: char) -> bool {
    character.is_ascii_digit()
}

/// "5", "-5", "1,000", "12:30", ".5".
pub(super) fn number(text: &[char], at: usize) -> Option<Match> {
    let start = one(text, at, |c| matches!(c, '-' | '+')).unwrap_or(at);
    let inner = |c: char| matches!(c, '.' | ':' | ',' | '\u{ad}' | '\u{66b}' | '\u{66c}');
    let mut end = run(text, start, is_digit);
    while let Some(next) = one(text, end, inner).and_then(|end| some(text, end, is_digit)) {
        end = next;
    }
    (end > start).then(|| Match::new(end, Form::Word))
}

/// "4/12/1999", "4-12-99".
pub(super) fn date(text: &[char], at: usize) -> Option<Match> {
    let stroke = |c: char| matches!(c, '-' | '/');
    let day = one(text, counted(text, at, 1, 2, is_digit)?, stroke)?;
    let month = one(text, counted(text, day, 1, 2, is_digit)?, stroke)?;
    let year = at_most(text, month, 2, 4, is_digit)?;
    Some(Match::new(year, Form::Verbatim))
}

/// "1/2", "5 1/2", "5-1/2".
pub(super) fn fraction(text: &[char], at: usize) -> Option<Match> {
    let plain = |at: usize| {
        let end = counted(text, at, 1, 4, is_digit)?;
        let end = one(text, end, |c| c == '\u{2044}').or_else(|| literals(text, end, &["/", "\\/"]))?;
        at_most(text, end, 1, 4, is_digit)
    };
    let mixed = || plain(one(text, counted(text, at, 1, 4, is_digit)?, is_joint)?);
    Some(Match::new(mixed().or_else(|| plain(at))?, Form::Unbroken))
}

/// "½". Five of them are spelled out.
pub(super) fn fraction_sign(text: &[char], at: usize) -> Option<Match> {
    let form = match peek(text, at)? {
        '\u{bc}' => Form::Fixed("1/4"),
        '\u{bd}' => Form::Fixed("1/2"),
        '\u{be}' => Form::Fixed("3/4"),
        '\u{2153}' => Form::Fixed("1/3"),
        '\u{2154}' => Form::Fixed("2/3"),
        '\u{2155}'..='\u{215e}' => Form::Verbatim,
        _ => return None,
    };
    Some(Match::new(at + 1, form))
}

/// "²", "₁₀", perhaps with a raised or lowered sign.
pub(super) fn raised(text: &[char], at: usize) -> Option<Match> {
    let sign = |c: char| matches!(c, '\u{207a}' | '\u{207b}' | '\u{208a}' | '\u{208b}');
    let start = one(text, at, sign).unwrap_or(at);
    let end = some(text, start, is_superscript).or_else(|| some(text, start, is_subscript))?;
    Some(Match::new(end, Form::Verbatim))
}

/// "'90" before a space.
pub(super) fn short_year(text: &[char], at: usize) -> Option<Match> {
    let end = counted(text, apostrophe_end(text, at)?, 2, 2, is_ascii_digit)?;
    Some(Match::new(end, Form::Verbatim).reaching(one(text, end, is_space_or_line)?))
}

/// "(650) 723-2000", "555-1234567", "1.650.723.2000". Years in a row look the same: "2008 2009 2010".
pub(super) fn telephone(text: &[char], at: usize) -> Option<Match> {
    let digits = |at: usize, least: usize, most: usize| counted(text, at, least, most, is_ascii_digit);
    let group = |at: usize| one(text, digits(at, 2, 4)?, is_joint);
    let plus = literals(text, at, &["+", "++"]).unwrap_or(at);
    // What a number ends in: three or four digits, perhaps a joint, three to five digits.
    let tail = |at: usize| {
        let joined = || {
            at_most(
                text,
                one(text, digits(at, 3, 4)?, is_joint)?,
                3,
                5,
                is_ascii_digit,
            )
        };
        joined().or_else(|| at_most(text, at, 6, 9, is_ascii_digit))
    };
    let dotted_group = |at: usize| literal(text, digits(at, 2, 4)?, ".");
    let dotted_tail = |at: usize| {
        let end = dotted_group(at)?;
        at_most(
            text,
            literal(text, digits(end, 3, 4)?, ".")?,
            3,
            5,
            is_ascii_digit,
        )
    };
    let bracketed = || {
        let end = literal(text, digits(literal(text, at, "(")?, 2, 3)?, ")")?;
        one(text, end, |c| matches!(c, ' ' | '\u{a0}'))
            .and_then(tail)
            .or_else(|| tail(end))
    };
    let ends = [
        bracketed(),
        group(plus).and_then(group).and_then(tail),
        group(plus).and_then(tail),
        dotted_group(plus).and_then(dotted_tail),
        dotted_tail(at),
    ];
    Some(Match::new(ends.into_iter().flatten().max()?, Form::Telephone))
}
