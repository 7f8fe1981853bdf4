//! What is made of the characters of a token.

use super::scan;

/// How a token is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// As it stands.
    Verbatim,
    /// This instead.
    Fixed(&'static str),
    /// Without soft hyphens; a hyphen if there is nothing else.
    Word,
    /// With the Treebank's quotation marks: `` and ` to the left, '' and ' to the right. For the straight ones the
    /// rule says which side it is.
    Quote {
        /// Whether straight marks open a quotation.
        opens: bool,
    },
    /// With `&` for `&amp;`.
    Ampersand,
    /// With spaces that do not break, U+00A0, for spaces.
    Unbroken,
    /// The same, and with -LRB- and -RRB- for round brackets.
    Telephone,
    /// With -LRB- and -RRB- for round brackets.
    Bracket,
    /// Not a token.
    Nothing,
}

impl Form {
    /// The token, if these characters make one.
    pub(super) fn token(self, characters: &[char]) -> Option<String> {
        Some(match self {
            Self::Verbatim => characters.iter().collect(),
            Self::Fixed(token) => token.to_owned(),
            Self::Word => {
                let word: String = characters
                    .iter()
                    .filter(|character| **character != '\u{ad}')
                    .collect();
                if word.is_empty() { "-".to_owned() } else { word }
            }
            Self::Quote { opens } => quote(characters, opens),
            Self::Ampersand => replaced(characters, "&amp;", "&"),
            Self::Unbroken => characters.iter().map(|character| unbroken(*character)).collect(),
            Self::Telephone => characters.iter().map(|c| bracketed(unbroken(*c))).collect(),
            Self::Bracket => characters.iter().map(|c| bracketed(*c)).collect(),
            Self::Nothing => return None,
        })
    }
}

/// A space that does not break for one that does.
fn unbroken(character: char) -> char {
    if character == ' ' { '\u{a0}' } else { character }
}

/// A round bracket as the Treebank writes it.
fn bracketed(character: char) -> String {
    match character {
        '(' => "-LRB-".to_owned(),
        ')' => "-RRB-".to_owned(),
        other => other.to_string(),
    }
}

/// Each occurrence of an entity replaced.
fn replaced(characters: &[char], entity: &str, by: &str) -> String {
    let mut token = String::new();
    let mut at = 0;
    while at < characters.len() {
        if let Some(end) = scan::literal(characters, at, entity) {
            token.push_str(by);
            at = end;
        } else {
            token.push(characters[at]);
            at += 1;
        }
    }
    token
}

/// Quotation marks as in LaTeX. The low ones, „ and ‚, and ‟ stay.
fn quote(characters: &[char], opens: bool) -> String {
    let mut token = String::new();
    let mut at = 0;
    while at < characters.len() {
        let entity = |entity: &str| {
            let spelled: String = characters[at..].iter().take(entity.len()).collect();
            spelled == entity
        };
        let (mark, length) = match characters[at] {
            '&' if entity("&apos;") => (if opens { "`" } else { "'" }, 6),
            '&' if entity("&quot;") => (if opens { "``" } else { "''" }, 6),
            '\'' => (if opens { "`" } else { "'" }, 1),
            '"' => (if opens { "``" } else { "''" }, 1),
            '\u{91}' | '\u{2018}' | '\u{201b}' | '\u{2039}' => ("`", 1),
            '\u{92}' | '\u{2019}' | '\u{203a}' => ("'", 1),
            '\u{93}' | '\u{201c}' | '\u{ab}' => ("``", 1),
            '\u{94}' | '\u{201d}' | '\u{bb}' => ("''", 1),
            other => {
                token.push(other);
                at += 1;
                continue;
            }
        };
        token.push_str(mark);
        at += length;
    }
    token
}
