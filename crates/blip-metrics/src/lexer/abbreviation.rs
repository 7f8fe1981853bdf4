//! Abbreviations and acronyms, which keep their period.
//!
//! In the lists a lower-case letter stands for itself in either case; a letter behind `=` stands only for itself as
//! it is written there.

use super::Match;
use super::character::{is_digit, is_space, is_space_or_line};
use super::form::Form;
use super::scan::{is, literal, literals, one, peek, some};
use super::tag::tag_end;

/// Those that can end a sentence: months, days, states, companies, measures, and what stands behind a name.
#[rustfmt::skip]
const MAYBE_FINAL: &[&str] = &[
    "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec",
    "mon", "tue", "tues", "wed", "thu", "thurs", "fri",
    "ala", "ariz", "=Az", "=Ark", "calif", "colo", "conn", "ct", "dak", "=Del", "fla", "ga", "=Ill", "ind", "kan",
    "kans", "ky", "=La", "=Mass", "md", "mich", "minn", "=Miss", "mo", "mont", "neb", "nev", "okla", "=Ore", "=Pa",
    "penn", "tenn", "=Tex", "va", "vt", "=Wash", "wis", "wisc", "wyo",
    "inc", "co", "cos", "corp", "pt=y", "pt=e", "pt=ys", "pt=es", "ppt=y", "ppt=e", "ppt=ys", "ppt=es", "ltd", "plc",
    "rt", "bancorp", "bhd", "assn", "univ", "intl", "sys",
    "tel", "est", "ext", "sq",
    "jr", "sr", "bros", "ed.d", "ph.d", "blvd", "rd", "esq",
    "etc", "al", "seq", "bldg",
];

/// Those that do not end a sentence: titles, and what stands before a name.
#[rustfmt::skip]
const NEVER_FINAL: &[&str] = &[
    "mr", "mrs", "ms", "=Miss", "dr", "drs", "prof", "profs", "sen", "sens", "rep", "reps", "atty", "attys", "lt",
    "col", "gen", "messrs", "gov", "govs", "adm", "rev", "maj", "sgt", "cpl", "pvt", "capt", "st", "ste", "ave", "pres",
    "lieut", "hon", "brig", "cmdr", "comdr", "pfc", "spc", "supt", "supts", "det", "mt", "ft", "adj", "adv", "asst",
    "assoc", "ens", "insp", "mlle", "mme", "msgr", "sfc",
    "vs", "alex", "wm", "jos", "cie", "a.k.a", "cf", "treas", "ph",
    "invt", "elec", "natl", "m=fg", "m=tg", "dept",
];

/// Those that are abbreviations before a number only.
const BEFORE_NUMBER: &[&str] = &[
    "ca", "fig", "figs", "prop", "no", "nos", "art", "bldg", "pp", "op",
];

/// Acronyms with a hyphen.
#[rustfmt::skip]
const ACRONYMS: &[&str] = &[
    "canada-u.s", "sino-u.s", "korean-u.s", "eu-u.s", "japan-u.s", "non-u.s", "u.s.-u.k", "u.s.-u.s.s.r",
];

/// Words that begin a sentence, so that a period before them ended one.
#[rustfmt::skip]
const SENTENCE_STARTS: &[&str] = &[
    "=A", "=About", "=According", "=Additionally", "=After", "=An", "=As", "=At", "=But", "=Earlier", "=He", "=Her",
    "=Here", "=However", "=If", "=In", "=It", "=Last", "=Many", "=More", "=Mr.", "=Ms.", "=Now", "=Once", "=One",
    "=Other", "=Our", "=She", "=Since", "=So", "=Some", "=Such", "=That", "=The", "=Their", "=Then", "=There",
    "=These", "=They", "=This", "=We", "=When", "=While", "=What", "=Yet", "=You",
];

/// Past a word that is spelled as one of the lists has it.
fn spelled(text: &[char], at: usize, spelling: &str) -> Option<usize> {
    let mut end = at;
    let mut spelling = spelling.chars();
    while let Some(expected) = spelling.next() {
        let found = peek(text, end)?;
        let same = if expected == '=' {
            spelling.next() == Some(found)
        } else {
            found.to_ascii_lowercase() == expected
        };
        if !same {
            return None;
        }
        end += 1;
    }
    Some(end)
}

/// Past a word of a list and the period behind it.
fn with_period(text: &[char], at: usize, list: &[&str]) -> Option<usize> {
    let ends = list
        .iter()
        .filter_map(|spelling| literal(text, spelled(text, at, spelling)?, "."));
    ends.max()
}

/// Where an acronym can end, before its last period: at least `least` single letters with periods between them, or
/// one of those with a hyphen.
pub(super) fn acronym_ends(text: &[char], at: usize, least: usize) -> Vec<usize> {
    let letter = |at: usize| one(text, at, |c| c.is_ascii_alphabetic());
    let mut ends: Vec<usize> = literals(text, at, ACRONYMS).into_iter().collect();
    let mut letters = 1;
    let mut reached = letter(at);
    while let Some(end) = reached {
        if letters >= least {
            ends.push(end);
        }
        letters += 1;
        reached = literal(text, end, ".").and_then(letter);
    }
    ends
}

/// Past an acronym and its last period.
fn acronym_end(text: &[char], at: usize) -> Option<usize> {
    acronym_ends(text, at, 1)
        .into_iter()
        .filter_map(|end| literal(text, end, "."))
        .max()
}

/// "U.S." before a sentence. Its period is read again as the end of the sentence before; a single letter leaves its
/// period to that.
pub(super) fn acronym_before_sentence(text: &[char], at: usize) -> Option<Match> {
    let end = acronym_end(text, at)?;
    let start = some(text, end, is_space_or_line)?;
    let word_ends = SENTENCE_STARTS
        .iter()
        .filter_map(|word| spelled(text, start, word));
    let ends = word_ends.chain(tag_end(text, start));
    let reach = ends.filter_map(|end| one(text, end, is_space_or_line)).max()?;
    let token_end = if end - at == 2 { end - 1 } else { end };
    let found = Match::new(token_end, Form::Verbatim);
    Some(found.reaching(reach).followed_at(end - 1))
}

/// "no." in "no. 5".
pub(super) fn before_number(text: &[char], at: usize) -> Option<Match> {
    let end = with_period(text, at, BEFORE_NUMBER)?;
    let start = one(text, end, is_space_or_line).unwrap_or(end);
    Some(Match::new(end, Form::Verbatim).reaching(one(text, start, is_digit)?))
}

/// "Pty." in "Pty. Ltd.".
pub(super) fn before_limited(text: &[char], at: usize) -> Option<Match> {
    let end = with_period(text, at, &["co", "pt=e", "pt=y", "pt=Y"])?;
    let reach = literals(text, one(text, end, is_space)?, &["ltd", "lim"])?;
    Some(Match::new(end, Form::Verbatim).reaching(reach))
}

/// "etc.". Before a capital and at the end of the text its period is read again, as the end of a sentence.
pub(super) fn maybe_final(text: &[char], at: usize) -> Option<Match> {
    let end = with_period(text, at, MAYBE_FINAL)?;
    let found = Match::new(end, Form::Verbatim);
    let sentence =
        |at: usize| one(text, at, |c| is_space_or_line(c) || c.is_uppercase()).or_else(|| tag_end(text, at));
    if let Some(reach) = one(text, end, is_space_or_line).and_then(sentence) {
        return Some(found.reaching(reach).followed_at(end - 1));
    }
    if is(text, end + 1, |_| true) {
        return Some(found.reaching(end + 2));
    }
    Some(found.followed_at(end - 1))
}

/// "Mr." and "U.S.".
pub(super) fn never_final(text: &[char], at: usize) -> Option<Match> {
    let end = with_period(text, at, NEVER_FINAL).max(acronym_end(text, at))?;
    Some(Match::new(end, Form::Verbatim))
}

/// "Mr" and "non-U.S" before a space.
pub(super) fn without_period(text: &[char], at: usize) -> Option<Match> {
    let words = NEVER_FINAL
        .iter()
        .filter_map(|spelling| spelled(text, at, spelling))
        .filter(|end| is(text, *end, is_space));
    let acronyms = acronym_ends(text, at, 1)
        .into_iter()
        .filter(|end| is(text, *end, is_space_or_line));
    let end = words.chain(acronyms).max()?;
    Some(Match::new(end, Form::Verbatim).reaching(end + 1))
}
