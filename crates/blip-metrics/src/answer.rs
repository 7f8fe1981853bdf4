//! Answers in the form in which the VQA evaluation compares them.
//!
//! Source: salesforce/LAVIS@506965b `lavis/common/vqa_tools/vqa_eval.py`, after the evaluation of the VQA challenge
//! (GT-Vision-Lab/VQA).

use crate::contraction::with_apostrophe;
use crate::digit::is_digit;

/// How many periods are taken out of one answer. The official code hands `re.UNICODE`, which is 32, to `re.sub` as the
/// number of replacements.
const MOST_PERIODS: usize = 32;

/// Signs that are deleted or replaced by a space.
fn is_sign(character: char) -> bool {
    matches!(
        character,
        ';' | '/'
            | '['
            | ']'
            | '"'
            | '{'
            | '}'
            | '('
            | ')'
            | '='
            | '+'
            | '\\'
            | '_'
            | '-'
            | '>'
            | '<'
            | '@'
            | '`'
            | ','
            | '?'
            | '!'
    )
}

/// What Python's `str.split` and `str.strip` take for white space.
fn is_space(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\u{1c}'..='\u{1f}')
}

/// A predicted answer as the VQA evaluation compares it: in lower case, without punctuation and articles, with digits
/// for zero to ten ("none" is 0 too), and with the apostrophes of common contractions.
///
/// What surprises is the official code's doing:
///
/// - A sign such as `-` or `/` becomes a space, but is deleted everywhere as soon as it stands beside a space once, and
///   all signs are deleted as soon as a comma stands between two digits somewhere.
/// - A period goes unless a digit follows, whatever is before it, so that "a.5" keeps its own; and only the first 32 go.
/// - `:`, `'`, `*`, `&`, `%`, `$` and `#` stay.
///
/// # Examples
///
/// ```
/// use blip_metrics::normalize_answer;
///
/// assert_eq!(normalize_answer("The two dogs, a cat."), "2 dogs cat");
/// assert_eq!(normalize_answer("black-and-white"), "black and white");
/// assert_eq!(normalize_answer("black-and - white"), "blackand white");
/// assert_eq!(normalize_answer("1,000-2"), "10002");
/// assert_eq!(normalize_answer("dont know"), "don't know");
/// ```
pub fn normalize_answer(answer: &str) -> String {
    let answer = answer.replace(['\n', '\t'], " ");
    let words = without_signs(answer.trim_matches(is_space)).to_lowercase();
    let words = words.split(is_space).filter(|word| !word.is_empty()).map(digits);
    let words: Vec<&str> = words
        .filter(|word| !matches!(*word, "a" | "an" | "the"))
        .map(|word| with_apostrophe(word).unwrap_or(word))
        .collect();
    words.join(" ")
}

/// A text without signs and periods, the rest as it is. This alone is done to what annotators answered.
pub(crate) fn without_signs(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let beside_space = |sign| {
        characters
            .windows(2)
            .any(|pair| pair == [sign, ' '] || pair == [' ', sign])
    };
    let has_large_number = characters
        .windows(3)
        .any(|three| is_digit(three[0]) && three[1] == ',' && is_digit(three[2]));
    let replaced: Vec<char> = characters
        .iter()
        .filter_map(|character| match character {
            sign if !is_sign(*sign) => Some(*sign),
            sign if has_large_number || beside_space(*sign) => None,
            _ => Some(' '),
        })
        .collect();
    let mut without = String::with_capacity(text.len());
    let mut periods = 0;
    for (place, character) in replaced.iter().enumerate() {
        // The official expression also means to look at what is before, but misspells it.
        let goes = *character == '.' && !replaced.get(place + 1).is_some_and(|next| is_digit(*next));
        if goes && periods < MOST_PERIODS {
            periods += 1;
        } else {
            without.push(*character);
        }
    }
    without
}

/// The digits of a number word.
fn digits(word: &str) -> &str {
    match word {
        "none" | "zero" => "0",
        "one" => "1",
        "two" => "2",
        "three" => "3",
        "four" => "4",
        "five" => "5",
        "six" => "6",
        "seven" => "7",
        "eight" => "8",
        "nine" => "9",
        "ten" => "10",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_beside_a_space_is_deleted_wherever_it_stands() {
        assert_eq!(without_signs("a/b"), "a b");
        assert_eq!(without_signs("a/b /c"), "ab c");
        assert_eq!(without_signs("a/b-c /d"), "ab c d");
        assert_eq!(without_signs("-a"), " a");
        // A tab is no space to this rule, and predictions have none left.
        assert_eq!(without_signs("a-\tb"), "a \tb");
    }

    #[test]
    fn a_comma_between_digits_deletes_all_signs() {
        assert_eq!(without_signs("1,000 (a-b)"), "1000 ab");
        assert_eq!(without_signs("1, 000 (a-b)"), "1 000 a b ");
    }

    #[test]
    fn periods_go_unless_a_digit_follows() {
        assert_eq!(without_signs("a.m. 5.30 .5 3."), "am 5.30 .5 3");
        // A sign that becomes a space, or goes, decides what follows the period.
        assert_eq!(without_signs("a.-5"), "a 5");
        assert_eq!(without_signs("a.- 5"), "a 5");
        assert_eq!(without_signs("a.(5) ("), "a.5 ");
        assert_eq!(without_signs(&".".repeat(40)), ".".repeat(8));
    }

    #[test]
    fn words_are_replaced_after_the_signs_are_gone() {
        assert_eq!(normalize_answer("None"), "0");
        assert_eq!(normalize_answer("a-an-the"), "");
        assert_eq!(normalize_answer("\tIt's  TEN o'clock\n"), "it's 10 o'clock");
        assert_eq!(normalize_answer("oclock"), "o'clock");
        assert_eq!(normalize_answer("twenty-one"), "twenty 1");
    }
}
