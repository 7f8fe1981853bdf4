//! Addresses of pages and people, handles, and names of files.

use super::Match;
use super::character::{is_digit, is_space_or_line};
use super::form::Form;
use super::scan::{is, literal, literals, one, peek, run, some};
use super::word::letter_end;

/// Endings by which the name of a file is known.
#[rustfmt::skip]
const FILE_ENDINGS: &[&str] = &[
    "bat", "bmp", "c", "class", "cgi", "cpp", "dll", "doc", "docx", "exe", "gif", "gz", "h", "htm", "html", "jar",
    "java", "jpeg", "jpg", "mov", "mp3", "pdf", "php", "pl", "png", "ppt", "ps", "py", "sql", "tar", "txt", "wav", "x",
    "xml", "zip",
];

/// What no address has in it.
fn is_outside(character: char) -> bool {
    matches!(
        character,
        ' ' | '\t' | '\n' | '\u{c}' | '\r' | '"' | '<' | '>' | '|' | '(' | ')'
    )
}

/// What an address can have in it, but not as its last character.
fn is_last(character: char) -> bool {
    !is_outside(character) && !matches!(character, '.' | '!' | '?' | '{' | '}' | ',' | '-')
}

/// The longest part of the run from `at` to `end` of at least two characters that ends as an address can.
fn trimmed(text: &[char], at: usize, end: usize) -> Option<usize> {
    (at + 2..=end).rev().find(|end| is_last(text[end - 1]))
}

/// "http://example.org/a".
pub(super) fn url(text: &[char], at: usize) -> Option<Match> {
    let start = literals(text, at, &["http://", "https://"])?;
    let end = run(text, start, |c| !is_outside(c) && !matches!(c, '{' | '}'));
    Some(Match::new(trimmed(text, start, end)?, Form::Verbatim))
}

/// "www.example.org/a" and "example.com", whose name is in lower case.
pub(super) fn domain(text: &[char], at: usize) -> Option<Match> {
    let label = |c: char| !is_outside(c) && !matches!(c, '.' | '!' | '?' | '{' | '}' | ',');
    // Digits, capitals and a hyphen are not in it.
    let plain_label = |c: char| label(c) && !matches!(c, '`' | '\'' | '$' | ','..='_');
    let mut ends = Vec::new();
    if let Some(start) = literal(text, at, "www.") {
        each_dot(text, start, label, |dot| {
            let letters = run(text, dot, |c| c.is_ascii_alphabetic());
            ends.extend(dot + 2..=letters.min(dot + 4));
        });
    }
    each_dot(text, at, plain_label, |dot| {
        ends.extend(literals(text, dot, &["com", "net", "org", "edu"]));
    });
    let end = ends.into_iter().map(|end| path_end(text, end)).max()?;
    Some(Match::new(end, Form::Verbatim))
}

/// Calls `found` behind each period that ends a row of labels.
fn each_dot(text: &[char], at: usize, label: impl Fn(char) -> bool, mut found: impl FnMut(usize)) {
    let mut reached = Some(at);
    while let Some(dot) = reached.and_then(|at| literal(text, some(text, at, &label)?, ".")) {
        found(dot);
        reached = Some(dot);
    }
}

/// Past the path behind the name of a domain, if there is one.
fn path_end(text: &[char], at: usize) -> usize {
    let path = || {
        let start = literal(text, at, "/")?;
        trimmed(text, start, run(text, start, |c| !is_outside(c)))
    };
    path().unwrap_or(at)
}

/// "someone@example.org", perhaps in angle brackets.
pub(super) fn email(text: &[char], at: usize) -> Option<Match> {
    let inside = |c: char| !is_outside(c) && !matches!(c, '\u{a0}' | '{' | '}');
    let start = literals(text, at, &["<", "&lt;"]).unwrap_or(at);
    let first = one(text, start, |c| c.is_ascii_alphanumeric())?;
    let end = run(text, first, inside);
    let domains = (first..end).filter(|at| text[*at] == '@').filter_map(|at| {
        let mut end = some(text, at + 1, |c| inside(c) && c != '.')?;
        while let Some(next) =
            literal(text, end, ".").and_then(|at| some(text, at, |c| inside(c) && c != '.'))
        {
            end = next;
        }
        Some(end)
    });
    let end = domains.max()?;
    Some(Match::new(
        literals(text, end, &[">", "&gt;"]).unwrap_or(end),
        Form::Verbatim,
    ))
}

/// "@someone" and "#something".
pub(super) fn handle(text: &[char], at: usize) -> Option<Match> {
    let end = match peek(text, at)? {
        '@' => {
            let first = one(text, at + 1, |c| c.is_ascii_alphabetic() || c == '_')?;
            run(text, first, |c| c.is_ascii_alphanumeric() || c == '_')
        }
        '#' => {
            let mut end = letter_end(text, at + 1)?;
            while let Some(next) = letter_end(text, end) {
                end = next;
            }
            end
        }
        _ => return None,
    };
    Some(Match::new(end, Form::Verbatim))
}

/// "1.jpg", with a space or the end of a sentence behind it.
pub(super) fn file_name(text: &[char], at: usize) -> Option<Match> {
    let part = |at: usize| {
        let mut end = letter_end(text, at).or_else(|| one(text, at, is_digit))?;
        while let Some(next) = letter_end(text, end).or_else(|| one(text, end, is_digit)) {
            end = next;
        }
        Some(end)
    };
    let follows = |c: char| is_space_or_line(c) || matches!(c, '.' | '?' | '!' | ',');
    let mut best = None;
    let mut end = part(at)?;
    while let Some(dot) = literal(text, end, ".") {
        let ending = FILE_ENDINGS
            .iter()
            .filter_map(|ending| literal(text, dot, ending));
        best = ending.filter(|end| is(text, *end, follows)).max().or(best);
        let Some(next) = part(dot) else {
            break;
        };
        end = next;
    }
    best.map(|end| Match::new(end, Form::Verbatim).reaching(end + 1))
}
