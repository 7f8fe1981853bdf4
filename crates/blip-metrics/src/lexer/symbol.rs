//! Punctuation, brackets, quotation marks, currencies, smileys, and everything else that is not a word or a number.

use super::Match;
use super::apostrophe::apostrophe_end;
use super::character::{is_inner_punctuation, is_quote, is_space, is_symbol};
use super::form::Form;
use super::scan::{self, at_most, is, literal, literals, one, peek, some};

/// Long dashes, which become "--".
pub(super) fn dash(text: &[char], at: usize) -> Option<Match> {
    let sign = |c: char| matches!(c, '\u{96}' | '\u{97}' | '\u{2013}'..='\u{2015}');
    let end = one(text, at, sign).or_else(|| literals(text, at, &["&md;", "&mdash;", "&ndash;"]))?;
    Some(Match::new(end, Form::Fixed("--")))
}

/// "&amp;".
pub(super) fn ampersand_entity(text: &[char], at: usize) -> Option<Match> {
    Some(Match::new(literal(text, at, "&amp;")?, Form::Ampersand))
}

/// Entities that stay as they are: "&#39;".
pub(super) fn entity(text: &[char], at: usize) -> Option<Match> {
    const NAMES: &[&str] = &[
        "&ht;", "&tl;", "&ur;", "&lr;", "&qc;", "&ql;", "&qr;", "&odq;", "&cdq;",
    ];
    let numbered = || {
        literal(
            text,
            some(text, literal(text, at, "&#")?, |c| c.is_ascii_digit())?,
            ";",
        )
    };
    let end = literals(text, at, NAMES).or_else(numbered)?;
    Some(Match::new(end, Form::Verbatim))
}

/// "$", "US$" and "#".
pub(super) fn dollar(text: &[char], at: usize) -> Option<Match> {
    let end = one(text, scan::run(text, at, |c| c.is_ascii_uppercase()), |c| {
        c == '$'
    })
    .or_else(|| literal(text, at, "#"))?;
    Some(Match::new(end, Form::Verbatim))
}

/// Other currencies. The Treebank knows "cents", "#" for the pound, and "$" for the euro and any other.
pub(super) fn currency(text: &[char], at: usize) -> Option<Match> {
    let form = match peek(text, at)? {
        '\u{a2}' => Form::Fixed("cents"),
        '\u{a3}' => Form::Fixed("#"),
        '\u{80}' | '\u{a4}' | '\u{20a0}' | '\u{20ac}' => Form::Fixed("$"),
        '\u{a5}' | '\u{60b}' | '\u{e3f}' | '\u{20a4}' | '\u{ffe0}' | '\u{ffe1}' | '\u{ffe5}' | '\u{ffe6}' => {
            Form::Verbatim
        }
        _ => return None,
    };
    Some(Match::new(at + 1, form))
}

/// A double quotation mark, which opens if a letter, a digit or `$` is behind it.
pub(super) fn double_quote(text: &[char], at: usize) -> Option<Match> {
    let end = literals(text, at, &["\"", "&quot;"])?;
    let opened = one(text, end, |c| c.is_ascii_alphanumeric() || c == '$');
    let found = Match::new(
        end,
        Form::Quote {
            opens: opened.is_some(),
        },
    );
    Some(found.reaching(opened.unwrap_or(end)))
}

/// "<", ">" and their entities, "<<" and ">>".
pub(super) fn angle(text: &[char], at: usize) -> Option<Match> {
    let spellings = [
        ("<<", "<<"),
        (">>", ">>"),
        ("<", "<"),
        (">", ">"),
        ("&lt;", "<"),
        ("&gt;", ">"),
    ];
    spellings
        .into_iter()
        .find_map(|(spelling, token)| Some(Match::new(literal(text, at, spelling)?, Form::Fixed(token))))
}

/// ":-)", with no letter and no digit behind it.
pub(super) fn smiley(text: &[char], at: usize) -> Option<Match> {
    let brow = one(text, at, |c| "<>".contains(c)).unwrap_or(at);
    let eyes = one(text, brow, |c| ":;=".contains(c))?;
    let mouth = |at: usize| one(text, at, |c| r"()DPdpO\{@|[]".contains(c));
    let end = one(text, eyes, |c| "-o*'".contains(c))
        .and_then(mouth)
        .or_else(|| mouth(eyes))?;
    let reach = one(text, end, |c| !c.is_ascii_alphanumeric())?;
    Some(Match::new(end, Form::Bracket).reaching(reach))
}

/// "^_^" and "(-.-)".
pub(super) fn asian_smiley(text: &[char], at: usize) -> Option<Match> {
    let eye = |at: usize| one(text, at, |c| "^x=~<>'".contains(c));
    let any_eye = |at: usize| one(text, at, |c| "-^x=~<>'".contains(c));
    // A misplaced escape makes this one match nothing that anybody writes.
    let dotted = || {
        let end = one(text, at, |c| "^x=~<>".contains(c))?;
        literal(text, end, ".[^x=~<>]")
    };
    let plain = || any_eye(literal(text, any_eye(at)?, "_")?);
    let bracketed = || {
        let first = any_eye(literal(text, at, "(")?)?;
        let nose = one(text, first, |c| "_.".contains(c)).unwrap_or(first);
        literal(text, any_eye(nose)?, ")")
    };
    let with_hyphen = || {
        let nose = literal(text, eye(literal(text, at, "(")?)?, "-")?;
        literal(text, one(text, nose, |c| "^x=~<>'`".contains(c))?, ")")
    };
    let ends = [dotted(), plain(), bracketed(), with_hyphen()];
    Some(Match::new(ends.into_iter().flatten().max()?, Form::Bracket))
}

/// Brackets, which the Treebank spells out.
pub(super) fn bracket(text: &[char], at: usize) -> Option<Match> {
    let token = match peek(text, at)? {
        '(' => "-LRB-",
        ')' => "-RRB-",
        '[' => "-LSB-",
        ']' => "-RSB-",
        '{' => "-LCB-",
        '}' => "-RCB-",
        _ => return None,
    };
    Some(Match::new(at + 1, Form::Fixed(token)))
}

/// A row of hyphens. Three or four are a dash.
pub(super) fn hyphens(text: &[char], at: usize) -> Option<Match> {
    let end = some(text, at, |c| c == '-')?;
    let form = match end - at {
        3 | 4 => Form::Fixed("--"),
        _ => Form::Verbatim,
    };
    Some(Match::new(end, form))
}

/// Three to five periods, with or without spaces between them, or the sign for it.
pub(super) fn ellipsis(text: &[char], at: usize) -> Option<Match> {
    let spaced = || {
        let mut end = at;
        let mut best = None;
        for periods in 1..=5 {
            let next = literal(text, end, ".")?;
            if periods >= 3 {
                best = Some(next);
            }
            let Some(space) = one(text, next, |c| matches!(c, ' ' | '\u{a0}')) else {
                break;
            };
            end = space;
            if !is(text, end, |c| c == '.') {
                break;
            }
        }
        best
    };
    let end = one(text, at, |c| matches!(c, '\u{85}' | '\u{2026}'))
        .or_else(|| at_most(text, at, 3, 5, |c| c == '.'))
        .or_else(spaced)?;
    Some(Match::new(end, Form::Fixed("...")))
}

/// A row of one sign: "@@", "##", "__", "**", or of question and exclamation marks: "?!".
pub(super) fn run(text: &[char], at: usize) -> Option<Match> {
    let first = peek(text, at)?;
    let end = match first {
        '@' | '#' | '_' | '*' => scan::run(text, at, |c| c == first),
        '?' | '!' => scan::run(text, at, |c| matches!(c, '?' | '!')),
        '\\' => {
            let mut end = literal(text, at, "\\*")?;
            for _ in 1..3 {
                end = literal(text, end, "\\*").unwrap_or(end);
            }
            end
        }
        _ => return None,
    };
    Some(Match::new(end, Form::Verbatim))
}

/// A comma, a semicolon, a colon.
pub(super) fn inner_punctuation(text: &[char], at: usize) -> Option<Match> {
    Some(Match::new(one(text, at, is_inner_punctuation)?, Form::Verbatim))
}

/// Quotation marks that close: an apostrophe, two of them, or one or two of the others.
pub(super) fn quotes(text: &[char], at: usize) -> Option<Match> {
    let end = literal(text, at, "''")
        .or_else(|| apostrophe_end(text, at).filter(|_| !is(text, at, is_quote)))
        .or_else(|| at_most(text, at, 1, 2, is_quote))?;
    Some(Match::new(end, Form::Quote { opens: false }))
}

/// Any other sign that is known.
pub(super) fn symbol(text: &[char], at: usize) -> Option<Match> {
    Some(Match::new(one(text, at, is_symbol)?, Form::Verbatim))
}

/// What separates tokens, and signs that have no width.
pub(super) fn space(text: &[char], at: usize) -> Option<Match> {
    let thin = |c: char| {
        matches!(
            c,
            '\0' | '\u{7f}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}'
        )
    };
    let end = some(text, at, is_space)
        .or_else(|| one(text, at, thin))
        .or_else(|| literal(text, at, "&nbsp;"))?;
    Some(Match::new(end, Form::Nothing))
}
