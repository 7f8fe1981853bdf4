//! Tags of SGML: "<br/>" is one token.

use super::Match;
use super::form::Form;
use super::scan::{literal, literals, one, peek, run};

/// Past a tag.
pub(super) fn tag_end(text: &[char], at: usize) -> Option<usize> {
    let spaces = |at: usize| run(text, at, |c| c == ' ');
    let name = |at: usize| {
        let end = one(text, at, |c| c.is_ascii_alphabetic())?;
        Some(run(text, end, |c| {
            c.is_ascii_alphanumeric() || "_:.-".contains(c)
        }))
    };
    let start = literal(text, at, "<")?;
    let end = match peek(text, start)? {
        '!' | '?' => {
            let end = one(text, start + 1, |c| c.is_ascii_alphabetic() || c == '-')?;
            run(text, end, |c| !matches!(c, '>' | '\r' | '\n'))
        }
        '/' => name(start + 1)?,
        _ => {
            let mut end = name(start)?;
            // Attributes, each behind a space, with or without a value.
            while let Some(attribute) = one(text, end, |c| c == ' ').and_then(|end| name(spaces(end))) {
                let value =
                    literal(text, spaces(attribute), "=").and_then(|end| quoted_end(text, spaces(end)));
                end = value.unwrap_or(attribute);
            }
            let end = spaces(end);
            literals(text, end, &["/"]).unwrap_or(end)
        }
    };
    literal(text, spaces(end), ">")
}

/// Past a value in quotation marks.
fn quoted_end(text: &[char], at: usize) -> Option<usize> {
    let mark = peek(text, at).filter(|mark| matches!(mark, '\'' | '"'))?;
    one(text, run(text, at + 1, |c| c != mark && c != '\n'), |c| c == mark)
}

/// "<br/>".
pub(super) fn tag(text: &[char], at: usize) -> Option<Match> {
    Some(Match::new(tag_end(text, at)?, Form::Unbroken))
}
