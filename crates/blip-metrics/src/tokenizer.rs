//! Captions into words, as the COCO caption evaluation does it before it measures.
//!
//! Source: `PTBTokenizer` of pycocoevalcap 1.2 (salaniz/pycocoevalcap, after tylin/coco-caption), which runs Stanford
//! CoreNLP 3.4.1 and then drops punctuation.

use crate::lexer;

/// The tokens that are dropped. Brackets are not among them: the list has them in capitals, and tokens are in lower
/// case.
const PUNCTUATION: [&str; 13] = [
    "''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";",
];

/// The words of one caption, in lower case, without punctuation.
///
/// The text is cut by the conventions of the Penn Treebank: "don't" is "do" and "n't", "man's" is "man" and "'s",
/// "cannot" is "can" and "not". Hyphens, and the commas and periods of numbers and abbreviations, stay. What surprises
/// is the reference's doing:
///
/// - brackets stay, as "-lrb-" and "-rrb-", and so do signs such as "&", "%" and "/",
/// - one `?` is dropped, "??" and "?!" are not,
/// - a period without a space behind it joins two sentences: "a dog.it runs" is "a", "dog.it", "runs",
/// - numbers that look like a fraction or a telephone number are one word with U+00A0 inside: "5 1/2",
/// - characters above U+FFFF, most emoji, are left out and separate words.
///
/// # Where it is exact
///
/// The words are those that the reference gives in the middle of a list, before a caption that begins with a small
/// letter; how much the caption behind it can matter, [`tokenize_captions`] tells. They are the same for any text of
/// Latin, Greek and Cyrillic letters, common Chinese and Japanese, and signs of any kind. They can deviate
///
/// - where marks join the letters of other scripts (Hebrew points, Arabic, Indic and Thai vowel signs), or a letter
///   was added to Unicode since 2010,
/// - where a text has a line end other than `\n` in it: here it separates words like a space, while the reference
///   mistakes it for the end of a caption and takes every caption behind it for the next one's.
///
/// # Examples
///
/// ```
/// use blip_metrics::tokenize_caption;
///
/// let words = tokenize_caption("A man's dog doesn't like the well-known (brown) \"U.S.\" food, etc.");
/// let expected = "a man 's dog does n't like the well-known -lrb- brown -rrb- u.s. food etc.";
/// assert_eq!(words.join(" "), expected);
/// ```
pub fn tokenize_caption(caption: &str) -> Vec<String> {
    let mut lines = without_punctuation(&(one_line(caption) + "\n"));
    lines.swap_remove(0)
}

/// The words of each of several captions, as [`tokenize_caption`] gives them, but read as the one text that the
/// reference makes of them.
///
/// This matters at the end of a caption in two cases. Whether the period of an abbreviation belongs to it can depend on
/// the first word of the caption behind it: in "plan B." before "A cat sleeps." the last word is "b", before "Two cats
/// sleep." it is "b.". And the last caption of all is misread where it ends in "'ve", "'ll" or "'re", in a year such as
/// "'69" or in the name of a file. Scores that are to equal the reference's need the captions in the reference's order:
/// candidates as one list, references as another.
///
/// # Examples
///
/// ```
/// use blip_metrics::tokenize_captions;
///
/// let words = tokenize_captions(&["This is plan B.", "A cat sleeps."]);
/// assert_eq!(words, [vec!["this", "is", "plan", "b"], vec!["a", "cat", "sleeps"]]);
/// let words = tokenize_captions(&["This is plan B.", "Two cats sleep."]);
/// assert_eq!(words[0].last().map(String::as_str), Some("b."));
/// ```
pub fn tokenize_captions<S: AsRef<str>>(captions: &[S]) -> Vec<Vec<String>> {
    if captions.is_empty() {
        return Vec::new();
    }
    let lines: Vec<String> = captions
        .iter()
        .map(|caption| one_line(caption.as_ref()))
        .collect();
    without_punctuation(&lines.join("\n"))
}

/// The tokens of each line of a text but for punctuation.
fn without_punctuation(text: &str) -> Vec<Vec<String>> {
    let mut lines = lexer::lines(text);
    for line in &mut lines {
        line.retain(|token| !PUNCTUATION.contains(&token.as_str()));
    }
    lines
}

/// A caption without line ends.
fn one_line(caption: &str) -> String {
    caption.replace(['\n', '\r', '\u{b}', '\u{c}', '\u{2028}', '\u{2029}'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_lines_as_captions() {
        assert_eq!(tokenize_captions::<&str>(&[]), Vec::<Vec<String>>::new());
        assert_eq!(tokenize_captions(&["", "", ""]), vec![Vec::<String>::new(); 3]);
        assert_eq!(
            tokenize_captions(&["a\nb", "c\r\u{2028}d"]),
            [["a", "b"], ["c", "d"]]
        );
        assert!(tokenize_caption("").is_empty());
        assert!(tokenize_caption("... , ; - -- !").is_empty());
    }

    #[test]
    fn a_caption_alone_is_read_as_one_among_others() {
        assert_eq!(tokenize_caption("who we've"), ["who", "we", "'ve"]);
        assert_eq!(tokenize_captions(&["who we've", "x"])[0], ["who", "we", "'ve"]);
        assert_eq!(tokenize_captions(&["who we've"]), [["who", "we", "ve"]]);
    }

    #[test]
    fn punctuation_is_dropped_where_it_is_a_token_of_its_own() {
        assert_eq!(
            tokenize_caption("What?! A dog. (Yes!)"),
            ["what", "?!", "a", "dog", "-lrb-", "yes", "-rrb-"]
        );
        assert_eq!(tokenize_caption("a dog.it runs"), ["a", "dog.it", "runs"]);
        assert_eq!(
            tokenize_caption("1,000 people at 12:30"),
            ["1,000", "people", "at", "12:30"]
        );
    }
}
