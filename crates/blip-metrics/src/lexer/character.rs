//! The classes of characters that the lexer tells apart.
//!
//! Up to U+05BE (Latin, Greek and Cyrillic letters, accents, and the signs among them), for kana and the common
//! ideographs, and for signs everywhere, they are the reference's. Of other scripts, a letter is what today's Unicode
//! calls alphabetic, where the reference knows an older Unicode and fewer of the marks that join a letter. What lies
//! above U+FFFF is unknown to both.

use crate::digit;

/// Horizontal space, which separates tokens.
pub(super) fn is_space(character: char) -> bool {
    matches!(
        character,
        ' ' | '\t' | '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{3000}'
    )
}

/// Space within a line or its end.
pub(super) fn is_space_or_line(character: char) -> bool {
    is_space(character) || character == '\n'
}

/// What joins the parts of a fraction or a telephone number.
pub(super) fn is_joint(character: char) -> bool {
    matches!(character, '-' | ' ' | '\u{a0}')
}

/// A decimal digit of any script of the basic plane.
pub(super) fn is_digit(character: char) -> bool {
    u32::from(character) <= 0xffff && digit::is_digit(character)
}

/// A letter in the narrow sense, without accents that stand alone.
pub(super) fn is_letter(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_alphabetic();
    }
    character.is_alphabetic() && !is_unknown_letter(character) && !is_accent(character)
}

/// A letter, an accent that joins one, or the soft hyphen.
pub(super) fn is_word_letter(character: char) -> bool {
    is_letter(character) || character == '\u{ad}' || is_accent(character)
}

/// What today's Unicode calls a letter and the lexer does not: those younger than it, Roman numerals as one sign,
/// circled letters, and all above the basic plane.
fn is_unknown_letter(character: char) -> bool {
    matches!(
        character,
        '\u{37f}' | '\u{528}'..='\u{52f}' | '\u{560}' | '\u{588}' | '\u{2160}'..='\u{2182}' | '\u{2185}'..='\u{2188}' | '\u{24b6}'..='\u{24e9}'
    ) || u32::from(character) > 0xffff
}

/// Accents and like signs that count as letters of a word.
fn is_accent(character: char) -> bool {
    matches!(
        character,
        '\u{2c2}'..='\u{2c5}'
            | '\u{2d2}'..='\u{2df}'
            | '\u{2e5}'..='\u{2eb}'
            | '\u{2ed}'
            | '\u{2ef}'..='\u{36f}'
            | '\u{375}'
            | '\u{378}'
            | '\u{379}'
            | '\u{384}'
            | '\u{385}'
            | '\u{3f6}'
            | '\u{483}'..='\u{487}'
            | '\u{55a}'..='\u{55f}'
            | '\u{591}'..='\u{5bd}'
    )
}

/// The apostrophe, typed, typeset, or as Windows' code page 1252 has it.
pub(super) fn is_apostrophe(character: char) -> bool {
    matches!(character, '\'' | '\u{92}' | '\u{2019}')
}

/// What people also write for an apostrophe.
pub(super) fn is_loose_apostrophe(character: char) -> bool {
    is_apostrophe(character) || matches!(character, '`' | '\u{91}' | '\u{2018}' | '\u{201b}')
}

/// What joins the parts of a word.
pub(super) fn is_hyphen(character: char) -> bool {
    matches!(character, '-' | '_' | '\u{58a}' | '\u{2010}' | '\u{2011}')
}

/// Quotation marks other than the ASCII double one and the apostrophe.
pub(super) fn is_quote(character: char) -> bool {
    matches!(
        character,
        '`' | '\u{91}'..='\u{94}' | '\u{2018}'..='\u{201f}' | '\u{2039}' | '\u{203a}' | '\u{ab}' | '\u{bb}'
    )
}

/// Punctuation inside a sentence. A period before it belongs to the word.
pub(super) fn is_inner_punctuation(character: char) -> bool {
    matches!(character, ',' | ';' | ':' | '\u{3001}')
}

/// Raised digits.
pub(super) fn is_superscript(character: char) -> bool {
    matches!(
        character,
        '\u{2070}' | '\u{b9}' | '\u{b2}' | '\u{b3}' | '\u{2074}'..='\u{2079}'
    )
}

/// Lowered digits.
pub(super) fn is_subscript(character: char) -> bool {
    matches!(character, '\u{2080}'..='\u{2089}')
}

/// Signs that are tokens of their own: mathematics, arrows, dingbats of the basic plane, and sentence ends.
pub(super) fn is_symbol(character: char) -> bool {
    matches!(
        character,
        '+' | '%' | '&' | '~' | '^' | '|' | '\\' | '.' | '=' | '/'
            | '\u{a1}'
            | '\u{a6}'..='\u{a9}'
            | '\u{ac}'
            | '\u{ae}'..='\u{b4}'
            | '\u{b5}'..='\u{ba}'
            | '\u{bf}'
            | '\u{d7}'
            | '\u{f7}'
            | '\u{37e}'
            | '\u{387}'
            | '\u{589}'
            | '\u{5be}'
            | '\u{5c0}'
            | '\u{5c3}'
            | '\u{5c6}'
            | '\u{5f3}'
            | '\u{5f4}'
            | '\u{600}'..='\u{603}'
            | '\u{606}'..='\u{60a}'
            | '\u{60c}'
            | '\u{614}'
            | '\u{61b}'
            | '\u{61e}'
            | '\u{61f}'
            | '\u{66a}'
            | '\u{66d}'
            | '\u{6d4}'
            | '\u{700}'..='\u{70d}'
            | '\u{7f6}'..='\u{7f8}'
            | '\u{964}'
            | '\u{965}'
            | '\u{e4f}'
            | '\u{1fbd}'
            | '\u{2016}'
            | '\u{2017}'
            | '\u{2020}'..='\u{2023}'
            | '\u{2030}'..='\u{2038}'
            | '\u{203b}'
            | '\u{203e}'..='\u{2042}'
            | '\u{2044}'
            | '\u{207a}'..='\u{207f}'
            | '\u{208a}'..='\u{208e}'
            | '\u{2100}'..='\u{214f}'
            | '\u{2190}'..='\u{2bff}'
            | '\u{3002}'
            | '\u{3012}'
            | '\u{30fb}'
            | '\u{ff01}'..='\u{ff0f}'
            | '\u{ff1a}'..='\u{ff20}'
            | '\u{ff3b}'..='\u{ff40}'
            | '\u{ff5b}'..='\u{ff65}'
    )
}
