//! English text into tokens by the conventions of the Penn Treebank.
//!
//! ```text
//! "a man's dog, asleep." ─▶ a │ man │ 's │ dog │ , │ asleep │ .
//! ```
//!
//! At each place every rule says how far it reaches; the one that reaches furthest makes the token, and of several
//! that reach equally far the first. Some reach beyond their token, because they ask for what follows it.
//!
//! Source: what `edu.stanford.nlp.process.PTBTokenizer` of Stanford CoreNLP 3.4.1 does with its options
//! `-preserveLines -lowerCase`, as observed and as its `PTBLexer.flex` documents.

mod abbreviation;
mod address;
mod apostrophe;
mod character;
mod form;
mod number;
mod scan;
mod symbol;
mod tag;
mod word;

use form::Form;

/// What a rule found.
#[derive(Clone, Copy, Debug)]
struct Match {
    /// Where the token ends.
    end: usize,
    /// Where the next token begins.
    next: usize,
    /// Where what the rule looked at ends. The rule that looked furthest wins.
    reach: usize,
    /// What is made of the token.
    form: Form,
}

impl Match {
    /// A token that ends where the rule ends.
    fn new(end: usize, form: Form) -> Self {
        Self {
            end,
            next: end,
            reach: end,
            form,
        }
    }

    /// The same token, found by a rule that looked on to `reach`.
    fn reaching(self, reach: usize) -> Self {
        Self { reach, ..self }
    }

    /// The same token, with the next one beginning at `next`.
    fn followed_at(self, next: usize) -> Self {
        Self { next, ..self }
    }
}

/// A rule: what it finds at a place of a text.
type Rule = fn(&[char], usize) -> Option<Match>;

/// All rules. The order decides between those that reach equally far.
const RULES: [Rule; 53] = [
    word::programming_language,
    word::assimilation,
    tag::tag,
    symbol::dash,
    symbol::ampersand_entity,
    symbol::entity,
    apostrophe::word_before_ending,
    apostrophe::stem_before_not,
    word::word,
    apostrophe::word_with_apostrophe,
    apostrophe::y_before_word,
    address::url,
    address::domain,
    address::email,
    address::handle,
    apostrophe::ending,
    apostrophe::not,
    number::date,
    number::number,
    number::raised,
    number::fraction,
    number::fraction_sign,
    word::special,
    word::alternatives,
    symbol::dollar,
    symbol::currency,
    abbreviation::acronym_before_sentence,
    abbreviation::before_number,
    abbreviation::before_limited,
    abbreviation::maybe_final,
    abbreviation::never_final,
    abbreviation::without_period,
    number::short_year,
    address::file_name,
    word::word_before_punctuation,
    number::telephone,
    symbol::double_quote,
    symbol::angle,
    symbol::smiley,
    symbol::asian_smiley,
    symbol::bracket,
    symbol::hyphens,
    symbol::ellipsis,
    symbol::run,
    symbol::inner_punctuation,
    word::hyphenated,
    word::compound,
    word::initials,
    apostrophe::opening,
    apostrophe::ending_of_text,
    symbol::quotes,
    symbol::symbol,
    symbol::space,
];

/// The tokens of each line of a text, in lower case.
///
/// Lines are separated by `\n`; there is one more than there are separators. What is on the next line can decide how
/// the end of a line is read.
pub(crate) fn lines(text: &str) -> Vec<Vec<String>> {
    let text: Vec<char> = text.chars().collect();
    let mut lines = vec![Vec::new()];
    let mut at = 0;
    while at < text.len() {
        if text[at] == '\n' {
            lines.push(Vec::new());
            at += 1;
            continue;
        }
        let Some(found) = longest(&text, at) else {
            // A character that no rule knows is left out.
            at += 1;
            continue;
        };
        if let (Some(token), Some(line)) = (found.form.token(&text[at..found.end]), lines.last_mut()) {
            line.push(token.to_lowercase());
        }
        at = found.next;
    }
    lines
}

/// The match that reaches furthest.
fn longest(text: &[char], at: usize) -> Option<Match> {
    let mut best: Option<Match> = None;
    for found in RULES.iter().filter_map(|rule| rule(text, at)) {
        if best.is_none_or(|best| found.reach > best.reach) {
            best = Some(found);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(line: &str) -> Vec<String> {
        lines(line).concat()
    }

    #[test]
    fn punctuation_makes_tokens() {
        let line = "He said: \"It's... 5 o'clock, isn't it?\"; (no) – yes--no.\n";
        let expected = "he said : `` it 's ... 5 o'clock , is n't it ? '' ; -lrb- no -rrb- -- yes -- no .";
        assert_eq!(tokens(line).join(" "), expected);
        assert_eq!(tokens("wait...5 . . . x\n"), ["wait", "...", "5", "...", "x"]);
    }

    #[test]
    fn a_period_that_ends_abbreviation_and_sentence_is_read_twice() {
        assert_eq!(
            tokens("The U.S. It is J. The end").join(" "),
            "the u.s. . it is j . the end"
        );
        assert_eq!(
            tokens("the end etc. and Acme Inc. Now").join(" "),
            "the end etc. and acme inc. . now"
        );
        assert_eq!(tokens("etc."), ["etc.", "."]);
        assert_eq!(tokens("etc.\nthe"), ["etc.", "the"]);
        assert_eq!(tokens("etc.\nThe"), ["etc.", ".", "the"]);
    }

    #[test]
    fn quotation_marks_open_and_close() {
        assert_eq!(
            tokens("'tis 'a b' 'ab' ``x''\n").join(" "),
            "'t is ' a b ' ` ab ' `` x ''"
        );
        assert_eq!(tokens("“don’t” «x»\n").join(" "), "`` do n't '' `` x ''");
    }

    #[test]
    fn the_rule_that_reaches_furthest_wins() {
        // A word alone, before an ending, with a stroke, as the name of a file.
        assert_eq!(tokens("cannot"), ["can", "not"]);
        assert_eq!(tokens("cannot's"), ["cannot", "'s"]);
        assert_eq!(tokens("cannot/will"), ["cannot/will"]);
        assert_eq!(tokens("cannot.txt\n"), ["cannot.txt"]);
    }

    #[test]
    fn a_text_that_can_be_read_in_many_ways_is_read_once() {
        // Each "non-U.S." is one part or two, which doubles the ways.
        let text = format!("x{}\n", "-non-U.S.".repeat(64));
        assert_eq!(tokens(&text), [text.trim().to_lowercase()]);
    }

    #[test]
    fn a_text_ends_anywhere() {
        let text = "A man's \"U.S.\" dog, etc. (650) 723-2000 <a b='c'> www.x.com/y :-) &eacute;t&eacute; 5 1/2 n't no. 5";
        for (end, _) in text.char_indices() {
            assert_eq!(lines(&text[..end]).len(), 1);
        }
    }
}
